import assert from 'node:assert/strict';
import { filter } from 'rxjs';
import {
  count,
  groupBy,
  process,
  type StreamRecord,
  serdes,
  type Topology,
  to,
  topology,
  toStream,
} from '#src/index.js';
import {
  type LetterPosition,
  listLetters,
  type RedriveOptions,
  type RedriveReport,
  redriveLetters,
} from '#src/letters/index.js';
import { applyReset, planReset, replay, stateAsOf, verify } from '#src/replay/index.js';
import type { CommitStep, EngineOptions } from '#src/runtime/config/config.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { json } from '../dsl/support.js';
import { Application, diskMachine, memoryBroker } from '../support/application.js';

type In = StreamRecord<string, number>;
const numbers = json<number>();
const texts = json<string>();

/** What the functions of a topology refuse. */
const poison = new Set<number>();

/** Logs the values of each key, and refuses poison. */
const logging = (): Topology =>
  topology('app', (t) =>
    t.stream('in', numbers).pipe(
      process<In, { log: typeof texts }, string, string>(
        { name: 'log', stores: { log: texts }, emits: serdes.json<string>() },
        ({ key, value }, { stores: { log }, emit, uuid }) => {
          if (poison.has(value)) throw new Error(`no ${value}`);
          const line = `${log.get(key) ?? ''}${value}`;
          log.put(key, line);
          emit({ key, value: `${line} ${uuid().slice(0, 4)}` });
        },
      ),
      to('out', texts),
    ),
  );

async function started(target: Topology, options: EngineOptions = {}): Promise<Application> {
  const clock = new ManualClock();
  const app = new Application({
    topology: target,
    options: { onError: { process: 'deadLetter', deserialize: 'deadLetter' }, ...options },
    clock,
    broker: memoryBroker(clock),
    machine: diskMachine(),
  });
  await app.createTopics({ in: 1, out: 1, 'counts-out': 1 });
  await app.runThrough();
  return app;
}

async function feed(app: Application, ...values: readonly number[]): Promise<void> {
  await app.write(
    'in',
    values.map((value) => ({ key: 'k', value: `${value}`, timestamp: value })),
  );
  await app.runThrough();
}

const redrive = (app: Application, options: Partial<RedriveOptions> = {}): Promise<RedriveReport> => {
  const { broker, topology: target, clock } = app;
  const letters = listLetters({ broker, applicationId: 'app' });
  return redriveLetters({
    ...{ broker, applicationId: 'app', topology: target, letters, reason: 'fixed', actor: 'ann', clock },
    ...options,
  });
};

/** The states of all letters. */
async function states(app: Application): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { id, state } of listLetters({ broker: app.broker, applicationId: 'app', state: 'all' }))
    found.push(`${id} ${state.name}`);
  return found;
}

const out = async (app: Application): Promise<readonly string[]> =>
  (await app.read('out')).map(({ value }) => String(value).replace(/^"|"$/g, ''));

async function logOf(app: Application, key = 'k'): Promise<unknown> {
  const found = Object.entries(await app.rows()).find(([row]) => row.startsWith('log[') && row.includes(`"${key}"`));
  return /^"(\d*)"/.exec(found?.[1] ?? '')?.[1];
}

async function pastLog(app: Application, key = 'k'): Promise<unknown> {
  const state = await stateAsOf(app.topology, {
    ...{ broker: app.broker, inMemory: true, asOf: { kind: 'latest' } },
    defaultOnError: { process: 'deadLetter', deserialize: 'deadLetter' },
  });
  let log: unknown;
  for (const store of state.stores)
    if (store.spec.name === 'log') for await (const [row, value] of store.entries()) if (row === key) log = value;
  await state.close();
  return log;
}

async function close(app: Application): Promise<void> {
  await app.close();
  await app.machine.lose();
}

