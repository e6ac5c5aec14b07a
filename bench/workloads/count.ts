import { count, mapValues, serdes, type Topology, to, topology } from 'millrace';
import type { Topics } from './topics.js';

/** Counts per key in a persistent store with a changelog, and writes every update as decimal text. */
export const counting = ({ input, output }: Topics): Topology =>
  topology('count', (t) => {
    t.stream(input, { key: serdes.string, value: serdes.bytes }).pipe(
      count({ store: 'count-store' }),
      mapValues((total) => String(total)),
      to(output, { key: serdes.string, value: serdes.string }),
    );
  });
