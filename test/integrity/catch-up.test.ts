import assert from 'node:assert/strict';
import fc from 'fast-check';
import { merge } from 'rxjs';
import { count, effect, groupBy, serdes, type Topology, to, topology, toStream, toTable } from '#src/index.js';
import { applyReset, planReset } from '#src/replay/index.js';
import { graphOf, type Way } from '../dsl/steps/graphs.js';
import { type Item, items } from '../dsl/steps/item.js';
import { isModest, steps } from '../dsl/steps/steps.js';
import { json } from '../dsl/support.js';
import type { Told } from '../replay/support.js';
import {
  type Course,
  courses,
  type Found,
  fast,
  type Place,
  run,
  type Scene,
} from '../support/network/network-stories.js';
import { temporaryDirectory } from '../support/project.js';

/** Their timers are gone after a restart, and a reset is one: what they do depends on when they were scheduled. */
const { 'process that schedules timers while it runs': _, ...all } = steps;

const graph = (ways: readonly Way[]): Topology => graphOf(ways, { known: all });

const LATER_MS = 100;

/**
 * Rounds that follow one another in time, but for the last: some of it happened before all else, or between. What is
 * old is processed in the order of its times when it is put back, so only what is new may be in none.
 */
const rounds: fc.Arbitrary<readonly (readonly Told[])[]> = fc
  .array(
    fc.array(
      fc.record({
        topic: fc.constantFrom('in', 'more', 'rows'),
        key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
        value: items,
        timestamp: fc.nat({ max: 60 }),
      }),
      { minLength: 3, maxLength: 20 },
    ),
    { minLength: 2, maxLength: 3 },
  )
  .map((given) =>
    given.map((round, i) =>
      i === given.length - 1 ? round : round.map((told) => ({ ...told, timestamp: i * LATER_MS + told.timestamp })),
    ),
  );

const putBack: NonNullable<Scene['between']> = {
  whenIdle: true,
  async run({ target, broker, clock }: Place): Promise<void> {
    const stateDirectory = temporaryDirectory();
    const plan = await planReset(target, { broker, stateDirectory, to: { kind: 'earliest' }, now: clock.now() });
    await applyReset(plan, { broker, stateDirectory, clock });
  },
};

const nothing: NonNullable<Scene['between']> = { whenIdle: true, run: async () => undefined };

const OPTIONS = { guarantee: 'exactly_once', onError: { process: 'deadLetter' } } as const;

const sceneOf = (target: () => Topology, told: readonly (readonly Told[])[], partitions: number): Scene => {
  const { nodes } = target().graph;
  const read = [...new Set(nodes.flatMap((node) => (node.kind === 'source' ? [node.topic] : [])))];
  const written = nodes.flatMap((node) => (node.kind === 'sink' && node.topic !== null ? [node.topic] : []));
  return {
    topology: target,
    topics: Object.fromEntries([
      ...read.map((topic) => [topic, partitions] as const),
      ...written.map((topic) => [topic, 2] as const),
    ]),
    rounds: told.map((round) => round.filter(({ topic }) => read.includes(topic))),
    options: OPTIONS,
  };
};

/** What is in a topic in the end, by key, without the times, which depend on the order; a tombstone is nothing. */
const lastOf = (outputs: Found['outputs'], topic: string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(outputs[topic] ?? {}).flatMap(([key, values]) => {
      const last = (values.at(-1) as string).replace(/ @.*/, '');
      return last === 'null' ? [] : [[key.replace(/^\d+: /, ''), last]];
    }),
  );

/** Their rows hold positions of records: what is in a repartition topic comes there a second time. */
const HOLDS_POSITIONS = new Set([
  'dedupe',
  'dedupe by partition',
  'reorderByVersion',
  'reorderByVersion with dead letters',
  'process with a store',
  'process that draws ids',
]);

const repartitions = ({ graph: { subTopologies } }: Topology): boolean =>
  subTopologies.some((sub) => sub.repartitions.length > 0);

/**
 * Whether some task reads a repartition and something else: the order of these is not that of their times, so what it
 * writes on the way may differ, and what it writes in the end may not.
 */
const isMixed = ({ graph: { subTopologies } }: Topology): boolean =>
  subTopologies.some(({ topics, repartitions }) => repartitions.length > 0 && topics.length + repartitions.length > 1);

/** That an application which is put back between rounds leaves what one leaves that is not. */
async function sameAsNeverPutBack(scene: Scene, course: Course): Promise<void> {
  const found = await run({ ...scene, between: putBack }, course);
  const expected = await fast({ ...scene, between: nothing });
  assert.deepEqual(found.rows, expected.rows);
  if (!isMixed(scene.topology())) assert.deepEqual(found.outputs, expected.outputs);
  for (const topic of Object.keys(expected.outputs))
    assert.deepEqual(lastOf(found.outputs, topic), lastOf(expected.outputs, topic));
}

