/** Compiled, never run: joins, process and to. */
import {
  type Change,
  joinTable,
  type KeyValueStore,
  leftJoinTable,
  mapValues,
  outerJoinTable,
  process,
  type Stream,
  type StreamRecord,
  serdes,
  type Table,
  to,
  toStream,
} from '#src/index.js';
import type { Account, Payment } from './support.js';

declare const payments: Stream<string, Payment>;
declare const accounts: Table<string, Account>;
declare const byNumber: Table<number, Account>;

export const joining = (): void => {
  payments.pipe(joinTable(accounts, (payment, account) => payment.amount + account.owner.length)) satisfies Stream<
    string,
    number
  >;
  accounts.pipe(joinTable(accounts, (left, right, key) => `${left.owner}${right.owner}${key}`)) satisfies Table<
    string,
    string
  >;
  payments.pipe(leftJoinTable(accounts, (payment, account) => account?.owner ?? payment.id)) satisfies Stream<
    string,
    string
  >;
  accounts.pipe(leftJoinTable(accounts, (left, right) => right ?? left)) satisfies Table<string, Account>;
  // @ts-expect-error the table has other keys
  payments.pipe(joinTable(byNumber, (payment) => payment));
  // @ts-expect-error the table has other keys
  accounts.pipe(leftJoinTable(byNumber, (left) => left));
  // @ts-expect-error a stream cannot be looked up
  payments.pipe(joinTable(payments, (payment) => payment));
  // @ts-expect-error on the left join the row may be missing
  payments.pipe(leftJoinTable(accounts, (_, account) => account.owner));
  // @ts-expect-error no such field
  payments.pipe(joinTable(accounts, (payment, account) => payment.owner));
};

export const outerJoining = (): void => {
  accounts.pipe(outerJoinTable(accounts, (left, right, key) => left?.owner ?? right?.owner ?? key)) satisfies Table<
    string,
    string
  >;
  // @ts-expect-error either side may be missing
  accounts.pipe(outerJoinTable(accounts, (left) => left.owner));
  // @ts-expect-error the table has other keys
  accounts.pipe(outerJoinTable(byNumber, (left) => left));
  // @ts-expect-error tables only
  payments.pipe(outerJoinTable(accounts, (left) => left));
};

export const processing = (): void => {
  payments.pipe(process({ name: 'p', process: (record, { forward }) => forward(record) })) satisfies Stream<
    string,
    Payment
  >;
  payments.pipe(
    process({
      name: 'p',
      stores: { totals: { key: serdes.string, value: serdes.int64, ttl: '1d' } },
      process(record: StreamRecord<string, Payment>, { stores, forward }) {
        stores.totals satisfies KeyValueStore<string, number>;
        // @ts-expect-error the rows are numbers
        stores.totals.put(record.key, record.value);
        // @ts-expect-error no such store
        stores.others;
        forward(record);
      },
    }),
  ) satisfies Stream<string, Payment>;
  // What it forwards are records of a stream, whatever it is given.
  accounts.pipe(
    process({
      name: 'p',
      process: (change, { forward }) => forward({ key: change.key, value: change.value ?? change.previous }),
    }),
  ) satisfies Stream<string, Account | null>;
  const noTable = accounts.pipe(
    process({
      name: 'p',
      process(change: Change<string, Account>, { forward }) {
        change.previous satisfies Account | null;
        forward(change);
      },
    }),
  );
  // @ts-expect-error it is no table any more
  noTable.pipe(toStream());
  payments.pipe(
    process<StreamRecord<string, Payment>, StreamRecord<string, number>>({
      name: 'p',
      process: ({ key, value }, { forward }) => forward({ key, value: value.amount }),
    }),
  ) satisfies Stream<string, number>;
  payments.pipe(
    process({
      name: 'p',
      process(record: StreamRecord<string, Payment>, { schedule, forward }) {
        // @ts-expect-error wrong unit
        schedule('1 second', 'stream', () => undefined);
        // @ts-expect-error no such clock
        schedule('1s', 'system', () => undefined);
        // @ts-expect-error the values are payments
        forward({ key: record.key, value: 1 });
        // @ts-expect-error a record has a key
        forward({ value: record.value });
      },
    }),
  );
};

export const writing = (): void => {
  payments.pipe(to('out', { key: serdes.string, value: serdes.json<Payment>() })) satisfies Stream<string, Payment>;
  accounts.pipe(to('out', { key: serdes.string, value: serdes.json<Account>() })) satisfies Table<string, Account>;
  // A deletion is written without the serde: a nullable value needs no nullable serde.
  accounts.pipe(toStream(), to('out', { key: serdes.string, value: serdes.json<Account>() })) satisfies Stream<
    string,
    Account | null
  >;
  payments.pipe(
    to((record) => record.value.id, {
      name: 'by-id',
      key: serdes.string,
      value: serdes.json<Payment>(),
      partition: (record, partitions) => record.value.amount % partitions,
    }),
  );
  // @ts-expect-error the values are payments
  payments.pipe(to('out', { key: serdes.string, value: serdes.int64 }));
  // @ts-expect-error the keys are strings
  payments.pipe(to('out', { key: serdes.int64, value: serdes.json<Payment>() }));
  payments.pipe(
    mapValues((payment) => payment.amount),
    // @ts-expect-error the values are numbers by now
    to('out', { key: serdes.string, value: serdes.json<Payment>() }),
  );
  // @ts-expect-error a partition is a number
  payments.pipe(to('out', { key: serdes.string, value: serdes.json<Payment>(), partition: () => '1' }));
  // @ts-expect-error no value serde
  payments.pipe(to('out', { key: serdes.string }));
};
