import { dedupe, serdes, type Topology, to, topology } from 'millrace';
import { fieldsOf, type Topics } from './topics.js';

/** Drops ids that were seen in the last hour. */
export const deduping = ({ input, output }: Topics): Topology =>
  topology('dedupe', (t) => {
    t.stream(input, { key: serdes.string, value: serdes.bytes }).pipe(
      dedupe({ store: 'seen', id: (record) => fieldsOf<{ id: string }>(record.value).id, within: '1h' }),
      to(output, { key: serdes.string, value: serdes.bytes }),
    );
  });
