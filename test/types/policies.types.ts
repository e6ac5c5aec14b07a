/** Compiled, never run: what the types say of policies for records that fail, and what must not compile. */

import type { PolicyOptions } from '#src/dsl/index.js';
import {
  aggregate,
  type Backoff,
  branch,
  count,
  defineConfig,
  type ErrorPolicies,
  type ErrorPolicy,
  effect,
  filterValues,
  joinTable,
  mapValues,
  outerJoinTable,
  process,
  reduce,
  type Stream,
  selectKey,
  serdes,
  type Table,
  type TopologyBuilder,
  to,
} from '#src/index.js';
import { is, type Payment } from './support.js';

declare const t: TopologyBuilder;
declare const payments: Stream<string, Payment>;
declare const accounts: Table<string, Payment>;

export const policies = (): void => {
  'skip' satisfies ErrorPolicy;
  ({ retry: 3, backoff: '1s', then: 'deadLetter' }) satisfies ErrorPolicy;
  ({ kind: 'fixed', every: '1s' }) satisfies Backoff;
  ({ kind: 'exponential', from: '100ms', max: '30s', factor: 1.5, jitter: 0.2 }) satisfies Backoff;
  defineConfig({
    onError: { process: { retry: 1, backoff: { kind: 'fixed', every: '1s', jitter: 1 }, then: 'skip' } },
  });
  // @ts-expect-error no policy
  'ignore' satisfies ErrorPolicy;
  // @ts-expect-error a retry has an end
  ({ retry: 3, backoff: '1s' }) satisfies ErrorPolicy;
  // @ts-expect-error the end of a retry is no other retry
  ({ retry: 3, backoff: '1s', then: { retry: 1, backoff: '1s', then: 'skip' } }) satisfies ErrorPolicy;
  // @ts-expect-error a duration has a unit
  ({ retry: 3, backoff: 5, then: 'skip' }) satisfies ErrorPolicy;
  // @ts-expect-error pauses of equal length have no limit
  ({ kind: 'fixed', every: '1s', max: '2s' }) satisfies Backoff;
  // @ts-expect-error pauses that grow have one
  ({ kind: 'exponential', from: '1s' }) satisfies Backoff;
  // @ts-expect-error the steps are those of an application: an operator has one policy
  ({ onError: { process: 'skip' } }) satisfies PolicyOptions;
  // @ts-expect-error an application has one for each step
  'skip' satisfies ErrorPolicies;
};

export const operators = (onError: ErrorPolicy): void => {
  is<Stream<string, Payment>>()(t.stream('in', { key: serdes.string, value: serdes.json<Payment>(), onError }));
  is<Table<string, Payment>>()(
    t.table('in', { key: serdes.string, value: serdes.json<Payment>(), store: 'in', onError }),
  );
  // The options change nothing about what is inferred.
  payments.pipe(mapValues((payment) => payment.amount, { onError })) satisfies Stream<string, number>;
  payments.pipe(
    filterValues((payment): payment is Payment & { account: string } => payment.account !== null, { onError }),
  ) satisfies Stream<string, Payment & { account: string }>;
  payments.pipe(selectKey((record) => record.value.amount, { onError })) satisfies Stream<number, Payment>;
  branch(payments, { large: ({ amount }) => amount > 9 }, { onError }).large satisfies Stream<string, Payment>;
  payments.pipe(count({ store: 's', onError })) satisfies Table<string, number>;
  payments.pipe(reduce({ store: 's', value: serdes.json<Payment>(), add: (first) => first, onError })) satisfies Table<
    string,
    Payment
  >;
  payments.pipe(
    aggregate({
      store: 's',
      value: serdes.double,
      initial: () => 0,
      add: (sum, { value }) => sum + value.amount,
      onError,
    }),
  ) satisfies Table<string, number>;
  payments.pipe(
    joinTable(accounts, { join: (payment, account) => payment.amount + account.amount, onError }),
  ) satisfies Stream<string, number>;
  accounts.pipe(outerJoinTable(accounts, { join: (a, b) => a === b, onError })) satisfies Table<string, boolean>;
  accounts.pipe(outerJoinTable(accounts, (a, b) => a?.amount === b?.amount)) satisfies Table<string, boolean>;
  payments.pipe(effect('e', { run: async ({ value }) => console.log(value.amount), onError }));
  payments.pipe(
    process({ name: 'p', emits: serdes.double, onError }, ({ key, value }, { emit }) =>
      emit({ key, value: value.amount }),
    ),
  ) satisfies Stream<string, number>;
  payments.pipe(to('out', { key: serdes.string, value: serdes.json<Payment>(), onError }));
  // @ts-expect-error an unknown option
  payments.pipe(mapValues((payment) => payment.amount, { onErrors: onError }));
  // @ts-expect-error a policy of steps is for an application
  payments.pipe(mapValues((payment) => payment.amount, { onError: { process: 'skip' } }));
};
