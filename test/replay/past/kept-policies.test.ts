// Promise: looking back leaves out the records that the live application has left out, without an option.
import assert from 'node:assert/strict';
import type { LocalBroker } from '#src/broker/local/broker.js';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import { aggregate, type ErrorPolicies, groupBy, mapValues, serdes, start, to, topology } from '#src/index.js';
import {
  applyPromotion,
  applyReset,
  bisect,
  compare,
  history,
  type PastOptions,
  parseMoment,
  planPromotion,
  planReset,
  planRollback,
  rebuildStore,
  replay,
  smallestSlice,
  startShadow,
  stateAsOf,
  stateDiff,
  trace,
  verify,
} from '#src/replay/index.js';
import type { CommitStep } from '#src/runtime/config/config.js';
import { policiesOf } from '#src/runtime/config/kept-policies.js';
import { systemClock } from '#src/runtime/config/system.js';
import { failure, json } from '../../dsl/support.js';
import {
  Application,
  createTopics,
  diskBroker,
  diskMachine,
  memoryBroker,
  writeTopic,
} from '../../support/application.js';
import { temporaryDirectory } from '../../support/project.js';

interface Paid {
  readonly account: string;
  readonly amount: number;
}

const UNWRITABLE = 13;

/** Totals by account. An amount of 0 cannot be processed, and a total of 13 cannot be written. */
const totals = topology('totals', (t) => {
  const written = serdes.json<number>();
  const encode = (value: number): Buffer => {
    if (value === UNWRITABLE) throw new Error('an unlucky total');
    return written.encode(value);
  };
  t.stream('in', json<Paid>())
    .pipe(
      mapValues((paid) => {
        if (paid.amount === 0) throw new Error('nothing was paid');
        return paid;
      }),
      groupBy((record) => record.value.account, { ...json<Paid>(), name: 'by-account' }),
      aggregate({
        store: 'totals',
        value: serdes.json<number>(),
        initial: () => 0,
        add: (total, record) => total + record.value.amount,
      }),
    )
    .pipe(to('out', { key: serdes.string, value: { ...written, encode } }));
});

const paid = (account: string, amount: number): string => JSON.stringify({ account, amount });
const VALUES = [paid('ada', 3), 'no JSON', paid('bob', 5), paid('ada', 0), paid('ada', 10), paid('ada', 1), '{}}'];

const LENIENT: ErrorPolicies = { deserialize: 'skip', process: 'deadLetter', produce: 'skip' };
const latest = parseMoment('latest');

const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

class Story {
  readonly app: Application;
  #time = 0;

  constructor(broker: LocalBroker, onError: ErrorPolicies | undefined, machine = diskMachine()) {
    const options = {
      ...(onError && { onError }),
      guarantee: 'exactly_once' as const,
      commitRecords: 2,
      batchRecords: 2,
    };
    this.app = new Application({ topology: totals, options, broker, machine });
  }

