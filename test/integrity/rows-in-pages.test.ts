import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  joinStream,
  joinTable,
  reduce,
  reorderByVersion,
  serdes,
  session,
  sliding,
  type Topology,
  to,
  topology,
} from '#src/index.js';
import { PAGE_BYTES } from '#src/state/rows/page-cut.js';
import type { ReadRecord } from '../support/application.js';
import {
  assertContains,
  crashSchedule,
  perKey,
  type Result,
  type Round,
  smallBatches,
  tell,
} from '../support/crashes.js';

interface Event {
  readonly version: number;
  readonly text: string;
}

const json = { key: serdes.string, value: serdes.json<Event>() };
const text = { key: serdes.string, value: serdes.json<any>() };
const longer = (a: Event, b: Event): Event => (b.text.length > a.text.length ? b : a);

/** Every operator that keeps any number of records of one key in one row. */
const target: Topology = topology('app', (t) => {
  const events = t.stream('events', json);
  events.pipe(reorderByVersion({ store: 'order', version: ({ value }) => value.version, first: 1 }), to('out', text));
  const fold = { value: serdes.json<Event>(), add: (all: Event, value: Event) => longer(all, value) };
  events.pipe(reduce({ ...fold, store: 'sessions', window: session('2ms', { grace: '1h' }) }));
  events.pipe(reduce({ ...fold, store: 'sliding', window: sliding('3ms', { grace: '1h' }) }));
  const rows = t.table('rows', { ...json, store: 'rows', history: '1h' });
  events.pipe(
    joinTable(rows, {
      join: (a: Event, b: Event) => [a.version, b.version],
      grace: '20ms',
      store: 'waiting',
      value: json.value,
    }),
    to('joined', text),
  );
  events.pipe(
    joinStream(t.stream('others', json), {
      store: 'pairs',
      within: '5ms',
      join: (a: Event, b: Event) => [a.version, b.version],
    }),
    to('pairs', text),
  );
});

const CHANGELOGS = ['order', 'sessions', 'sliding', 'rows-versions', 'waiting', 'pairs-left', 'pairs-right'];
const LONGEST_TEXT = 20_000;
/** Keys, positions and names beside an item; and what is no text counts as less than it has. */
const ENVELOPE = 1_000;

/** Rounds of records of one key: versions in any order, most of them small, enough of them that rows outgrow a page. */
const rounds: fc.Arbitrary<Round[]> = fc
  .tuple(
    fc.array(
      fc.record({
        length: fc.oneof({ weight: 4, arbitrary: fc.nat({ max: 3_000 }) }, fc.nat({ max: LONGEST_TEXT })),
        place: fc.nat(),
        timestamp: fc.nat({ max: 60 }),
        other: fc.boolean(),
      }),
      { minLength: 20, maxLength: 60 },
    ),
    fc.integer({ min: 1, max: 4 }),
  )
  .map(([given, parts]) => {
    const events = given
      .map(({ length, place, timestamp, other }, i) => ({ version: i + 1, length, place, timestamp, other }))
      .sort((a, b) => a.place - b.place)
      .map(({ version, length, timestamp, other }) => ({
        other,
        record: { key: 'k', value: JSON.stringify({ version, text: 'x'.repeat(length) }), timestamp },
      }));
    const each = Math.ceil(events.length / parts);
    return Array.from({ length: parts }, (_, i) => {
      const part = events.slice(i * each, (i + 1) * each);
      const others = part.filter(({ other }) => other).map(({ record }) => record);
      return { rows: others, others, events: part.map(({ record }) => record) };
    });
  });

const TOPICS = { events: 1, others: 1, rows: 1, out: 1, joined: 1, pairs: 1 };
const OUTPUTS = ['out', 'joined', 'pairs'];
const READ = [...OUTPUTS, ...CHANGELOGS.map((store) => `app-${store}-changelog`)];

const bytesOf = ({ key, value }: ReadRecord): number => (key?.length ?? 0) + (value?.length ?? 0);

function assertBounded({ outputs }: Result): void {
  for (const store of CHANGELOGS) {
    const longest = Math.max(0, ...(outputs[`app-${store}-changelog`] as readonly ReadRecord[]).map(bytesOf));
    // A row of a join has at most one value beyond a page.
    assert.ok(longest <= PAGE_BYTES + LONGEST_TEXT + ENVELOPE, `${store}: ${longest}`);
  }
}

const outputsOf = (result: Result): Result => ({
  ...result,
  outputs: Object.fromEntries(OUTPUTS.map((topic) => [topic, result.outputs[topic] as readonly ReadRecord[]])),
});

describe('rows in pages: results equal those without crashes, and no changelog record grows with a row', () => {
  for (const guarantee of ['exactly_once', 'at_least_once'] as const) {
    it(`although the state directory is lost in some of the crashes, ${guarantee}`, async () => {
      await fc.assert(
        fc.asyncProperty(rounds, smallBatches, crashSchedule(4), async (given, small, crashes) => {
          const story = { topology: target, options: { ...small, guarantee }, topics: TOPICS, rounds: given };
          const expected = await tell({ ...story, options: { guarantee }, crashes: [] }, READ);
          const actual = await tell({ ...story, crashes }, READ);
          assert.deepEqual(actual.rows, expected.rows);
          assert.deepEqual(actual.rebuilt, expected.rows, 'rebuilt from the changelogs');
          if (guarantee === 'exactly_once') assert.deepEqual(perKey(outputsOf(actual)), perKey(outputsOf(expected)));
          else for (const topic of OUTPUTS) assertContains(actual.outputs[topic] ?? [], expected.outputs[topic] ?? []);
          assertBounded(expected);
          assertBounded(actual);
        }),
        { numRuns: 25 },
      );
    });
  }
});
