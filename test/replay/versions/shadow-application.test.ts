import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { Broker } from '#src/broker/port.js';
import {
  aggregate,
  count,
  effect,
  groupBy,
  process,
  type StreamRecord,
  serdes,
  type Topology,
  to,
  topology,
  toStream,
} from '#src/index.js';
import { type OutputComparison, type StartShadowOptions, startShadow } from '#src/replay/index.js';
import { compareOutputs } from '#src/replay/versions/compare-outputs.js';
import { systemClock } from '#src/runtime/config/system.js';
import { start } from '#src/runtime/start.js';
import { isError } from '../../support/errors.js';
import { overlaid } from '../../support/overlaid.js';
import { temporaryDirectory } from '../../support/project.js';
import { append, brokerWith, type Told } from '../support.js';

const json = { key: serdes.string, value: serdes.json<any>() };

/** A live application and its shadow, whose code may be another. */
class Pair {
  readonly broker: Broker = new MemoryBroker({ clock: systemClock });
  readonly stateDirectory = temporaryDirectory();
  readonly calls: string[] = [];
  #time = 0;

  static async begin(keys: string): Promise<Pair> {
    const pair = new Pair();
    const topics = ['in', 'sums', 'groups', 'ids', 'by-letter-a', 'by-letter-b'];
    await pair.broker.admin.createTopics(
      topics.map((name) => ({ name, partitions: 2, config: { 'retention.ms': '-1' } })),
    );
    await pair.tell(keys);
    await pair.runLive();
    return pair;
  }

  /** Sums by key, counts and ids behind repartitions, a topic by the letter, a call for each; `x` fails. */
  target(worth = 1): Topology {
    return topology('shop', (t) => {
      const input = t.stream('in', json);
      const add = (sum: number, { key }: { key: string }) => {
        if (key === 'x') throw new Error('no x');
        return sum + worth;
      };
      input
        .pipe(aggregate({ store: 'sums', value: serdes.json<number>(), initial: () => 0, add }), toStream())
        .pipe(effect('call', { inline: true, run: ({ key }) => void this.calls.push(`${key}`) }))
        .pipe(to('sums', { key: serdes.string, value: serdes.json() }));
      input.pipe(to(({ key }) => `by-letter-${key === 'a' ? 'a' : 'b'}`, { name: 'by-letter', ...json }));
      input.pipe(
        groupBy(() => 'all', { key: serdes.string, name: 'all' }),
        count({ store: 'groups' }),
        toStream(),
        to('groups', { key: serdes.string, value: serdes.json() }),
      );
      input.pipe(
        groupBy(() => 'all', { key: serdes.string, name: 'to-draw' }),
        process<StreamRecord<string, unknown>>({
          name: 'draw',
          process: ({ key }, { forward, uuid }) => forward({ key, value: uuid() }),
        }),
        to('ids', { key: serdes.string, value: serdes.json() }),
      );
    });
  }

  tell(keys: string): Promise<void> {
    const records = [...keys].map((key): Told => ({ topic: 'in', key, value: 1, timestamp: ++this.#time }));
    return append(this.broker, records, 2);
  }

  async runLive(): Promise<void> {
    const { broker, stateDirectory } = this;
    const streams = await start(this.target(), { broker, stateDirectory, onError: { process: 'deadLetter' } });
    await streams.untilIdle();
    await streams.stop();
  }

  /** Runs the shadow until it has caught up. */
  async shadow(worth = 1, options: Partial<StartShadowOptions> = {}): Promise<Record<string, OutputComparison>> {
    const { streams, compare } = await startShadow(this.target(worth), this.options(options));
    await streams.untilIdle();
    const compared = await compare();
    await streams.stop();
    return Object.fromEntries(compared.map((each) => [each.topic, each]));
  }

  options(options: Partial<StartShadowOptions> = {}): StartShadowOptions {
    const { broker, stateDirectory } = this;
    return { broker, stateDirectory, onError: { process: 'deadLetter' }, ...options };
  }

  /** Everything on the broker that is not the shadow's: ends of topics, positions of the group. */
  async others(): Promise<unknown> {
    const { admin } = this.broker;
    const topics = (await admin.describeTopics()).filter(({ name }) => !name.startsWith('shop-shadow-'));
    const partitions = topics.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition })),
    );
    return [await admin.latestOffsets(partitions), await admin.groupOffsets('shop')];
  }
}

const TOPICS = ['by-letter-a', 'by-letter-b', 'groups', 'ids', 'shop-dead-letter', 'sums'];

