/** Compiled, never run: versioned tables, joins as of a time and by a foreign key. */
import {
  type Change,
  joinTable,
  type KeyValueStore,
  leftJoinTable,
  mapValues,
  process,
  type Stream,
  type StreamRecord,
  serdes,
  type Table,
  type TopologyBuilder,
  toTable,
  type VersionedStore,
} from '#src/index.js';
import type { Account, Payment } from './support.js';

declare const t: TopologyBuilder;
declare const payments: Stream<string, Payment>;
declare const paymentRows: Table<string, Payment>;
declare const accounts: Table<string, Account>;
declare const byNumber: Table<number, Account>;

const json = { key: serdes.string, value: serdes.json<Account>() };

export const declaring = (): void => {
  t.table('accounts', { ...json, store: 'a', history: '1d' }) satisfies Table<string, Account>;
  payments.pipe(toTable({ store: 'a', value: serdes.json<Payment>(), history: '1h' })) satisfies Table<string, Payment>;
  // @ts-expect-error no unit
  t.table('accounts', { ...json, store: 'a', history: '1 day' });
  // @ts-expect-error a global table keeps no past
  t.globalTable('accounts', { ...json, store: 'a', history: '1d' });
};

export const joiningAsOf = (): void => {
  payments.pipe(joinTable(accounts, { join: (payment, account) => `${payment.id}${account.owner}` })) satisfies Stream<
    string,
    string
  >;
  accounts.pipe(joinTable(accounts, { join: (left, right, key) => left.owner + right.owner + key })) satisfies Table<
    string,
    string
  >;
  payments.pipe(
    joinTable(accounts, {
      join: (payment, account) => payment.amount + account.owner.length,
      grace: '10s',
      store: 'waiting',
      value: serdes.json<Payment>(),
    }),
  ) satisfies Stream<string, number>;
  payments.pipe(
    leftJoinTable(accounts, { join: (payment, account) => account?.owner ?? payment.id, grace: '1s', store: 'w' }),
    mapValues((owner) => owner.length),
  ) satisfies Stream<string, number>;
  // @ts-expect-error records that wait need a store
  payments.pipe(joinTable(accounts, { join: (payment) => payment.id, grace: '10s' }));
  // @ts-expect-error nothing waits: there is nothing to store
  payments.pipe(joinTable(accounts, { join: (payment) => payment.id, store: 'waiting' }));
  payments.pipe(
    // @ts-expect-error the values are payments
    joinTable(accounts, { join: (payment) => payment.id, grace: '10s', store: 'w', value: serdes.int64 }),
  );
  // @ts-expect-error the table has other keys
  payments.pipe(joinTable(byNumber, { join: (payment) => payment }));
  // @ts-expect-error on the left join the row may be missing
  payments.pipe(leftJoinTable(accounts, { join: (_, account) => account.owner }));
};

export const joiningByForeignKey = (): void => {
  const names = { store: 'owners', value: serdes.string };
  paymentRows.pipe(
    joinTable(accounts, {
      foreignKey: (payment, key) => payment.account ?? key,
      join: (payment, account, key) => payment.id + account.owner + key,
      ...names,
    }),
  ) satisfies Table<string, string>;
  paymentRows.pipe(
    joinTable(byNumber, { foreignKey: (payment) => payment.amount, join: (_, account) => account.owner, ...names }),
  ) satisfies Table<string, string>;
  paymentRows.pipe(
    leftJoinTable(accounts, {
      foreignKey: (payment) => payment.account,
      join: (payment, account) => account?.owner ?? payment.id,
      ...names,
    }),
    mapValues((owner) => owner.length),
  ) satisfies Table<string, number>;
  // No joined row: null is not a value of the table.
  paymentRows.pipe(
    joinTable(accounts, {
      foreignKey: (payment) => payment.account,
      join: (payment, account) => (payment.amount > 0 ? account.owner : null),
      ...names,
    }),
  ) satisfies Table<string, string>;
  const join = (payment: Payment, account: Account): string => payment.id + account.owner;
  // @ts-expect-error the right table has numbers as keys
  paymentRows.pipe(joinTable(byNumber, { foreignKey: (payment: Payment) => payment.account, join, ...names }));
  // @ts-expect-error the joined rows are texts
  paymentRows.pipe(joinTable(accounts, { foreignKey: () => 'a', join, store: 'owners', value: serdes.int64 }));
  // @ts-expect-error the joined rows need a store
  paymentRows.pipe(joinTable(accounts, { foreignKey: () => 'a', join, value: serdes.string }));
  // @ts-expect-error a stream has no rows that could be found again
  payments.pipe(joinTable(accounts, { foreignKey: (payment: Payment) => payment.account, join, ...names }));
  // @ts-expect-error a grace is for records of a stream
  paymentRows.pipe(joinTable(accounts, { foreignKey: () => 'a', join, ...names, grace: '1s' }));
};

export const processing = (): void => {
  payments.pipe(
    process({
      name: 'p',
      stores: {
        prices: { key: serdes.string, value: serdes.double, history: '30d' },
        totals: { key: serdes.string, value: serdes.double },
      },
      process({ key, timestamp }: StreamRecord<string, Payment>, { stores, versionedStore }) {
        stores.prices satisfies VersionedStore<string, number>;
        stores.totals satisfies KeyValueStore<string, number>;
        stores.prices.get(key, timestamp) satisfies number | null;
        stores.prices.put(key, 7, timestamp) satisfies 'newest' | 'outOfOrder' | 'expired';
        versionedStore<string, Account>('accounts').get(key, timestamp)?.owner satisfies string | undefined;
        // @ts-expect-error it keeps no past
        stores.totals.get(key, timestamp);
      },
    }),
  );
  accounts.pipe(
    process({
      name: 'p',
      process(change: Change<string, Account>) {
        change.outOfOrder satisfies boolean | undefined;
      },
    }),
  );
};
