import assert from 'node:assert/strict';
import fc from 'fast-check';
import { merge } from 'rxjs';
import {
  calendar,
  cogroup,
  count,
  groupBy,
  hopping,
  joinStream,
  leftJoinStream,
  repartition,
  type Stream,
  serdes,
  session,
  sliding,
  suppress,
  type Topology,
  type TopologyBuilder,
  to,
  topology,
  tumbling,
  type Windows,
} from '#src/index.js';
import { json } from '../dsl/support.js';
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

/** Which group a record belongs to, and when it happened: the log does not say that. */
interface Fact {
  readonly group: string;
  readonly at: number;
}

const HOUR = 3_600_000;
const fact = json<Fact>();
const windowed = { key: serdes.windowed(serdes.string), value: serdes.json<number>() };

/** A way from topics `a` and `b`, each with several partitions, to windows behind a repartition. */
type Build = (t: TopologyBuilder, partitions: number) => void;

const source = (t: TopologyBuilder, topic: string): Stream<string, Fact> =>
  t.stream(topic, { ...fact, timestamp: ({ at }) => at });

const grouped = (from: Stream<string, Fact>, partitions: number, name = 'by-group'): Stream<string, Fact> =>
  from.pipe(groupBy(({ value }) => value.group, { ...fact, name, partitions }));

const counted =
  (window: Windows): Build =>
  (t, partitions) =>
    grouped(source(t, 'a'), partitions).pipe(count({ store: 'counts', window, emit: 'onClose' }), to('out', windowed));

const ways: Readonly<Record<string, { readonly build: Build; readonly scale?: number; readonly sets?: true }>> = {
  'tumbling windows': { build: counted(tumbling('10ms', { grace: '6ms' })) },
  'hopping windows': { build: counted(hopping('12ms', { every: '4ms', grace: '6ms' })) },
  'calendar windows': {
    build: counted(calendar('day', { timeZone: 'Asia/Tokyo', grace: `${6 * 8 * HOUR}ms` })),
    scale: 8 * HOUR,
  },
  'sliding windows': { build: counted(sliding('8ms', { grace: '12ms' })) },
  sessions: { build: counted(session('3ms', { grace: '12ms' })) },
  'windows that suppress gives out': {
    build: (t, partitions) =>
      grouped(source(t, 'a'), partitions).pipe(
        count({ store: 'counts', window: tumbling('10ms', { grace: '6ms' }) }),
        suppress({ store: 'closed', until: 'windowCloses' }),
        to('out', windowed),
      ),
  },
  'windows behind two repartitions': {
    build: (t, partitions) =>
      grouped(source(t, 'a').pipe(repartition({ ...fact, name: 'first', partitions: 3 })), partitions).pipe(
        count({ store: 'counts', window: tumbling('10ms', { grace: '6ms' }), emit: 'onClose' }),
        to('out', windowed),
      ),
  },
  'windows over two topics that are grouped together': {
    build: (t, partitions) =>
      grouped(merge(source(t, 'a'), source(t, 'b')), partitions).pipe(
        count({ store: 'counts', window: tumbling('10ms', { grace: '6ms' }), emit: 'onClose' }),
        to('out', windowed),
      ),
  },
  'a cogroup of two topics that are grouped each on its own': {
    build: (t, partitions) =>
      cogroup(
        {
          store: 'counts',
          key: serdes.string,
          value: serdes.json<number>(),
          initial: () => 0,
          window: tumbling('10ms', { grace: '6ms' }),
          emit: 'onClose',
        },
        (add) => [
          add(grouped(source(t, 'a'), partitions, 'a-by-group'), (sum: number) => sum + 1),
          add(grouped(source(t, 'b'), partitions, 'b-by-group'), (sum: number) => sum + 100),
        ],
      ).pipe(to('out', windowed)),
  },
  'a cogroup of a topic that is grouped and one that is read as it is': {
    build: (t) =>
      cogroup(
        {
          store: 'counts',
          key: serdes.string,
          value: serdes.json<number>(),
          initial: () => 0,
          window: tumbling('10ms', { grace: '6ms' }),
          emit: 'onClose',
        },
        (add) => [
          add(grouped(source(t, 'a'), 2), (sum: number) => sum + 1),
          add(source(t, 'b'), (sum: number) => sum + 100),
        ],
      ).pipe(to('out', windowed)),
  },
  'a join of streams that are grouped each on its own': {
    build: (t, partitions) =>
      grouped(source(t, 'a'), partitions, 'a-by-group').pipe(
        joinStream(grouped(source(t, 'b'), partitions, 'b-by-group'), {
          store: 'pairs',
          within: '5ms',
          grace: '12ms',
          join: (left, right) => `${left.at} ${right.at}`,
        }),
        to('out', json<string>()),
      ),
    sets: true,
  },
  'a left join of streams that are grouped each on its own': {
    build: (t, partitions) =>
      grouped(source(t, 'a'), partitions, 'a-by-group').pipe(
        leftJoinStream(grouped(source(t, 'b'), partitions, 'b-by-group'), {
          store: 'pairs',
          within: '12ms',
          grace: '12ms',
          join: (left, right) => `${left.at} ${right?.at ?? 'none'}`,
        }),
        to('out', json<string>()),
      ),
    sets: true,
  },
};

