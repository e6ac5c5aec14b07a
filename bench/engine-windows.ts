import { count, serdes, session, sliding, type Topology, to, topology, type Windowing } from 'millrace';
import { type Case, event } from './engine-case.js';

const KEYS = 10_000;
/** A key comes again after so many milliseconds: after all others. */
const ROUND_MS = KEYS;

const spread = (offset: number) => ({ key: (offset * 7919) % KEYS, version: offset });

const counting = (name: string, windowing: Windowing): Topology =>
  topology(name, (t) => {
    t.stream('in', event).pipe(
      count({ store: 'windows', ...windowing }),
      to('out', { key: serdes.windowed(serdes.string), value: serdes.int64 }),
    );
  });

/** Ten records of each key, a pause in which all sessions end, and so on. */
const visits = (offset: number): number => offset + Math.floor(offset / (10 * KEYS)) * 60_000;

/** Each record is a session, and so many of a key are kept. */
const sessionsKept = (kept: number): Case => ({
  title: `sessions, ${kept} kept a key`,
  records: 500_000,
  shape: spread,
  topology: counting(`sessions-${kept}`, { window: session('1s', { retention: `${kept * ROUND_MS - 1}ms` }) }),
});

/** So many records of a key lie within the difference: each is in twice as many windows. */
const slidingOver = (records: number, total: number): Case => ({
  title: `sliding, ${records} records within`,
  records: total,
  shape: spread,
  topology: counting(`sliding-${records}`, { window: sliding(`${records * ROUND_MS - 1}ms`) }),
});

export const WINDOW_CASES: Readonly<Record<string, Case>> = {
  session: {
    title: 'session, 10 records each',
    records: 1_000_000,
    shape: spread,
    at: visits,
    topology: counting('session', { window: session('30s') }),
  },
  'session-close': {
    title: 'the same, emitted on close',
    records: 1_000_000,
    shape: spread,
    at: visits,
    topology: counting('session-close', { window: session('30s'), emit: 'onClose' }),
  },
  'sessions-10': sessionsKept(10),
  'sessions-100': sessionsKept(100),
  'sliding-1': slidingOver(1, 500_000),
  'sliding-5': slidingOver(5, 300_000),
  'sliding-20': slidingOver(20, 300_000),
};
