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
  type VersionedStore,
} from '#src/index.js';
import { type Account, is, type Payment } from './support.js';

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
  // The context takes its types from the stores and from emits; the record from the pipe.
  payments.pipe(
    process(
      {
        name: 'p',
        start: ({ schedule, stores, emit }) =>
          void schedule('1s', 'stream', () =>
            emit({ key: 'all', value: is<number | null>()(stores.totals.get('all')) ?? 0 }),
          ),
        reads: (record) => [['totals', is<StreamRecord<string, Payment>>()(record).value.id]],
        stores: {
          totals: { key: serdes.string, value: serdes.int64, ttl: '1d' },
          prices: { key: serdes.int64, value: serdes.json<Payment>(), history: '1d' },
        },
        emits: serdes.double,
      },
      (record, { stores, emit, position }) => {
        is<StreamRecord<string, Payment>>()(record);
        is<KeyValueStore<string, number>>()(stores.totals);
        is<VersionedStore<number, Payment>>()(stores.prices);
        emit({ key: record.key, value: record.value.amount, timestamp: position.offset });
        // @ts-expect-error the rows are numbers
        stores.totals.put(record.key, record.value);
        // @ts-expect-error no such store
        stores.others;
        // @ts-expect-error it emits numbers
        emit(record);
        // @ts-expect-error the keys are strings
        emit({ key: 1, value: 1 });
        // @ts-expect-error a number is no deletion
        emit({ key: record.key, value: null });
      },
    ),
    mapValues((amount) => amount.toFixed()),
  ) satisfies Stream<string, string>;
  // Values of the input's type, and other keys.
  payments.pipe(process({ name: 'p' }, async (record, { emit }) => emit(record))) satisfies Stream<string, Payment>;
  payments.pipe(
    process({ name: 'p', rekey: { name: 'by-amount', key: serdes.int64 } }, ({ value }, { emit }) => {
      emit({ key: value.amount, value });
      // @ts-expect-error the new key is a number
      emit({ key: value.id, value });
    }),
  ) satisfies Stream<number, Payment>;
  // What it emits are records of a stream, whatever comes in.
  const noTable = accounts.pipe(
    process({ name: 'p', emits: serdes.json<Account | null>() }, (change, { emit }) => {
      is<Change<string, Account>>()(change);
      emit({ key: change.key, value: change.value ?? change.previous });
    }),
  );
  noTable satisfies Stream<string, Account | null>;
  // @ts-expect-error it is no table any more
  noTable.pipe(toStream());
  // Timers of a key: the payload has the type of its serde.
  payments.pipe(
    process(
      {
        name: 'p',
        emits: serdes.json<{ readonly left: number }>(),
        wallClock: { missed: 'one' },
        timer: {
          payload: serdes.json<{ readonly left: number }>(),
          run: ({ key, due, payload: { left } }, { emit, at }) => {
            emit({ key: key satisfies string, value: { left } });
            at(due + 1_000, { left: left - 1 }, { id: 'next' });
          },
        },
      },
      (record, { at, cancel }) => {
        cancel('next') satisfies boolean;
        at(new Date(record.timestamp), { left: 3 });
        // @ts-expect-error the payload is an object
        at(5, 'three');
      },
    ),
  ) satisfies Stream<string, { readonly left: number }>;
  // @ts-expect-error there are only none, one and each
  payments.pipe(process({ name: 'p', wallClock: { missed: 'all' } }, () => undefined));
  // @ts-expect-error it has no name
  payments.pipe(process({}, () => undefined));
  // @ts-expect-error emits has the serde of values
  payments.pipe(process({ name: 'p', rekey: { key: serdes.int64, value: serdes.double } }, () => undefined));
};

/** In a function of another's types. */
export const counted = <K, V extends { readonly amount: number }>(source: Stream<K, V>): Stream<K, number> =>
  source.pipe(
    process({ name: 'p', emits: serdes.double }, ({ key, value }, { emit }) => emit({ key, value: value.amount })),
  );

/** The former form. */
export const processingAsBefore = (): void => {
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
