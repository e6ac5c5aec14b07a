// Promise: every operator in which a record can fail takes a policy of its own, which is stronger than that of the application.
import assert from 'node:assert/strict';
import { ownPolicies } from '#src/graph/own-policies.js';
import * as millrace from '#src/index.js';
import {
  aggregate,
  branch,
  cogroup,
  count,
  dedupe,
  describeTopology,
  type ErrorPolicies,
  type ErrorPolicy,
  effect,
  everyN,
  filterValues,
  flatMap,
  flatMapValues,
  groupBy,
  joinGlobalTable,
  joinStream,
  joinTable,
  latestByTimestamp,
  leftJoinGlobalTable,
  leftJoinStream,
  leftJoinTable,
  map,
  mapAsync,
  mapValues,
  outerJoinStream,
  outerJoinTable,
  peek,
  process,
  reduce,
  reorderByVersion,
  repartition,
  type Serde,
  type Stream,
  selectKey,
  serdes,
  session,
  sliding,
  suppress,
  type Table,
  type Topology,
  type TopologyBuilder,
  to,
  topology,
  toTable,
  tumbling,
} from '#src/index.js';
import { isStreamsError } from '#src/model/errors.js';
import type { PolicyName } from '#src/runtime/config/policy.js';
import type { TestDriver, TestDriverOptions } from '#src/testing/index.js';
import { failure, feed, json, open, type Short } from '../support.js';

interface Own {
  readonly onError?: ErrorPolicy;
}

const BAD = 13;
const good = <T>(value: unknown, then: T): T => {
  if (value === BAD) throw new Error('unlucky');
  return then;
};

/** JSON, and a fault in one direction. Without a `check`: whoever wants to know has to encode. */
const plain = serdes.json<any>();
const unwritable: Serde<any> = { name: 'picky', encode: (n) => good(n, plain.encode(n)), decode: plain.decode };
const unreadable: Serde<any> = {
  name: 'picky',
  encode: plain.encode,
  decode: (b) => good(plain.decode(b), plain.decode(b)),
};
/** Refuses the key of the bad record. */
const noKeyB: Serde<string> = {
  name: 'not-b',
  encode: (key) => good(key === 'b' ? BAD : 0, serdes.string.encode(key)),
  decode: serdes.string.decode,
};

const { string } = serdes;
type Numbers = Stream<string, number>;
const sum = {
  value: plain,
  initial: () => 0,
  add: (all: number, { value }: { value: any }) => good(value, all + value),
};
const onStream = (build: (input: Numbers, own: Own, t: TopologyBuilder) => any) => (t: TopologyBuilder, own: Own) =>
  build(t.stream('in', json<number>()), own, t).pipe(toAny());
const toAny = () => to<any>('out', { key: plain, value: plain });
const onTable =
  (build: (table: Table<string, number>, other: Table<string, number>, own: Own) => any) =>
  (t: TopologyBuilder, own: Own) =>
    build(
      t.table('in', { ...json<number>(), store: 'in' }),
      t.table('other', { ...json<number>(), store: 'other' }),
      own,
    ).pipe(toAny());
/** The operator is retried: its function throws. Otherwise the bytes are wrong, as they would be again. */
type Kind = 'throws' | 'bytes';
type Case = readonly [kind: Kind, step: PolicyName, build: (t: TopologyBuilder, own: Own) => unknown];

