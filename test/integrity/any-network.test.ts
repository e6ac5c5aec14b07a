import assert from 'node:assert/strict';
import fc from 'fast-check';
import { process, type StreamRecord, type Topology } from '#src/index.js';
import type { Guarantee } from '#src/runtime/config/config.js';
import { graphOf, type Way } from '../dsl/steps/graphs.js';
import { type Item, items } from '../dsl/steps/item.js';
import { isModest, type Step, steps } from '../dsl/steps/steps.js';
import type { Told } from '../replay/support.js';
import {
  type Course,
  courses,
  type Found,
  fast,
  replayed,
  run,
  type Scene,
} from '../support/network/network-stories.js';

/** Wakes the task up by the wall clock all the time, and changes nothing. */
const watching: Step = (source, name) =>
  source.pipe(
    process({
      name,
      start: ({ schedule }) => void schedule('400ms', 'wall', () => undefined),
      process: (record: StreamRecord<string, Item | null>, { forward }) => forward(record),
    }),
  );

/** But for the one whose timers are gone after a restart, since it schedules them while it runs. */
const { 'process that schedules timers while it runs': _, ...kept } = steps;
const all: Readonly<Record<string, Step>> = { ...kept, 'process with timers of the wall clock': watching };

/** Several tasks write records of one key behind these, each when it comes to them. */
const MIXES_KEYS = new Set([
  'map',
  'flatMap',
  'selectKey',
  'process with stream-time timers',
  'process that draws ids',
]);

/** What the source says of a record's time, if it is not that of the log. */
const timestamp = (item: Item | null): number => (item as Item & { at: number }).at;

/** Their rows hold positions of records: in a repartition topic these count the markers of transactions, which a replay does not write. */
const HOLDS_POSITIONS = new Set([
  'dedupe',
  'dedupe by partition',
  'reorderByVersion',
  'reorderByVersion with dead letters',
  'process with a store',
  'process that draws ids',
]);

const graph = (ways: readonly Way[], byValue: boolean): Topology =>
  graphOf(ways, { known: all, ...(byValue && { timestamp }) });

/**
 * Whether some task reads a repartition and something else: what has come to a repartition at a moment depends on how far
 * its writers are, so their order is not that of their times, in Kafka Streams as here.
 */
const isMixed = ({ graph: { subTopologies } }: Topology): boolean =>
  subTopologies.some(({ topics, repartitions }) => repartitions.length > 0 && topics.length + repartitions.length > 1);

const repartitions = ({ graph: { subTopologies } }: Topology): boolean =>
  subTopologies.some((sub) => sub.repartitions.length > 0);

const TOPICS = ['in', 'more', 'rows', 'other'];
const ROUND_MS = 100;

/** Rounds of records whose times are in no order; those of the log are not those of the values if `byValue`. */
const rounds = (byValue: boolean): fc.Arbitrary<readonly (readonly Told[])[]> =>
  fc
    .array(
      fc.array(
        fc.record({
          topic: fc.constantFrom(...TOPICS),
          key: fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { freq: 12 }),
          value: items,
          none: fc.nat({ max: 9 }),
          at: fc.nat({ max: 60 }),
          logged: fc.nat({ max: 60 }),
        }),
        { minLength: 5, maxLength: 25 },
      ),
      { minLength: 1, maxLength: 3 },
    )
    .map((given) =>
      given.map((round, i) =>
        round.map(({ topic, key, value, none, at, logged }): Told => {
          const time = i * ROUND_MS + at;
          const valued = byValue && topic !== 'rows';
          return {
            topic,
            key,
            value: none === 0 && !valued ? null : { ...value, at: time },
            timestamp: valued ? i * ROUND_MS + logged : time,
          };
        }),
      ),
    );

const guarantees: readonly Guarantee[] = ['exactly_once', 'at_least_once'];

interface Case {
  readonly byValue: boolean;
  readonly guarantee: Guarantee;
  readonly rounds: readonly (readonly Told[])[];
  readonly course: Course;
}

const cases: fc.Arbitrary<Case> = fc
  .record({ byValue: fc.boolean(), guarantee: fc.constantFrom(...guarantees) })
  .chain(({ byValue, guarantee }) =>
    fc.record({
      byValue: fc.constant(byValue),
      guarantee: fc.constant(guarantee),
      rounds: rounds(byValue),
      // A process that dies under at_least_once has its last records processed again.
      course: courses(guarantee === 'exactly_once'),
    }),
  );

async function sameOnAnyNetwork(
  ways: readonly Way[],
  { byValue, guarantee, rounds: told, course }: Case,
): Promise<void> {
  const build = (): Topology => graph(ways, byValue);
  const target = build();
  const mixes = repartitions(target) || ways.some(({ names }) => names.some((name) => MIXES_KEYS.has(name)));
  const width = mixes ? 1 : 3;
  const read = new Set(target.graph.nodes.flatMap((node) => (node.kind === 'source' ? [node.topic] : [])));
  const topics = Object.fromEntries([
    ...[...read].map((topic) => [topic, width] as const),
    ...ways.map((_, w) => [`out-${w}`, 2] as const),
  ]);
  const scene: Scene = {
    topology: build,
    topics,
    rounds: told.map((round) => round.filter(({ topic }) => read.has(topic))),
    options: { guarantee, onError: { process: 'deadLetter' } },
  };
  const found = await run(scene, course);
  assertSame(found, await fast(scene), 'a fast run');
  assertSame(found, await replayed(scene), 'the replay');
}

/** When timers of the wall clock fired is up to the clock: see wall-clock.test.ts. */
const withoutFirings = (rows: Found['rows']): Found['rows'] =>
  Object.fromEntries(Object.entries(rows).filter(([store]) => !store.endsWith('-fired')));

function assertSame(found: Found, expected: Found, of: string): void {
  assert.deepEqual(withoutFirings(found.rows), withoutFirings(expected.rows), `rows are not those of ${of}`);
  assert.deepEqual(found.outputs, expected.outputs, `outputs are not those of ${of}`);
}

describe('outputs and rows are the same on any network, and in a replay', () => {
  for (const name of Object.keys(all)) {
    const ways = [{ from: ['in', 'more'], names: [name] }];
    if (isMixed(graph(ways, false))) continue;
    it(name, async () => {
      await fc.assert(
        fc.asyncProperty(cases, (given) => sameOnAnyNetwork(ways, given)),
        { numRuns: 5, endOnFailure: true },
      );
    });
  }

  it('twenty random graphs of several sources and sub-topologies', async () => {
    const way = fc
      .record({
        from: fc.uniqueArray(fc.constantFrom('in', 'more', 'other'), { minLength: 1, maxLength: 3 }),
        names: fc.array(fc.constantFrom(...Object.keys(all)), { minLength: 1, maxLength: 3 }).filter(isModest),
      })
      .filter((one) => !isMixed(graph([one], false)))
      .filter(
        (one) => !repartitions(graph([one], false)) || !one.names.slice(1).some((name) => HOLDS_POSITIONS.has(name)),
      );
    const ways = fc.array(way, { minLength: 2, maxLength: 3 }).filter((some) => !isMixed(graph(some, false)));
    await fc.assert(
      fc.asyncProperty(ways, cases, (some, given) => sameOnAnyNetwork(some, given)),
      { numRuns: 20, endOnFailure: true },
    );
  });
});