describe('a letter that is fed in again', () => {
  beforeEach(() => poison.clear());

  it('gets to the operator that gave it up, with the ids that it had, and is settled in the ledger', async () => {
    const app = await started(logging());
    await feed(app, 1, 2, 3);
    const ids = (await out(app)).map((line) => line.split(' ')[1]);
    const other = await started(logging());
    poison.add(2);
    await feed(other, 1, 2, 3);
    assert.deepEqual(await states(other), ['0@0 open']);
    poison.clear();
    const { requested, running } = await redrive(other);
    assert.deepEqual({ requested, running }, { requested: 1, running: true });
    assert.deepEqual(await states(other), ['0@0 requested']);
    await other.runThrough();
    assert.deepEqual(await states(other), ['0@0 redriven']);
    assert.deepEqual(await out(other), [`1 ${ids[0]}`, `13 ${ids[2]}`, `132 ${ids[1]}`]);
    assert.equal(await logOf(other), '132');
    assert.equal(await pastLog(other), '132');
    assert.deepEqual(await other.committed(), { 'in[0]': 3, 'app-in-letters[0]': 2 });
    await close(app);
    await close(other);
  });

  it('is open again if the operator fails again, without a second letter', async () => {
    const app = await started(logging());
    poison.add(2);
    await feed(app, 1, 2, 3);
    await redrive(app);
    await app.runThrough();
    assert.deepEqual(await states(app), ['0@0 open']);
    poison.clear();
    await redrive(app);
    await app.runThrough();
    assert.deepEqual(await states(app), ['0@0 redriven']);
    assert.equal(await logOf(app), '132');
    await close(app);
  });

  it('is fed in once, however often it is asked for', async () => {
    const app = await started(logging());
    poison.add(2);
    await feed(app, 1, 2);
    poison.clear();
    await redrive(app);
    assert.equal((await redrive(app, { letters: [{ partition: 0, offset: 0 }] })).before, 1);
    await app.runThrough();
    assert.equal((await redrive(app, { letters: [{ partition: 0, offset: 0 }] })).before, 1);
    await app.runThrough();
    assert.equal(await logOf(app), '12');
    await close(app);
  });

  it('is taken once, in whatever order and however often it is named', async () => {
    const app = await started(logging());
    for (const value of [2, 3, 4]) poison.add(value);
    await feed(app, 1, 2, 3, 4);
    poison.clear();
    const at = (...offsets: readonly number[]) => offsets.map((offset) => ({ partition: 0, offset }));
    await redrive(app, { letters: at(0) });
    await app.runThrough();
    const { requested, before, gone } = await redrive(app, { letters: at(2, 0, 2, 1) });
    assert.deepEqual({ requested, before, gone }, { requested: 2, before: 2, gone: 0 });
    await app.runThrough();
    assert.equal(await logOf(app), '1234');
    const again = await redrive(app, { letters: at(1, 1, 0), again: true });
    assert.deepEqual([again.requested, again.before], [0, 3]);
    await close(app);
  });

  it('waits for a process, if none runs', async () => {
    const app = await started(logging());
    poison.add(2);
    await feed(app, 1, 2);
    await app.stop();
    poison.clear();
    const { running, created } = await redrive(app);
    assert.deepEqual({ running, created }, { running: false, created: [] });
    await app.runThrough();
    assert.equal(await logOf(app), '12');
    await close(app);
  });

  it('may be of a time when the application had no such policy: its internal input is made then', async () => {
    const app = await started(logging());
    poison.add(2);
    await feed(app, 1, 2);
    await app.stop();
    await app.broker.admin.deleteTopics(['app-in-letters']);
    poison.clear();
    const fresh = new Application({
      ...{ topology: logging(), clock: app.clock, broker: app.broker, machine: app.machine },
    });
    const { created } = await redrive(fresh);
    assert.deepEqual(created, ['app-in-letters']);
    await fresh.runThrough();
    assert.equal(await logOf(fresh), '12');
    await close(fresh);
  });

  it('may have other bytes; the letter stays as it is', async () => {
    const app = await started(logging());
    poison.add(2);
    await feed(app, 1, 2);
    await redrive(app, { patch: ({ value }) => ({ value: Buffer.from(String(Number(String(value)) + 5)) }) });
    await app.runThrough();
    assert.equal(await logOf(app), '17');
    for await (const { value, state } of listLetters({ broker: app.broker, applicationId: 'app', state: 'all' }))
      assert.deepEqual([String(value), state.name], ['2', 'redriven']);
    await close(app);
  });

  it('of a record that could not be decoded is decoded again', async () => {
    const app = await started(logging());
    await app.write('in', [{ key: 'k', value: '{no json', timestamp: 1 }]);
    await feed(app, 3);
    await redrive(app);
    await app.runThrough();
    assert.deepEqual(await states(app), ['0@0 open']);
    await redrive(app, { patch: () => ({ value: Buffer.from('4') }) });
    await app.runThrough();
    assert.equal(await logOf(app), '34');
    await close(app);
  });

  it('reaches no other operator behind its source', async () => {
    const target = topology('app', (t) => {
      const input = t.stream('in', numbers);
      input.pipe(
        filter(({ value }) => {
          if (poison.has(value)) throw new Error('bad');
          return true;
        }),
        to('out', numbers),
      );
      input.pipe(
        groupBy(({ key }) => key, { name: 'again', ...numbers }),
        count({ store: 'counts' }),
        toStream(),
        to('counts-out', numbers),
      );
    });
    const app = await started(target);
    poison.add(2);
    await feed(app, 1, 2, 3);
    poison.clear();
    await redrive(app);
    await app.runThrough();
    assert.deepEqual(await out(app), ['1', '3', '2']);
    assert.deepEqual(
      (await app.read('counts-out')).map(({ value }) => value),
      ['1', '2', '3'],
    );
    await close(app);
  });
});