const folds: Record<string, Case> = {
  aggregate: ['throws', 'process', onStream((input, own) => input.pipe(aggregate({ store: 's', ...sum, ...own })))],
  'aggregate of a grouped table': [
    'throws',
    'process',
    onTable((table, _, own) =>
      table.pipe(
        groupBy((row) => row.key, { key: string, value: plain, name: 'g' }),
        aggregate({ store: 's', ...sum, subtract: (all, { value }) => all - value, ...own }),
      ),
    ),
  ],
  ...Object.fromEntries(
    Object.entries({ tumbling: tumbling('1m'), sliding: sliding('1m'), everyN: everyN(2) }).map(([name, window]) => [
      `aggregate over ${name} windows`,
      [
        'throws',
        'process',
        onStream((input, own) => input.pipe(aggregate({ store: 's', ...sum, window, ...own }))),
      ] as const,
    ]),
  ),
  'aggregate over sessions': [
    'throws',
    'process',
    onStream((input, own) =>
      input.pipe(aggregate({ store: 's', ...sum, window: session('1m'), merge: (a, b) => a + b, ...own })),
    ),
  ],
  count: ['bytes', 'process', onStream((input, own) => input.pipe(count({ store: 's', key: noKeyB, ...own })))],
  reduce: [
    'bytes',
    'process',
    onStream((input, own) => input.pipe(reduce({ store: 's', value: unwritable, add: (a, b) => a + b, ...own }))),
  ],
  cogroup: [
    'throws',
    'process',
    (t, own) =>
      cogroup<string, number>({ store: 's', value: plain, initial: () => 0, ...own }, (add) => [
        add(t.stream('in', json<number>()), (all, { value }) => good(value, all + value)),
        add(t.stream('other', json<number>()), (all, { value }) => all - value),
      ]).pipe(toAny()),
  ],
};

const stateless: Record<string, Case> = {
  mapValues: ['throws', 'process', onStream((input, own) => input.pipe(mapValues((n) => good(n, n + 1), own)))],
  'mapValues of a table': ['throws', 'process', onTable((t, _, own) => t.pipe(mapValues((n) => good(n, n + 1), own)))],
  flatMapValues: [
    'throws',
    'process',
    onStream((input, own) => input.pipe(flatMapValues((n) => good(n, [n, n + 1]), own))),
  ],
  'flatMapValues that fails half-way': [
    'throws',
    'process',
    onStream((input, own) =>
      input.pipe(
        flatMapValues(function* (n) {
          yield n;
          yield good(n, n + 1);
        }, own),
      ),
    ),
  ],
  filterValues: ['throws', 'process', onStream((input, own) => input.pipe(filterValues((n) => good(n, n > 1), own)))],
  'filterValues of a table': [
    'throws',
    'process',
    onTable((table, _, own) => table.pipe(filterValues((n) => good(n, n > 1), own))),
  ],
  branch: [
    'throws',
    'process',
    onStream((input, own) => branch(input, { odd: (n: number) => good(n, n % 2 === 1) }, own).odd),
  ],
  peek: ['throws', 'process', onStream((input, own) => input.pipe(peek(({ value }) => good(value, undefined), own)))],
  selectKey: [
    'throws',
    'process',
    onStream((input, own) => input.pipe(selectKey(({ key, value }) => good(value, key), own))),
  ],
  map: [
    'throws',
    'process',
    onStream((input, own) => input.pipe(map(({ key, value }) => good(value, [key, value]), own))),
  ],
  flatMap: [
    'throws',
    'process',
    onStream((input, own) => input.pipe(flatMap(({ key, value }) => good(value, [[key, value] as const]), own))),
  ],
  groupBy: [
    'throws',
    'process',
    onStream((input, own) =>
      input.pipe(groupBy(({ key, value }) => good(value, key), { key: string, value: plain, name: 'g', ...own })),
    ),
  ],
  'groupBy, its topic': [
    'bytes',
    'produce',
    onStream((input, own) =>
      input.pipe(groupBy(({ key }) => key, { key: string, value: unwritable, name: 'g', ...own })),
    ),
  ],
  'groupBy of a table': [
    'throws',
    'process',
    onTable((table, _, own) =>
      table.pipe(groupBy(({ key, value }) => good(value, key), { key: string, value: plain, name: 'g', ...own })),
    ),
  ],
  repartition: [
    'bytes',
    'produce',
    onStream((input, own) => input.pipe(repartition({ key: string, value: unwritable, name: 'r', ...own }))),
  ],
};

