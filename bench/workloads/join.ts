import { joinTable, serdes, type Topology, to, topology } from 'millrace';
import type { Topics } from './topics.js';

/** Joins each record with the row that a table has for its key. */
export const joining = ({ input, table, output }: Topics): Topology =>
  topology('join', (t) => {
    const text = { key: serdes.string, value: serdes.string };
    const rows = t.table(table, { ...text, store: 'table-store' });
    t.stream(input, text).pipe(
      joinTable(rows, (left, right) => `{"s":${left},"t":${right}}`),
      to(output, text),
    );
  });
