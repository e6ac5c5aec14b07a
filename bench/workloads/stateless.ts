import { mapValues, serdes, type Topology, to, topology } from 'millrace';
import { filter } from 'rxjs';
import type { Topics } from './topics.js';

interface Event {
  readonly id: string;
  readonly v: number;
  readonly pad: string;
}

/** Parses JSON, keeps even `v` (half of the records), writes new JSON. */
export const stateless = ({ input, output }: Topics): Topology =>
  topology('stateless', (t) => {
    t.stream(input, { key: serdes.string, value: serdes.json<Event>() }).pipe(
      filter((record) => record.value.v % 2 === 0),
      mapValues(({ id, v, pad }) => ({ id, w: 2 * v, pad })),
      to(output, { key: serdes.string, value: serdes.json() }),
    );
  });