describe('what cannot be fed in again', () => {
  beforeEach(() => poison.clear());
  const letters: readonly LetterPosition[] = [{ partition: 0, offset: 0 }];

  it('REDRIVE_TARGET_UNKNOWN: the operator is gone; at its source it is fed in', async () => {
    const app = await started(logging());
    poison.add(2);
    await feed(app, 1, 2);
    await app.stop();
    poison.clear();
    const renamed = topology('app', (t) =>
      t.stream('in', numbers).pipe(
        process<In, { log: typeof texts }, number, string>(
          { name: 'book', stores: { log: texts } },
          ({ key, value }, { stores: { log } }) => log.put(key, `${log.get(key) ?? ''}${value}`),
        ),
        to('out', numbers),
      ),
    );
    const next = new Application({ topology: renamed, clock: app.clock, broker: app.broker, machine: app.machine });
    await assert.rejects(redrive(next), /REDRIVE_TARGET_UNKNOWN|process log.*which is gone.*--at source/);
    await redrive(next, { at: 'source', letters });
    await next.runThrough();
    assert.deepEqual(await states(next), ['0@0 redriven']);
    await close(next);
  });

  it('a request that others have written: it is counted, and nothing happens', async () => {
    const app = await started(logging());
    const place = { topic: 'in', partition: 0, offset: 0 };
    const asked = { letter: place, origin: place, at: 'process log', actor: 'ann', reason: 'r' };
    const wrong = [{ actor: ' ' }, { reason: 'r'.repeat(3_000) }, { origin: { ...place, offset: -1 } }];
    await app.write('app-in-letters', [
      { key: 'k', value: '7', timestamp: 0 },
      ...wrong.map((part) => ({
        ...{ key: 'k', value: '7', timestamp: 0 },
        headers: { 'millrace.redrive': JSON.stringify({ ...asked, ...part }) },
      })),
    ]);
    await feed(app, 1);
    assert.equal(await logOf(app), '1');
    await close(app);
  });
});

