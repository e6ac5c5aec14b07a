import { count, hopping, serdes, type Topology, to, topology, tumbling, type Windowing } from 'millrace';
import { type Case, event } from './engine-case.js';

const counting = (name: string, windowing: Windowing): Topology =>
  topology(name, (t) => {
    t.stream('in', event).pipe(
      count({ store: 'windows', ...windowing }),
      to('out', { key: serdes.windowed(serdes.string), value: serdes.int64 }),
    );
  });

const spread = (keys: number) => (offset: number) => ({ key: (offset * 7919) % keys, version: offset });

/** Each record of a key of its own, so that it opens a window. */
const fresh = (offset: number) => ({ key: offset, version: 1 });

/** A window for each key is open. A record comes each millisecond, so that a window of a minute holds 60,000. */
const tumblingOver = (keys: number, title: string, windowing: Partial<Windowing> = {}): Case => ({
  title,
  records: 1_000_000,
  shape: spread(keys),
  topology: counting('tumbling', { window: tumbling('1m'), ...windowing }),
});

/** Each record is in so many windows; of each key so many are open. */
const hoppingOver = (windows: number, records: number): Case => ({
  title: `hopping, ${windows} windows`,
  records,
  shape: spread(10_000),
  topology: counting('hopping', { window: hopping(`${windows * 20}s`, { every: '20s' }) }),
});

export const TIME_WINDOW_CASES: Readonly<Record<string, Case>> = {
  tumbling: tumblingOver(10_007, 'tumbling count, 10k keys'),
  'tumbling-close': tumblingOver(10_007, 'the same, emitted on close', { emit: 'onClose' }),
  'tumbling-100k': { ...tumblingOver(100_003, 'tumbling count, 100k keys'), at: (offset) => Math.floor(offset / 10) },
  'tumbling-1m': { ...tumblingOver(1_000_003, 'tumbling count, 1M keys'), at: () => 0, records: 2_000_000 },
  hopping: hoppingOver(5, 500_000),
  'hopping-20': hoppingOver(20, 200_000),
  'windows-expire': {
    title: 'each record opens a window',
    records: 2_000_000,
    shape: fresh,
    // A window is forgotten one second after it began: as many go as come.
    topology: counting('windows-expire', { window: tumbling('1s') }),
  },
  'windows-10m': {
    title: '10M open windows',
    records: 10_000_000,
    shape: fresh,
    topology: counting('windows-10m', { window: tumbling('1d') }),
  },
};
