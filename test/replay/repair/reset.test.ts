import assert from 'node:assert/strict';
import { existsSync, promises, readdirSync, readFileSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { Broker, BrokerRecord } from '#src/broker/port.js';
import { count, effect, groupBy, process, serdes, type Topology, to, topology, toStream } from '#src/index.js';
import {
  applyReset,
  type Moment,
  parseMoment,
  planReset,
  type ResetOptions,
  type ResetStep,
} from '#src/replay/index.js';
import { systemClock } from '#src/runtime/config/system.js';
import { start } from '#src/runtime/start.js';
import { isError } from '../../support/errors.js';
import { overlaid } from '../../support/overlaid.js';
import { temporaryDirectory } from '../../support/project.js';
import { append, type Told } from '../support.js';

const json = { key: serdes.string, value: serdes.json<any>() };
const EARLIEST: Moment = { kind: 'earliest' };

/** Counts by key, and behind a repartition by the first letter; calls and writes for each. */
function counting(calls: string[]): Topology {
  return topology('shop', (t) => {
    const counts = t.stream('in', json).pipe(count({ store: 'counts' }), toStream());
    counts.pipe(to('out', { key: serdes.string, value: serdes.json() }));
    counts.pipe(effect('call', { inline: true, run: ({ key, value }) => void calls.push(`${key}${value}`) }));
    t.stream('in', json).pipe(
      groupBy(({ value }) => value.group, { key: serdes.string, name: 'by-group' }),
      count({ store: 'groups' }),
      toStream(),
      effect('group', { inline: true, run: ({ key, value }) => void calls.push(`${key}:${value}`) }),
      to('groups', { key: serdes.string, value: serdes.json() }),
    );
  });
}

const told = (keys: string, from = 0): Told[] =>
  [...keys].map((key, i) => ({ topic: 'in', key, value: { group: 'g' }, timestamp: from + i }));

/** What is in a topic of one partition, from its beginning. */
async function recordsOf(broker: Broker, topic: string): Promise<readonly BrokerRecord[]> {
  const reader = await broker.createReader();
  reader.seek({ topic, partition: 0, offset: 0 });
  const batches = await reader.poll({ maxRecords: 1_000, maxWaitMs: 0 });
  await reader.close();
  return batches.flatMap(({ records }) => records);
}

/** A broker on the real clock: what runs on it waits by itself. */
async function brokerWith(records: readonly Told[], topics: readonly string[]): Promise<Broker> {
  const broker = new MemoryBroker({ clock: systemClock });
  await broker.admin.createTopics(topics.map((name) => ({ name, partitions: 1, config: { 'retention.ms': '-1' } })));
  await append(broker, records);
  return broker;
}

/** Everything one application has, as it lives through runs and resets. */
class Life {
  readonly calls: string[] = [];
  readonly stateDirectory = temporaryDirectory();
  readonly target = counting(this.calls);
  broker!: Broker;

  static async begin(keys: string): Promise<Life> {
    const life = new Life();
    life.broker = await brokerWith(told(keys), ['in', 'out', 'groups', 'shop-2-out']);
    await life.run();
    return life;
  }

  async run(): Promise<void> {
    const { broker, stateDirectory } = this;
    const streams = await start(this.target, { broker, stateDirectory });
    await streams.untilIdle();
    await streams.stop();
  }

  options(options: Partial<ResetOptions> = {}): ResetOptions {
    const { broker, stateDirectory } = this;
    return { broker, stateDirectory, to: EARLIEST, now: Date.UTC(2026, 0, 1), ...options };
  }

  async reset(options: Partial<ResetOptions> = {}, afterStep?: (step: ResetStep) => void): Promise<string> {
    const { broker, stateDirectory } = this;
    const plan = await planReset(this.target, this.options(options));
    return applyReset(plan, { broker, stateDirectory, clock: systemClock, ...(afterStep && { afterStep }) });
  }

  async topic(name: string): Promise<string[]> {
    return (await recordsOf(this.broker, name)).map(({ key, value }) => `${key}=${value}`);
  }

  async rows(store: string): Promise<Record<string, unknown>> {
    const { broker, stateDirectory } = this;
    const streams = await start(this.target, { broker, stateDirectory });
    await streams.untilIdle();
    const entries = await streams.store<string, unknown>(store).entries();
    await streams.stop();
    return Object.fromEntries(entries);
  }
}

const GROUPS = ['g=1', 'g=2', 'g=3'];

describe('a reset', () => {
  // It does so behind a repartition as well.
  it('to the beginning rebuilds the stores, is silent up to the old positions, and then live', async () => {
    const life = await Life.begin('aba');
    assert.deepEqual(life.calls.splice(0).sort(), ['a1', 'a2', 'b1', 'g:1', 'g:2', 'g:3']);
    await life.reset();
    await append(life.broker, told('b', 10));
    await life.run();
    assert.deepEqual(await life.topic('out'), ['a=1', 'b=1', 'a=2', 'b=2']);
    assert.deepEqual(await life.topic('groups'), [...GROUPS, 'g=4']);
    assert.deepEqual(life.calls.sort(), ['b2', 'g:4']);
    assert.deepEqual([await life.rows('counts'), await life.rows('groups')], [{ a: 2, b: 2 }, { g: 4 }]);
  });

  it('is silent over a crash and a restart in the middle, and over a second reset on the way', async () => {
    const life = await Life.begin('abcabc');
    await life.reset();
    await life.reset({ to: parseMoment('offset:in:0=2') });
    const { broker, stateDirectory } = life;
    for (let n = 0; n < 3; n++) {
      const streams = await start(life.target, { broker, stateDirectory, batchRecords: 1, commitRecords: 1 });
      if (n === 2) await streams.untilIdle();
      await streams.stop();
    }
    assert.deepEqual((await life.topic('out')).length, 6);
    assert.deepEqual(await life.rows('counts'), { a: 1, b: 1, c: 2 });
  });

  it('may delete repartition topics without a warning: idempotency keys name positions in the sources', async () => {
    const life = await Life.begin('ab');
    for (const internalTopics of ['keep', 'delete'] as const)
      assert.deepEqual((await planReset(life.target, life.options({ internalTopics }))).warnings, []);
  });

  it('warns of unread records in repartition topics, whose results are lost; a transaction marker is none', async () => {
    const life = await Life.begin('ab');
    const { broker } = life;
    const [topic, partition] = ['shop-by-group-repartition', 0];
    // As on brokers that end a transaction with a marker.
    const marker = overlaid(broker, {
      admin: overlaid(broker.admin, {
        latestOffsets: async (partitions: Parameters<Broker['admin']['latestOffsets']>[0]) =>
          (await broker.admin.latestOffsets(partitions)).map((at) =>
            at.topic === topic ? { ...at, offset: at.offset + 1 } : at,
          ),
      }),
      createReader: async () =>
        overlaid(await broker.createReader(), {
          poll: async () => [{ topic, partition, records: [], nextOffset: 3, latestOffset: 3 }],
        }),
    });
    assert.deepEqual((await planReset(life.target, life.options({ broker: marker }))).warnings, []);
    await append(broker, [{ topic, key: 'g', value: { group: 'g' }, timestamp: 9 }]);
    const { warnings } = await planReset(life.target, life.options());
    assert.deepEqual(warnings, [
      'unread records of repartition topics are skipped, from shop-by-group-repartition[0]@2 on: their outputs and calls were never made, and will not be',
    ]);
    const live = await planReset(life.target, life.options({ effects: 'live' }));
    assert.match(live.warnings.join(), /@2 on$/);
  });

  it('writes and calls everything again if it is to be live', async () => {
    const life = await Life.begin('ab');
    life.calls.length = 0;
    await life.reset({ effects: 'live', internalTopics: 'delete' });
    await life.run();
    assert.deepEqual(await life.topic('out'), ['a=1', 'b=1', 'a=1', 'b=1']);
    assert.deepEqual(life.calls.sort(), ['a1', 'b1', 'g:1', 'g:2']);
  });

  it('captures what would have been written or called, with where it would have gone', async () => {
    const life = await Life.begin('ab');
    life.calls.length = 0;
    await life.reset({ effects: 'capture' });
    await life.run();
    assert.deepEqual(await life.topic('out'), ['a=1', 'b=1']);
    assert.deepEqual(life.calls, []);
    const written = await recordsOf(life.broker, 'shop-captured');
    const seen = written.map(
      ({ key, value, headers }) =>
        `${headers.text('millrace.operator')} ${headers.text('millrace.topic') ?? ''} ${key}=${value}`,
    );
    assert.deepEqual(seen.sort(), [
      'effect call  shop/call/in-0@0>count counts={"key":"a","value":1}',
      'effect call  shop/call/in-0@1>count counts={"key":"b","value":1}',
      'effect group  shop/group/in-0@0>repartition by-group|>count groups={"key":"g","value":1}',
      'effect group  shop/group/in-0@1>repartition by-group|>count groups={"key":"g","value":2}',
      'to groups groups g=1',
      'to groups groups g=2',
      'to out out a=1',
      'to out out b=1',
    ]);
  });

  it('may keep the stores: what is processed a second time comes on top', async () => {
    const life = await Life.begin('ab');
    await life.reset({ stores: 'keep', to: parseMoment('offset:in:0=1') });
    await life.run();
    assert.deepEqual(await life.rows('counts'), { a: 1, b: 2 });
    assert.deepEqual(await life.topic('out'), ['a=1', 'b=1']);
  });

  it('may pass records over: positions ahead, stores as they are', async () => {
    const life = await Life.begin('ab');
    await append(life.broker, told('xyz', 10));
    const plan = await planReset(life.target, life.options({ to: parseMoment('offset:in:0=4') }));
    assert.equal(plan.stores.action, 'keep');
    assert.deepEqual(plan.warnings, ['2 records will never be processed']);
    await life.reset({ to: parseMoment('offset:in:0=4') });
    await life.run();
    assert.deepEqual(await life.topic('out'), ['a=1', 'b=1', 'z=1']);
  });

  it('touches nothing but its own application, also one whose name it begins', async () => {
    const life = await Life.begin('ab');
    const { broker, stateDirectory } = life;
    const other = await start(life.target, { broker, stateDirectory, applicationId: 'shop-2' });
    await other.untilIdle();
    await other.stop();
    const before = await broker.admin.groupOffsets('shop-2');
    const topics = (await broker.admin.describeTopics())
      .map(({ name }) => name)
      .filter((name) => name.startsWith('shop-2'));
    await life.reset({ internalTopics: 'delete' });
    assert.deepEqual(await broker.admin.groupOffsets('shop-2'), before);
    const left = (await broker.admin.describeTopics()).map(({ name }) => name);
    for (const topic of topics) assert.ok(left.includes(topic), topic);
    assert.ok(!left.some((name) => /^shop-(counts|groups)-/.test(name)), left.join());
    assert.ok(existsSync(`${stateDirectory}/shop-2`));
    assert.deepEqual((await life.topic('out')).length, 4);
  });

  it('says what it will do and changes nothing, and keeps what it did', async () => {
    const life = await Life.begin('ab');
    const before = await life.broker.admin.groupOffsets('shop');
    const plan = await planReset(life.target, life.options());
    assert.deepEqual(plan.moves, [{ topic: 'in', partition: 0, from: 2, to: 0, latest: 2 }]);
    assert.deepEqual(plan.stores.names, ['counts', 'groups']);
    assert.deepEqual(plan.stores.changelogs, ['shop-counts-changelog', 'shop-groups-changelog']);
    assert.equal(plan.stores.directories.length, 2);
    assert.deepEqual(plan.repartitions, {
      action: 'skip',
      topics: [{ name: 'shop-by-group-repartition', partitions: 1 }],
    });
    assert.deepEqual(await life.broker.admin.groupOffsets('shop'), before);
    const record = JSON.parse(readFileSync(await life.reset(), 'utf8'));
    assert.deepEqual(record, { format: 1, status: 'done', ...plan });
  });

  for (const step of ['1 recorded', '2 positions', '3 stores', '4 topics'] as const) {
    it(`interrupted behind step ${step}, loses nothing: no start until a second reset is whole`, async () => {
      const life = await Life.begin('aba');
      const crash = (at: ResetStep): void => {
        if (at === step) throw new Error('crashed');
      };
      await assert.rejects(life.reset({ internalTopics: 'delete' }, crash), /crashed/);
      if (step === '1 recorded') assert.deepEqual(await life.rows('counts'), { a: 2, b: 1 });
      else await assert.rejects(life.run(), isError('RESET_UNFINISHED', /run `millrace reset` once more/i));
      // Run again with other wishes: what was begun to be deleted is not believed any more.
      const plan = await planReset(life.target, life.options({ stores: 'keep', internalTopics: 'delete' }));
      if (step !== '1 recorded') {
        assert.equal(plan.stores.action, 'delete');
        assert.deepEqual(
          plan.moves.map(({ from }) => from),
          [3],
        );
      }
      await life.reset({ internalTopics: 'delete' });
      await life.run();
      assert.deepEqual([await life.rows('counts'), await life.rows('groups')], [{ a: 2, b: 1 }, { g: 3 }]);
      assert.deepEqual(await life.topic('out'), ['a=1', 'b=1', 'a=2']);
      assert.deepEqual(await life.topic('groups'), GROUPS);
    });
  }

  it('STATE_MISMATCH: the application has run since the plan, and would write that part twice', async () => {
    const life = await Life.begin('ab');
    const { broker, stateDirectory } = life;
    const plan = await planReset(life.target, life.options());
    await append(broker, told('cd', 10));
    await life.run();
    await assert.rejects(
      applyReset(plan, { broker, stateDirectory, clock: systemClock }),
      isError('STATE_MISMATCH', /positions have changed since the plan was made/),
    );
    await life.reset();
    await life.run();
    assert.deepEqual(await life.topic('out'), ['a=1', 'b=1', 'c=1', 'd=1']);
    assert.deepEqual(await life.topic('groups'), [...GROUPS, 'g=4']);
  });

  it('to an offset leaves other partitions where they were, also with startFrom latest and nothing read', async () => {
    const target = topology('shop', (t) => {
      t.stream('in', json).pipe(
        count({ store: 'counts' }),
        toStream(),
        to('out', { key: serdes.string, value: serdes.json() }),
      );
    });
    const broker = new MemoryBroker({ clock: systemClock });
    const config = { 'retention.ms': '-1' };
    await broker.admin.createTopics([
      { name: 'in', partitions: 2, config },
      { name: 'out', partitions: 1, config },
    ]);
    const stateDirectory = temporaryDirectory();
    const tell = (key: string, partition: number) =>
      append(broker, [{ topic: 'in', key, value: 1, timestamp: 1, partition }], 2);
    /** An application that takes only what comes while it runs. */
    const run = async (meanwhile = async () => {}) => {
      const streams = await start(target, { broker, stateDirectory, startFrom: 'latest' });
      await meanwhile();
      await streams.untilIdle();
      await streams.stop();
    };
    await tell('old', 1);
    await run(() => tell('new', 0));
    const moment = parseMoment('offset:in:0=0');
    const plan = await planReset(target, { broker, stateDirectory, to: moment, now: 0, effects: 'live' });
    assert.deepEqual(plan.moves, [
      { topic: 'in', partition: 0, from: 1, to: 0, latest: 1 },
      { topic: 'in', partition: 1, from: 1, to: 1, latest: 1 },
    ]);
    await applyReset(plan, { broker, stateDirectory, clock: systemClock });
    await run();
    const written = await recordsOf(broker, 'out');
    assert.deepEqual(
      written.map(({ key }) => String(key)),
      ['new', 'new'],
    );
  });

  it('killed in the middle of removing a directory of state, is finished by running it again', async () => {
    const life = await Life.begin('aba');
    const { broker, stateDirectory } = life;
    const plan = await planReset(life.target, life.options());
    const [directory = ''] = plan.stores.directories;
    const crash = (at: ResetStep): void => {
      if (at === '2 positions') throw new Error('crashed');
    };
    await assert.rejects(applyReset(plan, { broker, stateDirectory, clock: systemClock, afterStep: crash }), /crashed/);
    // What says which tables there are is gone, and not that there are some.
    for (const name of readdirSync(join(directory, 'db')))
      if (/^MANIFEST/.test(name)) rmSync(join(directory, 'db', name));
    await life.reset();
    await life.run();
    assert.deepEqual([await life.rows('counts'), await life.rows('groups')], [{ a: 2, b: 1 }, { g: 3 }]);
    assert.deepEqual(await life.topic('out'), ['a=1', 'b=1', 'a=2']);
  });

  it('removes the database of a task before its identity: without that it would not be found again', async () => {
    const life = await Life.begin('aba');
    const { broker, stateDirectory } = life;
    const plan = await planReset(life.target, life.options());
    const { rm } = promises;
    // Dies when it has removed one entry of the first directory.
    promises.rm = async (path, options) => {
      const within = plan.stores.directories.some((directory) => String(path).startsWith(directory));
      if (!within) return rm(path, options);
      const [last = ''] = readdirSync(path).sort().reverse();
      await rm(join(String(path), last), options);
      throw new Error('killed');
    };
    syncBuiltinESMExports();
    try {
      await assert.rejects(applyReset(plan, { broker, stateDirectory, clock: systemClock }), /killed/);
    } finally {
      promises.rm = rm;
      syncBuiltinESMExports();
    }
    await life.reset();
    await life.run();
    assert.deepEqual([await life.rows('counts'), await life.rows('groups')], [{ a: 2, b: 1 }, { g: 3 }]);
  });

  it('APPLICATION_RUNNING: a member is alive', async () => {
    const life = await Life.begin('a');
    const { broker, stateDirectory } = life;
    const streams = await start(life.target, { broker, stateDirectory });
    await assert.rejects(planReset(life.target, life.options()), isError('APPLICATION_RUNNING', /group shop/));
    await streams.stop();
  });

  it('OFFSET_OUT_OF_RANGE and USAGE: the log has no such offset, the topology no such partition', async () => {
    const life = await Life.begin('a');
    const at = (text: string) => planReset(life.target, life.options({ to: parseMoment(text) }));
    await assert.rejects(at('offset:in:0=99'), isError('OFFSET_OUT_OF_RANGE', /in\[0\]@99/));
    await assert.rejects(at('offset:other:0=0'), isError('USAGE', /other\[0\]/));
  });

  it('leaves no marks in outputs: what it held back while it was silent, it writes without them later', async () => {
    const target = topology('shop', (t) => {
      t.stream('in', json).pipe(
        groupBy(({ value }) => value.group, { key: serdes.string, name: 'by-group' }),
        process({
          name: 'one-behind',
          stores: { last: { key: serdes.string, value: serdes.json<any>() } },
          process(record: any, { stores, forward }) {
            const last = stores.last.get(record.key);
            stores.last.put(record.key, { n: record.timestamp });
            if (last) forward({ key: record.key, value: last, headers: record.headers });
          },
        }),
        to('out', { key: serdes.string, value: serdes.json() }),
      );
    });
    const broker = await brokerWith(told('ab'), ['in', 'out']);
    const stateDirectory = temporaryDirectory();
    const run = async () => {
      const streams = await start(target, { broker, stateDirectory });
      await streams.untilIdle();
      await streams.stop();
    };
    await run();
    const plan = await planReset(target, { broker, stateDirectory, to: EARLIEST, now: 0 });
    await applyReset(plan, { broker, stateDirectory, clock: systemClock });
    await append(broker, told('c', 10));
    await run();
    const written = await recordsOf(broker, 'out');
    assert.deepEqual(
      written.map(({ value, headers }) => [String(value), headers.size]),
      [
        ['{"n":0}', 0],
        ['{"n":1}', 0],
      ],
    );
  });
});
