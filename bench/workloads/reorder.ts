import { reorderByVersion, serdes, type Topology, to, topology } from 'millrace';
import { fieldsOf, type Topics } from './topics.js';

/** Puts the versions of each key in order; what comes too early waits in a persistent store. */
export const reordering = ({ input, output }: Topics): Topology =>
  topology('reorder', (t) => {
    t.stream(input, { key: serdes.string, value: serdes.bytes }).pipe(
      reorderByVersion({
        store: 'buffer',
        version: (record) => fieldsOf<{ ver: number }>(record.value).ver,
        first: 1,
        value: serdes.bytes,
      }),
      to(output, { key: serdes.string, value: serdes.bytes }),
    );
  });
