/** Compiled, never run: grouping and folding. */
import {
  aggregate,
  count,
  groupBy,
  mapValues,
  reduce,
  repartition,
  type Stream,
  serdes,
  type Table,
  toStream,
  toTable,
} from '#src/index.js';
import { is, type Payment } from './support.js';

interface Sum {
  readonly total: number;
  readonly note?: string;
}

declare const payments: Stream<string, Payment>;
declare const accounts: Table<string, Payment>;

export const grouping = (): void => {
  payments.pipe(groupBy((record) => record.value.amount, { key: serdes.int64, name: 'x' })) satisfies Stream<
    number,
    Payment
  >;
  accounts.pipe(groupBy((record) => record.value.id, { key: serdes.string, name: 'x' })) satisfies Table<
    string,
    Payment
  >;
  // Null keys are dropped: what comes out has none.
  payments.pipe(groupBy((record) => record.value.account, { key: serdes.string, name: 'x' })) satisfies Stream<
    string,
    Payment
  >;
  accounts.pipe(groupBy((record) => record.value.account, { key: serdes.string, name: 'x' })) satisfies Table<
    string,
    Payment
  >;
  // @ts-expect-error the new key is a number
  payments.pipe(groupBy((record) => record.value.amount, { key: serdes.string, name: 'x' }));
  // @ts-expect-error the values are payments
  payments.pipe(groupBy((record) => record.value.id, { key: serdes.string, value: serdes.int64, name: 'x' }));
  // @ts-expect-error it needs a name
  payments.pipe(groupBy((record) => record.value.id, { key: serdes.string }));
};

export const repartitioning = (): void => {
  payments.pipe(repartition({ name: 'x', key: serdes.string })) satisfies Stream<string, Payment>;
  accounts.pipe(repartition({ name: 'x', key: serdes.string, partitions: 3 })) satisfies Table<string, Payment>;
  // @ts-expect-error the keys are strings
  payments.pipe(repartition({ name: 'x', key: serdes.int64 }));
};

export const tables = (): void => {
  payments.pipe(toTable({ store: 's', value: serdes.json<Payment>() })) satisfies Table<string, Payment>;
  accounts.pipe(toStream(), toTable({ store: 's', value: serdes.json<Payment>() })) satisfies Table<string, Payment>;
  // @ts-expect-error it is a table already
  accounts.pipe(toTable({ store: 's', value: serdes.json<Payment>() }));
  // @ts-expect-error the values are payments
  payments.pipe(toTable({ store: 's', value: serdes.int64 }));
  // @ts-expect-error the keys are strings
  payments.pipe(toTable({ store: 's', key: serdes.int64, value: serdes.json<Payment>() }));
  // @ts-expect-error it needs a store
  payments.pipe(toTable({ value: serdes.json<Payment>() }));
};

export const counting = (): void => {
  payments.pipe(count({ store: 's' })) satisfies Table<string, number>;
  accounts.pipe(count({ store: 's' })) satisfies Table<string, number>;
  // @ts-expect-error the keys are strings
  payments.pipe(count({ store: 's', key: serdes.int64 }));
  // @ts-expect-error it needs a store
  payments.pipe(count());
};

export const reducing = (): void => {
  payments.pipe(
    reduce({ store: 's', value: serdes.json<Payment>(), add: (a, b) => (a.amount > b.amount ? a : b) }),
  ) satisfies Table<string, Payment>;
  accounts.pipe(
    reduce({
      store: 's',
      value: serdes.json<Payment>(),
      add: (a, b) => ({ ...a, ...b }),
      subtract: (a, b) => (a.id === b.id ? null : a),
    }),
  ) satisfies Table<string, Payment>;
  // @ts-expect-error it reduces payments to payments
  payments.pipe(reduce({ store: 's', value: serdes.json<Payment>(), add: (a, b) => a.amount + b.amount }));
  // @ts-expect-error the values are payments
  payments.pipe(reduce({ store: 's', value: serdes.int64, add: (a) => a }));
};

export const aggregating = (): void => {
  payments.pipe(
    aggregate({
      store: 's',
      value: serdes.double,
      initial: () => 0,
      add: (total, record) => total + record.value.amount,
    }),
  ) satisfies Table<string, number>;
  // The functions of a table see rows, and the same operator serves both.
  accounts.pipe(
    aggregate({
      store: 's',
      value: serdes.json<{ total: number }>(),
      initial: () => ({ total: 0 }),
      add: (all, record) => ({ total: all.total + record.value.amount }),
      subtract: (all, record) =>
        all.total === record.value.amount ? null : { total: all.total - record.value.amount },
    }),
  ) satisfies Table<string, { total: number }>;
  // Null values are dropped before: they need no handling.
  accounts.pipe(
    toStream(),
    aggregate({
      store: 's',
      value: serdes.double,
      initial: () => 0,
      add: (total, record) => total + record.value.amount,
    }),
  ) satisfies Table<string, number>;
  // The serde alone says what the aggregate is, wherever it stands.
  payments.pipe(
    aggregate({
      initial: () => ({ total: 0 }),
      add: ({ total }) => ({ total }),
      store: 's',
      value: serdes.json<Sum>(),
    }),
    mapValues((sum) => is<Sum>()(sum)),
  );
  payments.pipe(
    reduce({
      store: 's',
      add: (first, second) => (first.amount > second.amount ? first : second),
      value: serdes.json(),
    }),
    mapValues((payment) => is<Payment>()(payment)),
  );
  // @ts-expect-error initial returns less
  payments.pipe(aggregate({ store: 's', value: serdes.json<Sum>(), initial: () => ({}), add: (sum) => sum }));
  const sum = { store: 's', value: serdes.json<Sum>(), initial: () => ({ total: 0 }) };
  accounts.pipe(aggregate({ ...sum, add: (all) => all, subtract: (all) => is<Sum>()(all) }));
  // @ts-expect-error subtract returns another type
  accounts.pipe(aggregate({ ...sum, add: (all) => all, subtract: (all) => all.total }));
  payments.pipe(
    // @ts-expect-error add returns another type
    aggregate({ store: 's', value: serdes.double, initial: () => 0, add: (total, record) => record.value }),
  );
  // @ts-expect-error initial returns another type
  payments.pipe(aggregate({ store: 's', value: serdes.double, initial: () => '', add: (total) => total }));
  payments.pipe(
    aggregate({
      store: 's',
      value: serdes.double,
      initial: () => 0,
      // @ts-expect-error no such field
      add: (total, record) => total + record.value.nothing,
    }),
  );
  // @ts-expect-error it needs a value serde
  payments.pipe(aggregate({ store: 's', initial: () => 0, add: (total: number) => total }));
};
