import type { Observable } from 'rxjs';
import {
  aggregate,
  count,
  reduce,
  type StreamRecord,
  serdes,
  session,
  sliding,
  type Table,
  type Windowed,
} from '#src/index.js';
import type { Item } from './item.js';

const value = serdes.json<Item>();
type Source = Observable<StreamRecord<any, any>>;
const item = (all: Item | null, n: number): Item => ({ ...(all ?? { id: 'x', version: 1, group: 'g' }), n });
const key = serdes.string;

/** Folds over windows of items into items, by name; each is given the name of its store. */
export const windowFolds: Readonly<Record<string, (source: Source, store: string) => Table<Windowed<string>, any>>> = {
  'count of sessions': (source, store) => source.pipe(count({ store, key, window: session('4ms', { grace: '10ms' }) })),
  'aggregate of sessions, with functions that throw': (source, store) =>
    source.pipe(
      aggregate({
        store,
        key,
        value,
        window: session('3ms', { grace: '5ms', retention: '30ms' }),
        initial: () => item(null, 0),
        add: (all: Item, { value: one }: any) => {
          if (one?.n === 2) throw new Error('two');
          return one?.n === 5 ? null : item(all, all.n * 2 + (one?.n ?? 1));
        },
        merge: (first: Item, second: Item) => {
          if (first.n + second.n === 11) throw new Error('eleven');
          return item(second, first.n * 3 + second.n);
        },
        late: 'deadLetter',
      }),
    ),
  'reduce of sessions that are emitted when they close': (source, store) =>
    source.pipe(
      reduce({
        store,
        key,
        value,
        window: session('3ms'),
        emit: 'onClose',
        add: (all: Item, one: Item | null) => item(one, all.n + (one?.n ?? 0)),
      }),
    ),
  'count of sliding windows': (source, store) =>
    source.pipe(count({ store, key, window: sliding('5ms', { grace: '10ms' }) })),
  'aggregate of sliding windows, with a function that throws': (source, store) =>
    source.pipe(
      aggregate({
        store,
        key,
        value,
        window: sliding('8ms', { grace: '3ms', retention: '60ms' }),
        initial: () => item(null, 0),
        add: (all: Item, { value: one }: any) => {
          if (all.n === 7) throw new Error('seven');
          return one.n === 5 ? null : item(one, all.n * 2 + one.n);
        },
        late: 'deadLetter',
      }),
    ),
  'reduce of sliding windows that are emitted when they close': (source, store) =>
    source.pipe(
      reduce({
        store,
        key,
        value,
        window: sliding('4ms', { grace: '2ms' }),
        emit: 'onClose',
        add: (all: Item, one: Item | null) => item(one, all.n + (one?.n ?? 0)),
      }),
    ),
};