const withStores: Record<string, Case> = {
  dedupe: [
    'throws',
    'process',
    onStream((input, own) =>
      input.pipe(dedupe({ store: 's', within: '1h', id: ({ value }) => good(value, value), ...own })),
    ),
  ],
  reorderByVersion: [
    'throws',
    'process',
    onStream((input, own) =>
      input.pipe(reorderByVersion({ store: 's', version: ({ value }) => good(value, value), ...own })),
    ),
  ],
  latestByTimestamp: [
    'throws',
    'process',
    onStream((input, own) =>
      input.pipe(latestByTimestamp({ store: 's', timestamp: ({ value }) => good(value, value), ...own })),
    ),
  ],
  toTable: [
    'bytes',
    'process',
    onStream((input, own) => input.pipe(toTable({ store: 's', value: unwritable, ...own }))),
  ],
  'toTable with a history': [
    'bytes',
    'process',
    onStream((input, own) => input.pipe(toTable({ store: 's', value: unwritable, history: '1h', ...own }))),
  ],
  suppress: [
    'bytes',
    'process',
    onTable((table, _, own) =>
      table.pipe(suppress({ store: 's', until: { timeLimit: '1ms' }, value: unwritable, ...own })),
    ),
  ],
  process: [
    'throws',
    'process',
    onStream((input, own) =>
      input.pipe(process({ name: 'p', ...own }, (record: any, { emit }) => emit(good(record.value, record)))),
    ),
  ],
  'process, async': [
    'throws',
    'process',
    onStream((input, own) =>
      input.pipe(process({ name: 'p', ...own }, async (record: any, { emit }) => emit(good(record.value, record)))),
    ),
  ],
  'process, with the function inside': [
    'throws',
    'process',
    onStream((input, own) =>
      input.pipe(process({ name: 'p', ...own, process: (record: any, { emit }) => emit(good(record.value, record)) })),
    ),
  ],
  effect: [
    'throws',
    'process',
    onStream((input, own) =>
      input.pipe(effect('e', { inline: true, run: async ({ value }) => good(value, undefined), ...own })),
    ),
  ],
  'effect, the id of a stored one': [
    'throws',
    'process',
    onStream((input, own) =>
      input.pipe(effect('e', { run: () => undefined, id: ({ value }) => good(value, value), ...own })),
    ),
  ],
  mapAsync: [
    'throws',
    'process',
    onStream((input, own) =>
      input.pipe(
        mapAsync('e', ({ value }) => value, {
          id: ({ value }) => good(value, value),
          value: json<number>().value,
          ...own,
        }),
      ),
    ),
  ],
  'effect, its id': [
    'throws',
    'process',
    onStream((input, own) =>
      input.pipe(effect('e', { inline: true, run: () => undefined, id: ({ value }) => good(value, value), ...own })),
    ),
  ],
};

const ofStreams = { store: 's', within: '1h', join: (a: any, b: any) => good(a, [a, b]) } as const;
const other = (t: TopologyBuilder): Numbers => t.stream('other', json<number>());
const joins: Record<string, Case> = {
  joinStream: [
    'throws',
    'process',
    onStream((input, own, t) => input.pipe(joinStream(other(t), { ...ofStreams, ...own }))),
  ],
  leftJoinStream: [
    'bytes',
    'process',
    onStream((input, own, t) => input.pipe(leftJoinStream(other(t), { ...ofStreams, left: unwritable, ...own }))),
  ],
  outerJoinStream: [
    'bytes',
    'process',
    onStream((input, own, t) => input.pipe(outerJoinStream(other(t), { ...ofStreams, left: unwritable, ...own }))),
  ],
  'joinTable of a stream': [
    'throws',
    'process',
    onStream((input, own, t) =>
      input.pipe(
        joinTable(t.table('other', { ...json<number>(), store: 'other' }), { join: (a, b) => good(a, [a, b]), ...own }),
      ),
    ),
  ],
  'joinTable of a stream with a grace': [
    'bytes',
    'process',
    onStream((input, own, t) =>
      input.pipe(
        joinTable(t.table('other', { ...json<number>(), store: 'other', history: '1h' }), {
          ...{ join: (a: number, b: number) => [a, b], grace: '5ms', store: 'held', value: unwritable, ...own },
        }),
      ),
    ),
  ],
  'joinTable of tables': [
    'throws',
    'process',
    onTable((table, right, own) => table.pipe(joinTable(right, { join: (a, b) => good(a, [a, b]), ...own }))),
  ],
  'joinTable by a foreign key, the key': [
    'throws',
    'process',
    onTable((table, right, own) =>
      table.pipe(
        joinTable(right, {
          ...{ foreignKey: (a: number) => good(a, 'a'), join: (a, b) => [a, b], store: 's', value: plain, ...own },
        }),
      ),
    ),
  ],
  'joinTable by a foreign key, the join': [
    'throws',
    'process',
    onTable((table, right, own) =>
      table.pipe(
        joinTable(right, {
          ...{
            foreignKey: () => 'a',
            join: (a: number, b: number) => good(a, [a, b]),
            store: 's',
            value: plain,
            ...own,
          },
        }),
      ),
    ),
  ],
  leftJoinTable: [
    'throws',
    'process',
    onTable((table, right, own) => table.pipe(leftJoinTable(right, { join: (a, b) => good(a, [a, b]), ...own }))),
  ],
  outerJoinTable: [
    'throws',
    'process',
    onTable((table, right, own) =>
      table.pipe(outerJoinTable<string, number, number, unknown>(right, { join: (a, b) => good(a, [a, b]), ...own })),
    ),
  ],
  joinGlobalTable: [
    'throws',
    'process',
    onStream((input, own, t) =>
      input.pipe(
        joinGlobalTable(t.globalTable('other', { ...json<number>(), store: 'all' }), {
          ...{ key: ({ key }) => key, join: (a: number, b: number) => good(a, [a, b]), ...own },
        }),
      ),
    ),
  ],
  leftJoinGlobalTable: [
    'throws',
    'process',
    onStream((input, own, t) =>
      input.pipe(
        leftJoinGlobalTable(t.globalTable('other', { ...json<number>(), store: 'all' }), {
          ...{ key: ({ key, value }) => good(value, key), join: (a: number, b: number | null) => [a, b], ...own },
        }),
      ),
    ),
  ],
};

