import { joinStream, joinTable, leftJoinStream, serdes, type Topology, to, topology, toTable } from 'millrace';
import { filter } from 'rxjs';
import type { Case, Event } from './engine-case.js';

const event = { key: serdes.string, value: serdes.json<Event>() };
const pair = { key: serdes.string, value: serdes.json<{ readonly left: string; readonly right: string | null }>() };

/** How many records, and milliseconds, a right record comes behind the left one that it belongs to. */
const LAG = 10_001;

/** Left and right by turns, a millisecond apart. A right record has the key that a left one had some seconds before. */
const byTurns = (keys: number) => (offset: number) => {
  const right = offset % 2;
  const turn = (offset - (right === 1 ? LAG : 0)) / 2;
  return { key: (((turn * 7919) % keys) + keys) % keys, version: right };
};

/** The even versions of one topic, joined with the odd ones. `before`, `after`: seconds. */
const joining = (name: string, before: number, after: number, left = false): Topology =>
  topology(name, (t) => {
    const all = t.stream('in', event);
    const side = (version: number) => all.pipe(filter((record) => record.value.version === version));
    const options = {
      store: 'pairs',
      before: `${before}s`,
      after: `${after}s`,
      join: (one: Event, other: Event | null) => ({ left: one.id, right: other?.id ?? null }),
    } as const;
    side(0).pipe(left ? leftJoinStream(side(1), options) : joinStream(side(1), options), to('out', pair));
  });

const RECORDS = 1_000_000;

export const JOIN_CASES: Readonly<Record<string, Case>> = {
  // A key comes again after 200 s on either side: what comes within 30 s is the one record that belongs to it.
  'join-stream': {
    title: 'join of streams, 100k keys',
    records: RECORDS,
    shape: byTurns(100_000),
    topology: joining('join-stream', 0, 30),
  },
  'join-stream-cold': {
    title: 'join of streams, 1M keys',
    records: RECORDS,
    shape: byTurns(1_000_003),
    topology: joining('join-stream-cold', 0, 30),
  },
  // A key comes again after 2 s: 15 of the other side lie within 30 s.
  'join-stream-many': {
    title: 'join of streams, 15 matches',
    records: 200_000,
    shape: byTurns(1_000),
    topology: joining('join-stream-many', 0, 30),
  },
  // Half of the left records find nobody.
  'left-join-stream': {
    title: 'left join of streams',
    records: RECORDS,
    shape: (offset) => {
      const { key, version } = byTurns(100_000)(offset);
      return { key: version === 1 && (offset - 1) % 4 === 0 ? key + 100_000 : key, version };
    },
    topology: joining('left-join-stream', 0, 30, true),
  },
  'join-table': {
    title: 'join with 100k rows',
    records: RECORDS + 100_000,
    shape: (offset) => ({
      key: offset < 100_000 ? offset : (offset * 7919) % 100_000,
      version: offset < 100_000 ? 1 : 0,
    }),
    topology: topology('join-table', (t) => {
      const all = t.stream('in', event);
      const rows = all.pipe(
        filter((record) => record.value.version === 1),
        toTable({ store: 'rows', value: event.value }),
      );
      all.pipe(
        filter((record) => record.value.version === 0),
        joinTable(rows, (one, row): { left: string; right: string | null } => ({ left: one.id, right: row.id })),
        to('out', pair),
      );
    }),
  },
};