describe('a past with letters that were fed in', () => {
  beforeEach(() => poison.clear());

  /** Sums of the values by group, behind a repartition; poison is refused there. */
  const grouped = topology('app', (t) =>
    t.stream('in', numbers).pipe(
      groupBy(({ value }): string => (value % 2 === 0 ? 'even' : 'odd'), { name: 'by', ...numbers }),
      process<In, { log: typeof texts }, string, string>(
        { name: 'log', stores: { log: texts }, emits: serdes.json<string>() },
        ({ key, value }, { stores: { log }, emit }) => {
          if (poison.has(value)) throw new Error(`no ${value}`);
          const line = `${log.get(key) ?? ''}${value}`;
          log.put(key, line);
          emit({ key, value: line });
        },
      ),
      to('out', texts),
    ),
  );

  it('is the same behind a repartition, where offsets of a replay are others', async () => {
    const app = await started(grouped);
    poison.add(2).add(5);
    await feed(app, 1, 2, 3);
    await feed(app, 4, 5, 6, 7);
    poison.clear();
    await redrive(app);
    await app.runThrough();
    await feed(app, 8);
    assert.equal(await logOf(app, 'even'), '4628');
    assert.equal(await logOf(app, 'odd'), '1375');
    assert.equal(await pastLog(app, 'even'), '4628');
    assert.equal(await pastLog(app, 'odd'), '1375');
    await close(app);
  });

  for (const target of [logging(), grouped])
    it(`is taken again by a reset as it was: ${target === grouped ? 'behind a repartition' : 'at a source'}`, async () => {
      const app = await started(target);
      poison.add(2).add(4);
      await feed(app, 1, 2, 3, 4);
      poison.delete(2);
      await redrive(app);
      await app.runThrough();
      poison.clear();
      await redrive(app);
      await app.runThrough();
      await feed(app, 6);
      const keys = target === grouped ? ['even', 'odd'] : ['k'];
      const before = await Promise.all(keys.map((key) => logOf(app, key)));
      const { broker, clock } = app;
      const { stateDirectory } = app.machine as ReturnType<typeof diskMachine>;
      await app.stop();
      const plan = await planReset(target, { broker, stateDirectory, to: { kind: 'earliest' }, now: clock.now() });
      await applyReset(plan, { broker, stateDirectory, clock });
      await app.runThrough();
      if (target !== grouped) assert.deepEqual(await Promise.all(keys.map((key) => logOf(app, key))), before);
      assert.deepEqual(await Promise.all(keys.map((key) => pastLog(app, key))), before);
      await close(app);
    });

  it('at each cut has the rows that the application had there', async () => {
    const app = await started(logging());
    poison.add(2);
    await feed(app, 1, 2, 3);
    poison.clear();
    await redrive(app);
    await app.runThrough();
    await feed(app, 4);
    const rowAt = async (inOffset: number, noteOffset: number): Promise<unknown> => {
      const state = await stateAsOf(app.topology, {
        ...{ broker: app.broker, inMemory: true, defaultOnError: { process: 'deadLetter' } },
        asOf: {
          kind: 'offset',
          offsets: [
            { topic: 'in', partition: 0, offset: inOffset },
            { topic: 'app-in-letters', partition: 0, offset: noteOffset },
          ],
        },
      });
      let log: unknown;
      for (const store of state.stores)
        if (store.spec.name === 'log') for await (const [, value] of store.entries()) log = value;
      await state.close();
      return log;
    };
    assert.equal(await rowAt(2, 0), '1');
    assert.equal(await rowAt(3, 1), '13');
    assert.equal(await rowAt(3, 2), '132');
    assert.equal(await rowAt(4, 2), '1324');
    const report = await verify(app.topology, { broker: app.broker, defaultOnError: { process: 'deadLetter' } });
    assert.deepEqual(report.differences, []);
    await close(app);
  });
});

const STEPS: readonly CommitStep[] = ['1 settle', '2 log', '3 offsets', '4 apply'];

describe('letters that are fed in over crashes', () => {
  beforeEach(() => poison.clear());
  for (const guarantee of ['exactly_once', 'at_least_once'] as const)
    for (const batchRecords of [1, 2, 1_000])
      for (const step of STEPS)
        it(`have their effect once: ${guarantee}, batches of ${batchRecords}, crashes after ${step}`, async () => {
          const app = await started(logging(), { guarantee, batchRecords });
          for (const value of [2, 4, 5]) poison.add(value);
          await feed(app, 1, 2, 3, 4, 5, 6);
          poison.clear();
          let left = 3;
          app.crashHere = (at) => at === step && left-- > 0;
          await redrive(app);
          await app.runThrough();
          await redrive(app, { letters: [0, 1, 2].map((offset) => ({ partition: 0, offset })) });
          await app.runThrough();
          assert.ok(app.crashes > 0);
          assert.deepEqual(await states(app), ['0@0 redriven', '0@1 redriven', '0@2 redriven']);
          assert.equal(await logOf(app), '136245');
          assert.equal(await pastLog(app), '136245');
          const outputs: string[] = [];
          await replay(app.topology, {
            ...{ broker: app.broker, inMemory: true, defaultOnError: { process: 'deadLetter' } },
            onOutput: (sent) =>
              void outputs.push(...sent.flatMap(({ topic, value }) => (topic === 'out' ? [String(value)] : []))),
          });
          const unique = [...new Set(await out(app))];
          assert.deepEqual(
            outputs.map((line) => line.replaceAll('"', '')),
            unique,
          );
          await close(app);
        });

  it('of a redrive that is killed after each of its steps', async () => {
    for (const kill of ['1 topics', '2 requests', '3 done'] as const) {
      const app = await started(logging());
      for (const value of [2, 4]) poison.add(value);
      await feed(app, 1, 2, 3, 4);
      poison.clear();
      const afterStep = (step: string): void => {
        if (step === kill) throw new Error('killed');
      };
      await assert.rejects(redrive(app, { afterStep }), /killed/);
      await redrive(app);
      await app.runThrough();
      assert.equal(await logOf(app), '1324');
      await close(app);
    }
  });
});
