/** Compiled, never run: folds over sliding windows and sessions. */
import {
  aggregate,
  count,
  mapValues,
  reduce,
  type SessionWindows,
  type SlidingWindows,
  type Stream,
  serdes,
  session,
  sliding,
  type Table,
  type Windowed,
  type Windows,
} from '#src/index.js';
import { is, type Payment } from './support.js';

interface Sum {
  readonly total: number;
  readonly note?: string;
}

declare const payments: Stream<string, Payment>;
declare const amounts: Stream<string, number | null>;
declare const any: Windows;

const total = { store: 's', value: serdes.double, initial: () => 0 };

export const windows = (): void => {
  session('30m', { grace: '1m', retention: '2h' }) satisfies SessionWindows;
  sliding('10m', { grace: '1m', retention: '2h' }) satisfies SlidingWindows;
  // @ts-expect-error a duration has a unit
  session(30);
  // @ts-expect-error it needs a difference
  sliding();
  // @ts-expect-error every is for hopping windows
  sliding('10m', { every: '1m' });
};

export const folding = (): void => {
  payments.pipe(count({ store: 's', window: session('1m') })) satisfies Table<Windowed<string>, number>;
  payments.pipe(count({ store: 's', window: sliding('1m') })) satisfies Table<Windowed<string>, number>;
  amounts.pipe(
    // Sessions show null values to add: the last one of a session says what it is.
    reduce({ store: 's', value: serdes.double, window: session('1m'), add: (all, amount) => all + (amount ?? 0) }),
  ) satisfies Table<Windowed<string>, number>;
  payments.pipe(
    aggregate({
      ...total,
      window: session('1m'),
      add: (all, { value }) => all + value.amount,
      merge: (first, second) => first + second,
      late: (record) => record.value.amount,
    }),
  ) satisfies Table<Windowed<string>, number>;
  payments.pipe(
    aggregate({ ...total, window: sliding('1m'), add: (all, { value }) => (all > 9 ? null : all + value.amount) }),
  ) satisfies Table<Windowed<string>, number>;
  // The serde alone says what the aggregate is.
  const sum = { store: 's', value: serdes.json<Sum>(), initial: () => ({ total: 0 }) };
  payments.pipe(
    aggregate({
      ...sum,
      window: session('1m'),
      add: (all) => ({ total: is<Sum>()(all).total }),
      merge: (first, second) => ({ total: is<Sum>()(first).total + is<Sum>()(second).total }),
    }),
    mapValues((all) => is<Sum>()(all)),
  );
  payments.pipe(
    aggregate({ ...sum, window: sliding('1m'), add: (all) => ({ total: is<Sum>()(all).total }) }),
    mapValues((all) => is<Sum>()(all)),
  );
  payments.pipe(
    // @ts-expect-error merge returns another type
    aggregate({ ...sum, window: session('1m'), add: (all) => all, merge: () => ({ totals: 0 }) }),
  );
  // @ts-expect-error add returns another type
  payments.pipe(aggregate({ ...sum, window: sliding('1m'), add: () => ({ totals: 0 }) }));
  // Where it is not known of which kind they are, it must be said how sessions are merged.
  payments.pipe(
    aggregate({ ...total, window: any, add: (all) => all + 1, merge: (first, second) => first + second }),
  ) satisfies Table<Windowed<string>, number>;
  // @ts-expect-error without merge, sessions cannot become one
  payments.pipe(aggregate({ ...total, window: session('1m'), add: (all) => all + 1 }));
  // @ts-expect-error it may be sessions
  payments.pipe(aggregate({ ...total, window: any, add: (all) => all + 1 }));
  // @ts-expect-error merge makes an aggregate of two
  payments.pipe(aggregate({ ...total, window: session('1m'), add: (all) => all + 1, merge: () => 'both' }));
  // @ts-expect-error keys are windowed
  payments.pipe(count({ store: 's', window: session('1m') })) satisfies Table<string, number>;
  amounts.pipe(
    // @ts-expect-error a value may be null
    reduce({ store: 's', value: serdes.double, window: session('1m'), add: (all, amount) => all + amount }),
  );
};