describe('a shadow of an application', () => {
  it('writes the live outputs to topics of its own, makes no calls, and touches nothing else', async () => {
    const pair = await Pair.begin('abxcab');
    const before = await pair.others();
    pair.calls.length = 0;
    const compared = await pair.shadow();
    assert.deepEqual(Object.keys(compared), TOPICS);
    for (const [topic, { equal, records, differences, shadowTopic, incomplete }] of Object.entries(compared)) {
      assert.deepEqual([topic, equal, differences, incomplete], [topic, true, [], false]);
      assert.equal(records.live, records.shadow);
      assert.ok(records.live > 0, topic);
      assert.equal(shadowTopic, `shop-shadow-${topic}`);
    }
    assert.deepEqual(pair.calls, []);
    assert.deepEqual(await pair.others(), before);
  });

  it('goes on beside the live one while that runs', async () => {
    const pair = await Pair.begin('ab');
    const { streams, compare } = await startShadow(pair.target(), pair.options());
    await streams.untilIdle();
    await pair.tell('abc');
    await pair.runLive();
    await streams.untilIdle();
    assert.ok((await compare()).every(({ equal }) => equal));
    await streams.stop();
    assert.ok((await compare()).every(({ equal }) => equal));
  });

  it('says which outputs differ, how many records there are, and the last value of keys on both sides', async () => {
    const pair = await Pair.begin('aab');
    const { sums, groups } = await pair.shadow(5);
    assert.equal(groups?.equal, true);
    assert.equal(sums?.equal, false);
    assert.deepEqual(sums?.records, { live: 3, shadow: 3 });
    const shown = sums?.differences.map(
      ({ key, live, shadow }) => `${key}: ${live.records} ${live.last}, ${shadow.records} ${shadow.last}`,
    );
    assert.deepEqual(shown?.sort(), ['a: 2 2, 2 10', 'b: 1 1, 1 5']);
  });

  it('goes on where it was when it is started again, and from the beginning if it is to be fresh', async () => {
    const pair = await Pair.begin('aa');
    await pair.shadow(1);
    await pair.tell('a');
    await pair.runLive();
    // Two by the old code, one by the new.
    const mixed = await pair.shadow(10);
    assert.equal(mixed.sums?.differences[0]?.shadow.last?.toString(), '12');
    const fresh = await pair.shadow(10, { fresh: true });
    assert.equal(fresh.sums?.differences[0]?.shadow.last?.toString(), '30');
    assert.deepEqual(fresh.sums?.records, { live: 3, shadow: 3 });
    const again = await pair.shadow(1, { fresh: true });
    assert.ok(Object.values(again).every(({ equal }) => equal));
  });

  it('begun afresh leaves nothing of an earlier one, even one with another topology', async () => {
    const pair = await Pair.begin('ab');
    await pair.shadow();
    const small = topology('shop', (t) => t.stream('in', json).pipe(to('sums', json)));
    const { streams } = await startShadow(small, pair.options({ fresh: true }));
    await streams.untilIdle();
    await streams.stop();
    const left = (await pair.broker.admin.describeTopics()).map(({ name }) => name);
    assert.deepEqual(
      left.filter((name) => name.startsWith('shop-shadow-')),
      ['shop-shadow-sums', 'shop-shadow-1-in-letters'],
    );
  });

  it('makes as wide a topic as the live one has; a new one as wide as it is told', async () => {
    const pair = await Pair.begin('a');
    const target = topology('shop', (t) => {
      const input = t.stream('in', json);
      input.pipe(to('sums', json));
      input.pipe(to('brand-new', json));
    });
    const { streams, compare } = await startShadow(target, pair.options({ createTopics: 3 }));
    await streams.untilIdle();
    const compared = await compare();
    await streams.stop();
    assert.deepEqual(
      compared.map(({ topic, records }) => [topic, records.shadow]),
      [
        ['brand-new', 1],
        ['shop-dead-letter', 0],
        ['sums', 1],
      ],
    );
    const described = await pair.broker.admin.describeTopics([
      'shop-shadow-sums',
      'shop-shadow-brand-new',
      'brand-new',
    ]);
    assert.deepEqual(described.map(({ name, partitions }) => [name, partitions]).sort(), [
      ['shop-shadow-brand-new', 3],
      ['shop-shadow-sums', 2],
    ]);
  });

  it('knows every topic that it has written to, also where its tasks write to new ones at the same time', async () => {
    const letters = [...'abcdefgh'];
    const broker = new MemoryBroker({ clock: systemClock });
    await broker.admin.createTopics([
      { name: 'in', partitions: letters.length },
      ...letters.map((name) => ({ name: `by-${name}`, partitions: 1 })),
    ]);
    const told = letters.map((key, partition): Told => ({ topic: 'in', key, value: 1, timestamp: 0, partition }));
    await append(broker, told);
    const target = topology('shop', (t) => {
      t.stream('in', json).pipe(to(({ key }) => `by-${key}`, { name: 'by-letter', ...json }));
    });
    const options = { broker, stateDirectory: temporaryDirectory() };
    const { streams } = await startShadow(target, options);
    await streams.untilIdle();
    await streams.stop();
    // What was kept is what it is compared by when it is started again.
    const { streams: again, compare } = await startShadow(target, options);
    assert.deepEqual(
      (await compare()).map(({ topic, records }) => [topic, records.shadow]),
      [...letters.map((name) => [`by-${name}`, 1]), ['shop-dead-letter', 0]],
    );
    await again.stop();
  });

  it('ends what an earlier process may have left open in its own topics, and looks at no other', async () => {
    const pair = await Pair.begin('a');
    const { broker } = pair;
    const touched = new Set<string>();
    const watched = overlaid(broker, {
      createWriter: (options: Parameters<Broker['createWriter']>[0]) => {
        for (const topic of options?.transactionScope?.topics ?? []) touched.add(topic);
        return broker.createWriter(options);
      },
    });
    await pair.shadow(1, { broker: watched });
    assert.deepEqual([...touched].sort(), [
      'shop-shadow-1-all-repartition',
      'shop-shadow-1-to-draw-repartition',
      'shop-shadow-groups',
      'shop-shadow-ids',
      'shop-shadow-ledger',
      'shop-shadow-shop-dead-letter',
      'shop-shadow-sums',
    ]);
  });

  it('gives its broker a deadline when it is stopped, if the broker takes one', async () => {
    const pair = await Pair.begin('a');
    const { broker } = pair;
    let signal: AbortSignal | undefined;
    const hurrying = overlaid(broker, {
      withStopDeadline: (given: AbortSignal) => {
        signal = given;
        return broker;
      },
    });
    await pair.shadow(1, { broker: hurrying });
    assert.equal(signal?.aborted, true);
  });

  it('TOPIC_UNKNOWN, APPLICATION_RUNNING: makes no missing source, and removes nothing that runs', async () => {
    const pair = await Pair.begin('a');
    const other = topology('shop', (t) => t.stream('nowhere', json).pipe(to('sums', json)));
    await assert.rejects(startShadow(other, pair.options({ createTopics: 1 })), isError('TOPIC_UNKNOWN', /nowhere/));
    const { streams } = await startShadow(pair.target(), pair.options());
    await assert.rejects(
      startShadow(pair.target(), pair.options({ fresh: true })),
      isError('APPLICATION_RUNNING', /group shop-shadow/),
    );
    await streams.stop();
  });
});