const edges: Record<string, Case> = {
  stream: [
    'bytes',
    'deserialize',
    (t, own) => t.stream('in', { key: string, value: unreadable, ...own }).pipe(toAny()),
  ],
  table: [
    'bytes',
    'deserialize',
    (t, own) => t.table('in', { key: string, value: unreadable, store: 's', ...own }).pipe(toAny()),
  ],
  'table, its store': [
    'bytes',
    'process',
    (t, own) => t.table('in', { key: string, value: unwritable, store: 's', ...own }).pipe(toAny()),
  ],
  globalTable: [
    'bytes',
    'deserialize',
    (t, own) => {
      const all = t.globalTable('in', { key: string, value: unreadable, store: 'all', ...own });
      t.stream('other', json<number>())
        .pipe(joinGlobalTable(all, { key: ({ key }) => key, join: (a, b) => [a, b] }))
        .pipe(toAny());
    },
  ],
  to: [
    'bytes',
    'produce',
    (t, own) => t.stream('in', json<number>()).pipe(to('out', { key: plain, value: unwritable, ...own })),
  ],
  'to, its partitioner': [
    'bytes',
    'produce',
    (t, own) =>
      t
        .stream('in', json<number>())
        .pipe(to('out', { key: plain, value: plain, partition: ({ value }) => (value === BAD ? 9 : 0), ...own })),
  ],
};

const CASES = { ...folds, ...stateless, ...withStores, ...joins, ...edges };

const GOOD: readonly Short[] = [
  ['a', 1, 1],
  ['a', 3, 100],
];
/** With a bad record in their middle, the only one of its key on its topic. */
const GIVEN: readonly Short[] = [GOOD[0]!, ['b', BAD, 2], GOOD[1]!];
const OTHER: readonly Short[] = [...GOOD, ['b', 2, 2]];

const targetOf = ([, , build]: Case, own: Own): Topology => topology('test', (t) => void build(t, own));

/** What comes out for other keys than that of the bad record. */
async function outcome(
  target: Topology,
  given: readonly Short[],
  options: TestDriverOptions,
): Promise<{ driver: TestDriver; seen: unknown }> {
  const driver = await open(target, options);
  const topics = new Set(target.graph.nodes.flatMap((node) => ('topic' in node ? [node.topic] : [])));
  if (topics.has('other')) await feed(driver, 'other', OTHER);
  await feed(driver, 'in', given);
  // Changes of the other side, and records that look up what was read.
  if (topics.has('other')) await feed(driver, 'other', OTHER);
  const all = await driver.output('out', { key: plain, value: plain }).read();
  const seen = all.flatMap(({ key, value, timestamp }) =>
    JSON.stringify(key).includes('b') ? [] : [[key, value, timestamp]],
  );
  return { driver, seen };
}