describe('an application that is put back to the beginning writes what it would have written without', () => {
  for (const name of Object.keys(all)) {
    it(name, async () => {
      await fc.assert(
        fc.asyncProperty(rounds, courses(true), (told, course) =>
          sameAsNeverPutBack(
            sceneOf(() => graph([{ from: ['in', 'more'], names: [name] }]), told, 1),
            course,
          ),
        ),
        { numRuns: 5, endOnFailure: true },
      );
    });
  }

  it('twenty random graphs of several sources and sub-topologies', async () => {
    const way = fc
      .record({
        from: fc.uniqueArray(fc.constantFrom('in', 'more'), { minLength: 1, maxLength: 2 }),
        names: fc.array(fc.constantFrom(...Object.keys(all)), { minLength: 1, maxLength: 3 }).filter(isModest),
      })
      .filter((one) => !repartitions(graph([one])) || !one.names.slice(1).some((name) => HOLDS_POSITIONS.has(name)));
    const ways = fc.array(way, { minLength: 2, maxLength: 3 }).filter((some) => !isMixed(graph(some)));
    await fc.assert(
      fc.asyncProperty(ways, rounds, courses(true), (some, told, course) =>
        sameAsNeverPutBack(
          sceneOf(() => graph(some), told, 1),
          course,
        ),
      ),
      { numRuns: 20, endOnFailure: true },
    );
  });
});

/** Calls by their keys: one process may make one again that another has died with. */
type Calls = Set<string>;

/** Counts over several partitions: by key, and by group and over all behind repartitions. */
const counting = (calls: Calls): Topology =>
  topology('test', (t) => {
    const input = merge(t.stream('in', json<Item>()), t.stream('more', json<Item>()));
    const numbers = json<number>();
    input.pipe(count({ store: 'keys' }), toStream(), to('out-keys', numbers));
    input.pipe(
      groupBy(({ value }) => value.group, { ...json<Item>(), name: 'by-group', partitions: 3 }),
      count({ store: 'groups' }),
      toStream(),
      effect('call', { inline: true, run: (_record, { idempotencyKey }) => void calls.add(idempotencyKey) }),
      to('out-groups', numbers),
    );
    input.pipe(
      groupBy(({ value }) => value.group, { ...json<Item>(), name: 'table', partitions: 2 }),
      toTable({ store: 'latest', value: json<Item>().value }),
      groupBy(() => 'all', { ...json<Item>(), name: 'over-all' }),
      count({ store: 'all' }),
      toStream(),
      to('out-all', numbers),
    );
  });

/** The store of each sink. */
const STORES = { 'out-keys': 'keys', 'out-groups': 'groups', 'out-all': 'all' } as const;

const decoded = (row: string): [key: string, value: string] => {
  const [key = '', value = ''] = row.split(' ');
  return [key, String(serdes.int64.decode(Buffer.from(value, 'hex')))];
};

describe('when new records overtake old ones after an application is put back', () => {
  it('the last output of a key is the row of its store, and a key without new records gets no output', async () => {
    await fc.assert(
      fc.asyncProperty(rounds, courses(true), fc.constantFrom(1, 3), async (told, course, partitions) => {
        const calls: Calls = new Set();
        const before: Calls = new Set();
        const scene = sceneOf(() => counting(calls), told, partitions);
        const between: Scene['between'] = {
          whenIdle: true,
          async run(place) {
            for (const call of calls) {
              assert.ok(!before.has(call), `${call} is made a second time`);
              before.add(call);
            }
            calls.clear();
            await putBack.run(place);
          },
        };
        const { rows, outputs } = await run({ ...scene, between }, course);
        for (const call of calls) assert.ok(!before.has(call), `${call} is made a second time`);
        const total = (topic: string): number =>
          Object.values(outputs[topic] ?? {}).reduce((sum, values) => sum + values.length, 0);
        for (const [topic, store] of Object.entries(STORES))
          assert.deepEqual(lastOf(outputs, topic), Object.fromEntries((rows[store] ?? []).map(decoded)), topic);
        const records = scene.rounds.flat().length;
        assert.deepEqual([total('out-keys'), total('out-groups')], [records, records]);
      }),
      { numRuns: 40, endOnFailure: true },
    );
  });

  it('the last output of a key is the row of its store, also if it is put back again on the way', async () => {
    const target = (): Topology =>
      topology('test', (t) => {
        const input = merge(t.stream('in', json<Item>()), t.stream('more', json<Item>()));
        input.pipe(count({ store: 'keys' }), toStream(), to('out-keys', json<number>()));
      });
    await fc.assert(
      fc.asyncProperty(rounds, courses(true), fc.constantFrom(1, 3), async (told, course, partitions) => {
        const scene = sceneOf(target, told, partitions);
        const { rows, outputs } = await run({ ...scene, between: { ...putBack, whenIdle: false } }, course);
        assert.deepEqual(lastOf(outputs, 'out-keys'), Object.fromEntries((rows.keys ?? []).map(decoded)));
      }),
      { numRuns: 40, endOnFailure: true },
    );
  });
});
