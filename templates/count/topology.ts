import { count, serdes, to, topology } from 'millrace';
import { filter } from 'rxjs';

export interface Visit {
  readonly page: string;
  readonly bot: boolean;
}

export default topology('visits', (t) => {
  t.stream('visits', { key: serdes.string, value: serdes.json<Visit>() }).pipe(
    // Any synchronous operator of RxJS works on records.
    filter((record) => !record.value.bot),
    // Counts the records of each key. The counts are kept in a store, which survives a restart and a crash.
    count({ store: 'counts' }),
    to('visits-by-page', { key: serdes.string, value: serdes.int64 }),
  );
});
