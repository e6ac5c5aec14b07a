import type { Observable } from 'rxjs';
import {
  aggregate,
  calendar,
  count,
  everyN,
  hopping,
  reduce,
  type StreamRecord,
  serdes,
  type Table,
  tumbling,
  unlimited,
  type Windowed,
} from '#src/index.js';
import type { Item } from './item.js';

export type TimeFold = (source: Observable<StreamRecord<any, any>>, store: string) => Table<Windowed<string>, any>;

type R = StreamRecord<string, Item | null>;
const key = serdes.string;
const value = serdes.json<Item>();

const sum = {
  key,
  value: serdes.double,
  initial: () => 0,
  add: (all: number, record: R) => ((all + (record.value?.n ?? 1)) % 7 === 0 ? null : all + (record.value?.n ?? 1)),
  merge: (a: number, b: number) => ((a + b) % 5 === 0 ? null : a + b),
};

/** Folds over windows of time and of so many records, with every way to emit and to be late, by name; each is given the name of its store. */
export const timeFolds: Readonly<Record<string, TimeFold>> = {
  'count over tumbling windows': (source, store) =>
    source.pipe(count({ store, key, window: tumbling('10ms', { grace: '5ms' }) })),
  'count over tumbling windows, on close': (source, store) =>
    source.pipe(count({ store, key, window: tumbling('7ms', { grace: '3ms' }), emit: 'onClose' })),
  'aggregate over hopping windows, late ones to the dead letters': (source, store) =>
    source.pipe(
      aggregate({ store, ...sum, window: hopping('10ms', { every: '4ms', retention: '30ms' }), late: 'deadLetter' }),
    ),
  'aggregate over hopping windows, on close': (source, store) =>
    source.pipe(
      aggregate({
        store,
        ...sum,
        window: hopping('9ms', { every: '3ms', grace: '2ms' }),
        emit: 'onClose',
        late: 'deadLetter',
      }),
    ),
  'aggregate over hopping windows that throws for late records': (source, store) =>
    source.pipe(
      aggregate({
        store,
        ...sum,
        window: hopping('9ms', { every: '3ms' }),
        emit: 'onClose',
        late: ({ timestamp }) => {
          throw new Error(`late ${timestamp}`);
        },
      }),
    ),
  'count over an unlimited window': (source, store) =>
    source.pipe(count({ store, key, window: unlimited({ from: 20 }) })),
  'count over calendar windows': (source, store) =>
    source.pipe(count({ store, key, window: calendar('day', { timeZone: 'Asia/Tokyo' }) })),
  'count of every three records': (source, store) => source.pipe(count({ store, key, window: everyN(3) })),
  'aggregate of every two records, on close, with retention': (source, store) =>
    source.pipe(aggregate({ store, ...sum, window: everyN(2, { retention: '15ms' }), emit: 'onClose' })),
  'reduce over tumbling windows': (source, store) =>
    source.pipe(
      reduce({
        store,
        key,
        value,
        window: tumbling('20ms', { grace: '20ms' }),
        // A record without a value may be the first of its window.
        add: (a: Item | null, b: Item | null) =>
          (b?.n ?? 0) === 5 ? null : { ...(b ?? a ?? NOTHING), n: (a?.n ?? 0) + (b?.n ?? 0) },
      }),
    ),
};

const NOTHING: Item = { n: 0, id: 'none', version: 0, group: 'a' };