describe('the comparison of outputs', () => {
  const written = fc.record({
    topic: fc.constant('live'),
    key: fc.constantFrom('a', 'b', 'c', null),
    value: fc.constantFrom(1, 2, null),
    timestamp: fc.nat(9),
  });
  const PAIRS = [{ topic: 'live', shadowTopic: 'shadow' }];
  const told = ({ key, value }: Told): string => `${key}=${value}`;

  it('is of the records whatever their order: equal for the same ones, and different for any other', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc
          .array(written, { maxLength: 12 })
          .chain((records) =>
            fc.tuple(
              fc.constant(records),
              fc.shuffledSubarray(records, { minLength: Math.max(0, records.length - 1) }),
              fc.array(written, { maxLength: 1 }),
            ),
          ),
        async ([live, some, more]) => {
          const shadow = [...some, ...more].map((record) => ({ ...record, topic: 'shadow' }));
          const broker = await brokerWith([...live, ...shadow], { topics: ['live', 'shadow'] });
          const [found] = await compareOutputs(broker, PAIRS);
          const [left, right] = [live.map(told).sort(), shadow.map(told).sort()];
          assert.deepEqual(found?.records, { live: live.length, shadow: shadow.length });
          assert.equal(found?.equal, String(left) === String(right));
          const of = (records: readonly string[], key: unknown) =>
            String(records.filter((each) => each.startsWith(`${key}=`)));
          const keys = ['a', 'b', 'c', null].filter((key) => of(left, key) !== of(right, key));
          assert.deepEqual(new Set(found?.differences.map(({ key }) => key?.toString() ?? null)), new Set(keys));
          await broker.close();
        },
      ),
      { numRuns: 200 },
    );
  });

  it('STOPPED, and no answer, if it is stopped before all is read', async () => {
    const broker = await brokerWith([{ topic: 'live', key: 'a', value: 1, timestamp: 0 }], {
      topics: ['live', 'shadow'],
    });
    await assert.rejects(compareOutputs(broker, PAIRS, AbortSignal.abort()), isError('STOPPED', /comparison/));
    await broker.close();
  });

  it('says that a live topic does not begin at its beginning', async () => {
    const broker = await brokerWith(
      ['live', 'live', 'shadow'].map((topic) => ({ topic, key: 'a', value: 1, timestamp: 0 })),
      { topics: ['live', 'shadow'] },
    );
    await broker.admin.deleteRecords([{ topic: 'live', partition: 0, offset: 1 }]);
    const [found] = await compareOutputs(broker, PAIRS);
    assert.deepEqual([found?.equal, found?.incomplete], [true, true]);
    await broker.close();
  });
});
