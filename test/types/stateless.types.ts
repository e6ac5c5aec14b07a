/** Compiled, never run: what the types of the operators without state say, and what must not compile. */
import { filter, map, merge } from 'rxjs';
import {
  type Change,
  effect,
  filterValues,
  flatMapValues,
  mapValues,
  peek,
  type Stream,
  type StreamRecord,
  selectKey,
  serdes,
  type Table,
  type TopologyBuilder,
  toStream,
} from '#src/index.js';
import type { Payment } from './support.js';

declare const t: TopologyBuilder;
declare const payments: Stream<string, Payment>;
declare const accounts: Table<string, Payment>;

export const sources = (): void => {
  t.stream('payments', { key: serdes.string, value: serdes.json<Payment>() }) satisfies Stream<string, Payment>;
  t.table('accounts', { key: serdes.int64, value: serdes.string, store: 'accounts' }) satisfies Table<number, string>;
  t.stream('payments', {
    key: serdes.string,
    value: serdes.json<Payment>(),
    timestamp: (value, key) => value.amount + key.length,
  });
  // @ts-expect-error a table needs a store
  t.table('accounts', { key: serdes.int64, value: serdes.string });
  // @ts-expect-error a stream has no store
  t.stream('accounts', { key: serdes.int64, value: serdes.string, store: 'accounts' });
  // @ts-expect-error no value serde
  t.stream('accounts', { key: serdes.int64 });
  // @ts-expect-error a timestamp is a number
  t.stream('payments', { key: serdes.string, value: serdes.json<Payment>(), timestamp: () => '2026' });
  // @ts-expect-error a stream is not a table
  payments satisfies Table<string, Payment>;
};

export const mapping = (): void => {
  payments.pipe(mapValues((payment) => payment.amount)) satisfies Stream<string, number>;
  payments.pipe(mapValues((payment, key) => `${key.length}${payment.id}`)) satisfies Stream<string, string>;
  accounts.pipe(mapValues((account) => account.amount)) satisfies Table<string, number>;
  accounts.pipe(
    filterValues((account) => account.amount > 1),
    mapValues((account) => account.id),
  ) satisfies Table<string, string>;
  payments.pipe(
    mapValues(({ amount }) => amount),
    mapValues((amount) => amount.toFixed()),
  ) satisfies Stream<string, string>;
  // @ts-expect-error no such field
  payments.pipe(mapValues((payment) => payment.nothing));
  // @ts-expect-error the function of a table sees rows, never null
  accounts.pipe(mapValues((account: null) => account));
  // @ts-expect-error the result is a table, and its rows are numbers
  accounts.pipe(mapValues((account) => account.amount)) satisfies Table<string, string>;
  // @ts-expect-error the key of a payment is a string
  payments.pipe(mapValues((_, key) => key.toFixed()));
};

export const filtering = (): void => {
  payments.pipe(filterValues((payment) => payment.amount > 0)) satisfies Stream<string, Payment>;
  accounts.pipe(filterValues((account, key) => key !== '' && account.amount > 0)) satisfies Table<string, Payment>;
  payments.pipe(filter((record) => record.value.amount > 0)) satisfies Stream<string, Payment>;
  // @ts-expect-error a predicate answers with a boolean
  payments.pipe(filterValues((payment) => payment.amount));
};

export const flattening = (): void => {
  payments.pipe(flatMapValues((payment) => [payment.amount])) satisfies Stream<string, number>;
  payments.pipe(flatMapValues((payment) => payment.id)) satisfies Stream<string, string>;
  payments.pipe(
    flatMapValues(function* (payment) {
      yield payment.id;
    }),
  ) satisfies Stream<string, string>;
  // @ts-expect-error a number cannot be iterated
  payments.pipe(flatMapValues((payment) => payment.amount));
  // @ts-expect-error streams only: use toStream() first
  accounts.pipe(flatMapValues((account) => [account]));
};

export const rekeying = (): void => {
  payments.pipe(selectKey((record) => record.value.amount)) satisfies Stream<number, Payment>;
  payments.pipe(selectKey((record) => record.value.id, { key: serdes.string, name: 'by-id' })) satisfies Stream<
    string,
    Payment
  >;
  // @ts-expect-error the new key is a number
  payments.pipe(selectKey((record) => record.value.amount, { key: serdes.string }));
  // @ts-expect-error streams only: use toStream() first
  accounts.pipe(selectKey((record) => record.value?.id));
};

export const looking = (): void => {
  payments.pipe(peek((record) => record.value.amount)) satisfies Stream<string, Payment>;
  accounts.pipe(peek((change) => change.previous?.amount)) satisfies Table<string, Payment>;
  // @ts-expect-error records of a stream have no row before
  payments.pipe(peek((record) => record.previous));
};

export const calling = (): void => {
  payments.pipe(effect('e', (record) => void record.value.amount)) satisfies Stream<string, Payment>;
  accounts.pipe(effect('e', async (change) => void change.previous?.amount)) satisfies Table<string, Payment>;
  payments.pipe(effect('e', { id: (record) => record.value.id, run: () => undefined })) satisfies Stream<
    string,
    Payment
  >;
  // @ts-expect-error records of a stream have no row before
  payments.pipe(effect('e', (record) => void record.previous));
  // @ts-expect-error an id is text or a number
  payments.pipe(effect('e', { id: (record) => record, run: () => undefined }));
};

export const streaming = (): void => {
  accounts.pipe(toStream()) satisfies Stream<string, Payment | null>;
  // @ts-expect-error a stream is one already
  payments.pipe(toStream());
  accounts.pipe(
    toStream(),
    // @ts-expect-error a deletion is a null value
    mapValues((account) => account.amount),
  );
};

export const plain = (): void => {
  merge(payments, payments) satisfies Stream<string, Payment>;
  payments.pipe(map((record) => ({ ...record, value: record.value.amount }))) satisfies Stream<string, number>;
  accounts.pipe(map((change): Change<string, Payment> => change)) satisfies Table<string, Payment>;
  payments.pipe(map((record): StreamRecord<string, Payment> => record)) satisfies Stream<string, Payment>;
};