  async tell(values: readonly string[]): Promise<void> {
    await this.app.write(
      'in',
      values.map((value) => ({ key: 'k', value, timestamp: ++this.#time * 1_000 })),
    );
  }

  async live(): Promise<unknown> {
    await this.app.runThrough();
    const rows = await this.app.rows();
    await this.app.stop();
    return Object.entries(rows)
      .map(([place, row]) => `${place.replace(/.*\] /, '')} ${row}`)
      .sort();
  }
}

async function begun(onError: ErrorPolicies | undefined, broker: LocalBroker = memoryBroker()): Promise<Story> {
  const story = new Story(broker, onError);
  await story.app.createTopics({ in: 1, out: 1, 'totals-dead-letter': 1 });
  return story;
}

/** The live rows, the same as a look back shows them. */
async function rowsOf(options: PastOptions): Promise<unknown> {
  const state = await stateAsOf(totals, { ...options, asOf: latest });
  const rows: string[] = [];
  try {
    for (const store of state.stores)
      for await (const [key] of store.entries()) {
        const row = await store.row(key);
        rows.push(`${JSON.stringify(key)} ${JSON.stringify(row?.value)} at ${row?.timestamp}`);
      }
  } finally {
    await state.close();
  }
  return rows.sort();
}

/** Every way of looking back has what the application has. */
async function looksBack(story: Story, options: PastOptions, live: unknown): Promise<void> {
  const { app } = story;
  assert.deepEqual(await rowsOf(options), live);
  const changes = await collect(history(totals, { ...options, store: 'totals', key: 'ada' }));
  assert.deepEqual(
    changes.map(({ value }) => value),
    [3, 13, 14],
  );
  const asked = { ...options, store: 'totals', when: ({ value }: { readonly value: number }) => value > 13 };
  const found = await bisect(totals, asked);
  assert.equal(found?.change.event.offset, 5);
  const slice = await smallestSlice(totals, asked, found.change);
  assert.deepEqual(
    slice.records.map(({ offset }) => offset),
    [0, 4, 5],
  );
  const traced = await collect(trace(totals, { ...options, key: 'k' }));
  assert.equal(traced.length, VALUES.length);
  const at = { topic: 'in', partition: 0, offset: 6 };
  assert.equal((await collect(trace(totals, { ...options, at })))[0]?.event.offset, 6);
  const differences = await collect(
    stateDiff(totals, { ...options, before: parseMoment('time:1970-01-01T00:00:04Z'), after: latest }),
  );
  assert.deepEqual(
    differences.map(({ key, before, after }) => [key, before, after]),
    [['ada', 3, 14]],
  );
  const { snapshots: _, ...plain } = options;
  assert.equal(await compare(totals, totals, plain), undefined);
  assert.deepEqual((await verify(totals, plain)).differences, []);
  const out: string[] = [];
  const report = await replay(totals, {
    ...options,
    onOutput: (records) => {
      for (const { topic, key, value } of records) if (topic === 'out') out.push(`${key} ${value}`);
    },
  });
  const written = await app.read('out');
  assert.deepEqual(
    out,
    written.map(({ key, value }) => `${key} ${value}`),
  );
  const letters = await app.read('totals-dead-letter');
  assert.equal(report.outputs['totals-dead-letter'] ?? 0, letters.length);
}

describe('looking back leaves out what the live application has left out', () => {
  for (const [name, open] of [
    ['memory', memoryBroker],
    ['embedded', diskBroker],
  ] as const)
    for (const every of [undefined, { records: 1 }, { records: 2 }])
      it(`on the ${name} broker, ${every ? `with snapshots every ${every.records} records` : 'without snapshots'}`, async () => {
        const broker = await open();
        const story = await begun(LENIENT, broker);
        await story.tell(VALUES);
        const live = await story.live();
        const snapshots = every && { directory: temporaryDirectory(), version: '1', every };
        const options = { broker, ...(snapshots ? { snapshots } : { inMemory: true }) };
        await looksBack(story, options, live);
        // The second time, the snapshots of the first are there.
        if (snapshots) await looksBack(story, options, live);
        await broker.close();
      });

  for (const step of ['2 log', '3 offsets', '4 apply'] satisfies CommitStep[])
    it(`after crashes under exactly_once: ${step}`, async () => {
      const story = await begun(LENIENT);
      const { app } = story;
      await story.tell(VALUES);
      let left = 3;
      app.crashHere = (at) => at === step && left-- > 0;
      const live = await story.live();
      assert.equal(app.crashes, 3);
      await looksBack(story, { broker: app.broker, inMemory: true }, live);
      await app.close();
    });

  it('a rebuild from the sources changes nothing', async () => {
    const story = await begun(LENIENT);
    await story.tell(VALUES);
    await story.live();
    const { broker, machine } = story.app;
    const { tasks } = await rebuildStore(totals, {
      ...{ broker, store: 'totals', from: 'sources', stateDirectory: machine.stateDirectory },
    });
    assert.deepEqual(
      tasks.map(({ equal, added, changed, removed }) => [equal, added, changed, removed]),
      [[2, 0, 0, 0]],
    );
    await story.app.close();
  });

  it('under the policy fail it ends at the record, and the error names the option', async () => {
    const story = await begun(undefined);
    const { broker } = story.app;
    await story.tell(VALUES);
    await story.app.start();
    await assert.rejects(story.app.run(), failure('DESERIALIZE_FAILED', /in\[0\]@1/));
    const options = { broker, inMemory: true };
    const named = (step: string, code: 'DESERIALIZE_FAILED' | 'PROCESS_FAILED' | 'SERIALIZE_FAILED') =>
      failure(code, new RegExp(`--on-error ${step}=skip \\(in code: onError: \\{ ${step}: 'skip' \\}\\)`));
    const all = (more: Partial<PastOptions>): readonly (() => Promise<unknown>)[] => [
      () => rowsOf({ ...options, ...more }),
      () => collect(history(totals, { ...options, ...more, store: 'totals', key: 'ada' })),
      () => bisect(totals, { ...options, ...more, store: 'totals', when: ({ value }) => value > 13 }),
      () => collect(trace(totals, { ...options, ...more, key: 'k' })),
      () =>
        collect(
          stateDiff(totals, { ...options, ...more, before: parseMoment('time:1970-01-01T00:00:01Z'), after: latest }),
        ),
      () => compare(totals, totals, { ...options, ...more }),
      () => verify(totals, { ...options, ...more }),
      () => replay(totals, { ...options, ...more }),
    ];
    for (const look of all({})) await assert.rejects(look(), named('deserialize', 'DESERIALIZE_FAILED'));
    for (const look of all({ onError: { deserialize: 'skip' } }))
      await assert.rejects(look(), named('process', 'PROCESS_FAILED'));
    for (const look of all({ onError: { deserialize: 'skip', process: 'skip' } }))
      await assert.rejects(look(), named('produce', 'SERIALIZE_FAILED'));
    for (const look of all({ onError: LENIENT })) await look();
    await broker.close();
  });
});

describe('the error policies that an application keeps', () => {
  const kept = async ({ app }: Story): Promise<unknown[]> => {
    const offsets = await app.broker.admin.groupOffsets('totals');
    return offsets.map(({ metadata }) => JSON.parse(metadata ?? '{}').onError);
  };

  it('are the latest; what is given for a step overrides them for that step only', async () => {
    const story = await begun(LENIENT);
    const { broker, machine } = story.app;
    await story.tell(VALUES);
    const live = await story.live();
    const options = { broker, inMemory: true };
    await assert.rejects(rowsOf({ ...options, onError: { process: 'fail' } }), failure('PROCESS_FAILED'));
    assert.deepEqual(await rowsOf({ ...options, onError: { process: 'skip' } }), live);
    const strict = new Story(broker, { ...LENIENT, process: 'fail' }, machine);
    await strict.tell([paid('ada', 1)]);
    await strict.live();
    await assert.rejects(rowsOf(options), failure('PROCESS_FAILED', /--on-error process=skip/));
    const again = new Story(broker, LENIENT, machine);
    await again.tell([paid('ada', 1)]);
    assert.deepEqual(await rowsOf(options).catch(() => 'fails'), 'fails');
    const later = await again.live();
    assert.deepEqual(await rowsOf(options), later);
    assert.ok((await kept(again)).some((each) => JSON.stringify(each) === '["sds",3]'));
    await broker.close();
  });

  it('are those behind all retries, and a record of the past is not retried', async () => {
    let calls = 0;
    const broker = memoryBroker();
    const fails = topology('totals', (t) => {
      t.stream('in', json<Paid>())
        .pipe(
          mapValues(() => {
            calls++;
            throw new Error('never');
          }),
        )
        .pipe(to('out', json()));
    });
    const onError = { process: { retry: 2, backoff: '1s', then: 'skip' } } as const;
    const app = new Application({ topology: fails, options: { onError }, broker });
    await app.createTopics({ in: 1, out: 1 });
    await app.write('in', [{ key: 'k', value: '1', timestamp: 1 }]);
    await app.runThrough();
    await app.stop();
    assert.equal(calls, 3);
    await replay(fails, { broker, inMemory: true });
    assert.equal(calls, 4);
    await broker.close();
  });

  it('cost nothing if they are the default, and some tens of bytes otherwise', async () => {
    const plain = await begun(undefined);
    await plain.tell([paid('ada', 1)]);
    await plain.live();
    assert.ok((await kept(plain)).every((each) => each === undefined));
    // A policy that may write letters adds an internal input, and what the offsets say about that.
    const lenient = await begun({ ...LENIENT, process: 'skip' });
    await lenient.tell([paid('ada', 1)]);
    await lenient.live();
    const [one] = await plain.app.broker.admin.groupOffsets('totals');
    const [other] = await lenient.app.broker.admin.groupOffsets('totals');
    assert.equal((other?.metadata?.length ?? 0) - (one?.metadata?.length ?? 0), ',"onError":["sss",1]'.length);
    await Promise.all([plain.app.close(), lenient.app.close()]);
  });

  it('outlive a reset', async () => {
    const story = await begun(LENIENT);
    const { broker, machine } = story.app;
    const { stateDirectory } = machine;
    await story.tell(VALUES);
    const live = await story.live();
    const now = Date.UTC(2026, 0, 1);
    const plan = await planReset(totals, { broker, stateDirectory, now, to: parseMoment('earliest') });
    await applyReset(plan, { broker, stateDirectory, clock: systemClock });
    assert.deepEqual(await rowsOf({ broker, inMemory: true }), live);
    await broker.close();
  });

  it('are after a promotion those of the version that took over, and after a rollback those of the other', async () => {
    const broker = new MemoryBroker({ clock: systemClock });
    await createTopics(broker, { in: 1, out: 1, 'totals-dead-letter': 1, 'totals-shadow-totals-dead-letter': 1 });
    const stateDirectory = temporaryDirectory();
    const onError: ErrorPolicies = { ...LENIENT, deserialize: 'deadLetter' };
    await writeTopic(broker, 'in', [{ key: 'k', value: paid('ada', 3), timestamp: 1 }]);
    const streams = await start(totals, { broker, stateDirectory, onError: { process: 'skip' } });
    await streams.untilIdle();
    await streams.stop();
    const shadow = await startShadow(totals, { broker, stateDirectory, onError });
    await shadow.streams.untilIdle();
    await shadow.streams.stop();
    const kept = async () => policiesOf(await broker.admin.groupOffsets('totals'));
    assert.deepEqual(await kept(), { letters: 'fsf', n: 1 });
    const now = Date.UTC(2026, 0, 1);
    await applyPromotion(await planPromotion(totals, { broker, now }), { broker, stateDirectory });
    assert.deepEqual(await kept(), { letters: 'dds', n: 2 });
    await applyPromotion(await planRollback(totals, { broker, now }), { broker, stateDirectory });
    assert.deepEqual(await kept(), { letters: 'fsf', n: 3 });
    await broker.close();
  });

  it('count as none if another program has written something else there', async () => {
    const story = await begun(LENIENT);
    const { broker } = story.app;
    await story.tell(VALUES);
    await story.live();
    const offsets = await broker.admin.groupOffsets('totals');
    for (const onError of [
      '"sds"',
      '[1]',
      '["sds"]',
      '["sds",-1]',
      '["xyz",1]',
      '{"process":"skip"}',
      '["sdsf",1]',
      '["sds",1e300]',
    ]) {
      const metadata = `{"format":1,"onError":${onError}}`;
      await broker.admin.setGroupOffsets(
        'totals',
        offsets.map((at) => ({ ...at, metadata })),
      );
      await assert.rejects(rowsOf({ broker, inMemory: true }), failure('DESERIALIZE_FAILED'), onError);
    }
    await broker.close();
  });

  it('do not let a snapshot hide a record that ends the run', async () => {
    const story = await begun(LENIENT);
    const { broker } = story.app;
    await story.tell(VALUES);
    const live = await story.live();
    const snapshots = { directory: temporaryDirectory(), version: '1', every: { records: 1 } };
    assert.deepEqual(await rowsOf({ broker, snapshots }), live);
    await assert.rejects(
      rowsOf({ broker, snapshots, onError: { process: 'fail' } }),
      failure('PROCESS_FAILED', /in\[0\]@3/),
    );
    assert.deepEqual(await rowsOf({ broker, snapshots, onError: { process: 'skip' } }), live);
    await broker.close();
  });
});
