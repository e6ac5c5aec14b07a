/** Compiled, never run: global tables and their joins. */
import { map } from 'rxjs';
import {
  type GlobalTable,
  joinGlobalTable,
  joinTable,
  leftJoinGlobalTable,
  mapValues,
  type Stream,
  serdes,
  type Table,
  type TopologyBuilder,
  to,
} from '#src/index.js';
import type { Account, Payment } from './support.js';

declare const t: TopologyBuilder;
declare const payments: Stream<string, Payment>;
declare const keyless: Stream<null, Payment>;
declare const balances: Table<string, Payment>;
declare const accounts: GlobalTable<string, Account>;
declare const byNumber: GlobalTable<number, Account>;

export const declaring = (): void => {
  t.globalTable('accounts', { key: serdes.int64, value: serdes.string, store: 'a' }) satisfies GlobalTable<
    number,
    string
  >;
  t.globalTable('accounts', {
    key: serdes.string,
    value: serdes.json<Payment>(),
    store: 'a',
    timestamp: (value, key) => value.amount + key.length,
  });
  // @ts-expect-error a global table needs a store
  t.globalTable('accounts', { key: serdes.int64, value: serdes.string });
  // @ts-expect-error no value serde
  t.globalTable('accounts', { key: serdes.int64, store: 'a' });
};

export const joining = (): void => {
  payments.pipe(
    joinGlobalTable(accounts, {
      key: (record) => record.value.id,
      join: (payment, account, key) => payment.amount + account.owner.length + key.length,
    }),
  ) satisfies Stream<string, number>;
  payments.pipe(
    leftJoinGlobalTable(accounts, {
      key: (record) => record.value.account,
      join: (payment, account) => account?.owner ?? payment.id,
    }),
    mapValues((owner) => owner.length),
  ) satisfies Stream<string, number>;
  keyless.pipe(
    joinGlobalTable(byNumber, { key: ({ value }) => value.amount, join: (_, { owner }) => owner }),
  ) satisfies Stream<null, string>;
  // @ts-expect-error the key is that of the table
  payments.pipe(joinGlobalTable(byNumber, { key: (record) => record.key, join: (payment) => payment }));
  // @ts-expect-error a left join may find no row
  payments.pipe(leftJoinGlobalTable(accounts, { key: ({ key }) => key, join: (_, account) => account.owner }));
  // @ts-expect-error no such field of the row
  payments.pipe(joinGlobalTable(accounts, { key: ({ key }) => key, join: (_, account) => account.name }));
  // @ts-expect-error it must be said by which key
  payments.pipe(joinGlobalTable(accounts, { join: (payment) => payment }));
  // @ts-expect-error only streams are joined with a global table
  balances.pipe(joinGlobalTable(accounts, { key: ({ key }) => key, join: (payment) => payment }));
};

export const misusing = (): void => {
  // @ts-expect-error a global table cannot be piped
  accounts.pipe(mapValues((account) => account.owner));
  // @ts-expect-error a global table is no source of records
  map(() => 1)(accounts);
  // @ts-expect-error a global table is not joined as a table
  payments.pipe(joinTable(accounts, (payment) => payment));
  // @ts-expect-error a table is not joined as a global one
  payments.pipe(joinGlobalTable(balances, { key: ({ key }) => key, join: (payment) => payment }));
  // @ts-expect-error a global table is no table
  accounts satisfies Table<string, Account>;
  // @ts-expect-error a table is no global table
  balances satisfies GlobalTable<string, Payment>;
  const joined = payments.pipe(joinGlobalTable(accounts, { key: ({ key }) => key, join: () => 1 }));
  // @ts-expect-error the joined value is no text
  joined.pipe(to('out', { key: serdes.string, value: serdes.string }));
};