const counted = ({ metrics }: TestDriver, name: string): number =>
  Object.values(metrics.nodes).reduce((sum, counters) => sum + (counters[name] ?? 0), 0);

const everywhere = (policy: ErrorPolicy): ErrorPolicies => ({ deserialize: policy, process: policy, produce: policy });

describe('the policy that an operator has of its own', () => {
  for (const [name, each] of Object.entries(CASES)) {
    const [kind, step] = each;

    for (const guarantee of ['exactly_once', 'at_least_once'] as const)
      it(`skip goes on without the record where the application would end: ${name}, ${guarantee}`, async () => {
        const target = targetOf(each, { onError: 'skip' });
        const options = { guarantee, onError: everywhere('fail') };
        const { driver, seen } = await outcome(target, GIVEN, options);
        assert.ok(counted(driver, 'skipped') > 0);
        assert.deepEqual(seen, (await outcome(target, GOOD, options)).seen);
      });

    it(`fail ends where the application would go on: ${name}`, async () => {
      const target = targetOf(each, { onError: 'fail' });
      await assert.rejects(outcome(target, GIVEN, { onError: everywhere('skip') }), (error) => isStreamsError(error));
      await outcome(targetOf(each, {}), GIVEN, { onError: everywhere('skip') });
    });

    it(`deadLetter keeps the record, and the topic for it exists: ${name}`, async () => {
      const target = targetOf(each, { onError: 'deadLetter' });
      const { driver } = await outcome(target, GIVEN, {});
      const [letter] = await driver.deadLetters().read();
      const topic = letter?.headers.text('millrace.topic') ?? '';
      // Behind a repartition, the record that fails is that of its topic.
      assert.match(topic, /^in$|^test-.*-repartition$/);
      if (topic === 'in') assert.equal(letter?.value, String(BAD));
    });

    it(`is data in the graph, and concerns ${step} only: ${name}`, async () => {
      const target = targetOf(each, { onError: 'skip' });
      const own = ownPolicies(target.graph);
      assert.ok(own.length > 0 && own.every(({ then }) => then === 'skip'));
      assert.deepEqual(JSON.parse(describeTopology(target.graph, 'json')).nodes, target.graph.nodes);
      assert.match(describeTopology(target.graph, 'text'), /on error skip/);
      assert.deepEqual(ownPolicies(targetOf(each, {}).graph), []);
    });

    if (kind === 'throws')
      it(`tries the record again by the clock: ${name}`, async () => {
        const onError = { retry: 2, backoff: '1s', then: 'skip' } as const;
        const { driver, seen } = await outcome(targetOf(each, { onError }), GIVEN, {});
        assert.ok(counted(driver, 'retries') >= 2);
        assert.ok(counted(driver, 'skipped') > 0);
        assert.deepEqual(seen, (await outcome(targetOf(each, { onError }), GOOD, {})).seen);
      });
  }

  it('is checked where the operator is declared, and the error names it', () => {
    for (const [name, each] of Object.entries(CASES))
      assert.throws(
        () => targetOf(each, { onError: 'ignore' as never }).graph,
        failure('CONFIG_INVALID', /cannot use onError of \w.*: saw "ignore", expected one of fail, skip, deadLetter/),
        name,
      );
  });

  it('exists for every operator that users call', () => {
    const none = ['toStream', 'retryable', 'terminal'];
    const noOperators = ['CacheBudget', 'Headers', 'Secret', 'StreamsError', 'calendar', 'defineConfig', 'hopping']
      .concat(['describeTopology', 'everyN', 'openBroker', 'openProducer', 'openSchemaRegistry', 'processRecords'])
      .concat(['send', 'session', 'sliding', 'start', 'topology', 'tumbling', 'unlimited', 'validateTopology'])
      .concat(['kafkaOptionsFromEnv', 'validate']);
    const known = new Set(Object.keys(CASES).map((name) => /^\w+/.exec(name)?.[0]));
    const missing = Object.entries(millrace).flatMap(([name, value]) =>
      typeof value === 'function' && ![...none, ...noOperators].includes(name) && !known.has(name) ? [name] : [],
    );
    assert.deepEqual(missing, []);
  });
});