const TOPICS = { a: 3, b: 2, out: 2 };
const ROUND_MS = 300;
/** Records of a partition are out of order by less than that: half of the graces of windows that close in any millisecond. */
const DISORDER_MS = 5;
const FIRST_MS = 10;

/** In each partition times go on in steps of their own; most have a long way to go, some none. */
const rounds: fc.Arbitrary<readonly (readonly Told[])[]> = fc
  .array(
    fc.array(
      fc.record({
        topic: fc.constantFrom('a', 'a', 'b'),
        partition: fc.nat({ max: 2 }),
        group: fc.constantFrom('x', 'y', 'z'),
        step: fc.oneof({ weight: 5, arbitrary: fc.nat({ max: 4 }) }, { weight: 1, arbitrary: fc.nat({ max: 30 }) }),
        behind: fc.nat({ max: DISORDER_MS }),
      }),
      { minLength: 10, maxLength: 60 },
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((given) =>
    given.map((round, i) => {
      const times = new Map<string, number>();
      return round.map(({ topic, partition: wanted, group, step, behind }): Told => {
        const partition = topic === 'b' ? wanted % TOPICS.b : wanted;
        const lane = `${topic}:${partition}`;
        const time = Math.min((times.get(lane) ?? 0) + step, ROUND_MS - 100);
        times.set(lane, time);
        const at = FIRST_MS + i * ROUND_MS + time - behind;
        return { topic, partition, key: `k${partition}`, value: { group, at }, timestamp: 0 };
      });
    }),
  );

const cases = fc.constantFrom('exactly_once' as const, 'at_least_once' as const).chain((guarantee) =>
  fc.record({
    guarantee: fc.constant(guarantee),
    rounds,
    partitions: fc.integer({ min: 1, max: 3 }),
    // A process that dies under at_least_once has its last records counted again.
    course: courses(guarantee === 'exactly_once'),
  }),
);

const sorted = (outputs: Found['outputs']): Found['outputs'] =>
  Object.fromEntries(
    Object.entries(outputs).map(([topic, keys]) => [
      topic,
      Object.fromEntries(Object.entries(keys).map(([key, values]) => [key, values.toSorted()])),
    ]),
  );

function assertSame(found: Found, expected: Found, of: string, sets: true | undefined): void {
  const seen = sets ? sorted : (outputs: Found['outputs']) => outputs;
  assert.deepEqual(seen(found.outputs), seen(expected.outputs), `outputs are not those of ${of}`);
  // What other stores hold lies in the order in which it came.
  const [rows, pastRows] = [found.rows, expected.rows].map(({ counts }) => counts);
  assert.deepEqual(rows, pastRows, `rows are not those of ${of}`);
}

describe('windows behind repartitions lose nothing of a backlog, whatever the speeds of the tasks before them', () => {
  for (const [name, { build, scale = 1, sets }] of Object.entries(ways)) {
    it(name, async () => {
      const topologyOf = (partitions: number): Topology => topology('test', (t) => build(t, partitions));
      await fc.assert(
        fc.asyncProperty(cases, async ({ guarantee, rounds: told, partitions, course }) => {
          const read = new Set(
            topologyOf(partitions).graph.nodes.flatMap((node) => (node.kind === 'source' ? [node.topic] : [])),
          );
          const scene: Scene = {
            topology: () => topologyOf(partitions),
            topics: TOPICS,
            rounds: told.map((round) =>
              round
                .filter(({ topic }) => read.has(topic))
                .map((one) => {
                  const { group, at } = one.value as Fact;
                  return { ...one, value: { group, at: at * scale } };
                }),
            ),
            options: { guarantee },
          };
          const past = await replayed(scene);
          assertSame(await fast(scene), past, 'the replay, in a fast run', sets);
          assertSame(await run(scene, course as Course), past, 'the replay', sets);
        }),
        { numRuns: 8, endOnFailure: true },
      );
    });
  }
});
