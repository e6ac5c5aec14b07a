/** Compiled, never run: several streams folded into one table, and tables held back. */
import {
  cogroup,
  count,
  mapValues,
  type Stream,
  serdes,
  session,
  suppress,
  type Table,
  toStream,
  tumbling,
  type Windowed,
} from '#src/index.js';
import { type Account, is, type Payment } from './support.js';

declare const payments: Stream<string, Payment>;
declare const amounts: Stream<string | null, number | null>;
declare const byNumber: Stream<number, Payment>;
declare const accounts: Table<string, Account>;
declare const counts: Table<Windowed<string>, number>;

interface Sum {
  readonly total: number;
  readonly note?: string;
}

interface Totals {
  readonly paid: number;
}
const options = { store: 's', value: serdes.json<Totals>(), initial: (): Totals => ({ paid: 0 }) };

export const cogrouping = (): void => {
  cogroup(options, (add) => [
    add(payments, ({ paid }, { key, value }) => ({ paid: paid + value.amount + key.length })),
    // Null keys and values are dropped: the function sees none.
    add(amounts, ({ paid }, { key, value }) => (key === '' ? null : { paid: paid + value })),
  ]) satisfies Table<string, Totals>;
  cogroup({ ...options, window: tumbling('1m'), emit: 'onClose' }, (add) => [
    // In windows, null values are values like others.
    add(amounts, ({ paid }, { value }) => ({ paid: paid + (value ?? 0) })),
  ]) satisfies Table<Windowed<string>, Totals>;
  cogroup({ ...options, key: serdes.int64 }, (add) => [add(byNumber, (all) => all)]) satisfies Table<number, Totals>;

  // The serde alone says what the aggregate is.
  const sum = { store: 's', value: serdes.json<Sum>() };
  cogroup({ ...sum, initial: () => ({ total: 0 }) }, (add) => [
    add(payments, (all, { value }) => ({ total: is<Sum>()(all).total + value.amount })),
  ]).pipe(mapValues((all) => is<Sum>()(all)));
  cogroup(
    {
      ...sum,
      window: session('1m'),
      initial: () => ({ total: 0 }),
      merge: (first, second) => ({ total: is<Sum>()(first).total + is<Sum>()(second).total }),
    },
    (add) => [add(payments, (all) => ({ total: all.total }))],
  ).pipe(mapValues((all) => is<Sum>()(all)));
  // @ts-expect-error initial returns less
  cogroup({ ...sum, initial: () => ({}) }, (add) => [add(payments, (all) => all)]);
  // @ts-expect-error add returns another type
  cogroup({ ...sum, initial: () => ({ total: 0 }) }, (add) => [add(payments, () => ({ totals: 0 }))]);

  // @ts-expect-error the aggregate is an object
  cogroup(options, (add) => [add(payments, (_, { value }) => value.amount)]);
  cogroup({ ...options, window: tumbling('1m') }, (add) => [
    // @ts-expect-error the value may be null in windows
    add(amounts, ({ paid }, { value }) => ({ paid: paid + value })),
  ]);
  // @ts-expect-error the keys are of different types
  cogroup(options, (add) => [add(payments, (all) => all), add(byNumber, (all) => all)]);
  // @ts-expect-error a table has rows that change: turn it into a stream
  cogroup(options, (add) => [add(accounts, (all) => all)]);
  cogroup(options, (add) => [add(accounts.pipe(toStream()), (all) => all)]);
  // @ts-expect-error the keys are strings
  cogroup({ ...options, key: serdes.int64 }, (add) => [add(payments, (all) => all)]);
  // @ts-expect-error it needs an initial aggregate
  cogroup({ store: 's', value: serdes.json<Totals>() }, (add) => [add(payments, (all) => all)]);
  // @ts-expect-error what is returned is made by add
  cogroup(options, () => [payments]);
};

export const suppressing = (): void => {
  counts.pipe(suppress({ store: 's', until: 'windowCloses' })) satisfies Table<Windowed<string>, number>;
  counts.pipe(suppress({ store: 's', until: { timeLimit: '1m' } })) satisfies Table<Windowed<string>, number>;
  accounts.pipe(suppress({ store: 's', until: { timeLimit: '1m' }, maxRecords: 10 })) satisfies Table<string, Account>;
  accounts.pipe(
    suppress({
      store: 's',
      until: { timeLimit: '1m' },
      maxBytes: 1_000,
      whenFull: 'fail',
      value: serdes.json<Account>(),
    }),
  ) satisfies Table<string, Account>;
  payments.pipe(
    count({ store: 'c', window: tumbling('1m') }),
    suppress({ store: 's', until: 'windowCloses', maxRecords: 10, whenFull: 'fail' }),
  ) satisfies Table<Windowed<string>, number>;

  // @ts-expect-error its keys belong to no windows
  accounts.pipe(suppress({ store: 's', until: 'windowCloses' }));
  // @ts-expect-error a stream has no rows that replace each other
  payments.pipe(suppress({ store: 's', until: { timeLimit: '1m' } }));
  // @ts-expect-error what comes out early would not be final
  counts.pipe(suppress({ store: 's', until: 'windowCloses', maxRecords: 10, whenFull: 'emitEarly' }));
  // @ts-expect-error a time limit has a unit
  accounts.pipe(suppress({ store: 's', until: { timeLimit: 60 } }));
  // @ts-expect-error it does not say until when
  accounts.pipe(suppress({ store: 's' }));
  // @ts-expect-error the values are accounts
  accounts.pipe(suppress({ store: 's', until: { timeLimit: '1m' }, value: serdes.int64 }));
};
