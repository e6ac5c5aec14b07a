import type { Observable } from 'rxjs';
import {
  cogroup,
  count,
  hopping,
  mapValues,
  type StreamRecord,
  selectKey,
  serdes,
  suppress,
  type Table,
  toStream,
  toTable,
  tumbling,
} from '#src/index.js';
import type { Item } from './item.js';

type Stream = Observable<StreamRecord<any, any>>;
type Step = (source: Stream, name: string, rows: Table<string, Item>) => Stream;

const value = serdes.json<Item>();
const { string } = serdes;
const plus = (item: Item | null, n: number): Item => ({ ...(item ?? { id: 'x', version: 1, group: 'g' }), n });

/** Several streams folded into one table, and tables held back. */
export const cogroupsAndSuppress: Record<string, Step> = {
  cogroup: (source, store, rows) =>
    cogroup({ store, key: string, value, initial: () => plus(null, 0) }, (add) => [
      add(source as Observable<StreamRecord<string, Item | null>>, (all, { value: item }) =>
        plus(item, all.n * 2 + item.n),
      ),
      add(rows.pipe(toStream()), (all, { value: item }) => plus(item, all.n * 3 - item.n)),
    ]).pipe(toStream()),
  'windowed cogroup': (source, store, rows) =>
    cogroup(
      { store, key: string, value, initial: () => plus(null, 0), window: tumbling('10ms', { grace: '10ms' }) },
      (add) => [
        add(rows.pipe(toStream()), (all, { value: item }) => (item?.n === 3 ? null : plus(all, all.n + 1))),
        add(source as Observable<StreamRecord<string, Item | null>>, (all, { value: item }) =>
          plus(all, all.n * 2 + (item?.n ?? 9)),
        ),
      ],
    ).pipe(
      toStream(),
      selectKey(({ key: { key } }) => key, { key: string, value: value as never, name: `${store}-by-key` }),
    ),
  'suppress until windows close': (source, store) =>
    source.pipe(
      count({ store: `${store}-counts`, key: string, window: hopping('9ms', { every: '4ms', grace: '6ms' }) }),
      suppress({ store, until: 'windowCloses' }),
      toStream(),
      selectKey(({ key: { key } }) => key, { key: string, value: value as never, name: `${store}-by-key` }),
      mapValues((n: number | null) => plus(null, n ?? 0)),
    ),
  'suppress until a time limit': (source, store) =>
    source.pipe(
      toTable({ store: `${store}-rows`, key: string, value }),
      suppress({ store, until: { timeLimit: '7ms' }, value }),
      toStream(),
    ),
  'suppress in a bounded buffer': (source, store) =>
    source.pipe(
      toTable({ store: `${store}-rows`, key: string, value }),
      suppress({ store, until: { timeLimit: '25ms' }, maxRecords: 3, maxBytes: 260 }),
      toStream(),
    ),
};
