/** Compiled, never run: dedupe, reorderByVersion, latestByTimestamp. */
import {
  type Duration,
  dedupe,
  latestByTimestamp,
  mapValues,
  reorderByVersion,
  type Stream,
  serdes,
  type Table,
  toStream,
} from '#src/index.js';
import type { Payment } from './support.js';

declare const payments: Stream<string, Payment>;
declare const accounts: Table<string, Payment>;

'1.5h' satisfies Duration;
// @ts-expect-error a unit that is none
'7 days' satisfies Duration;
// @ts-expect-error no unit
'250' satisfies Duration;

export const deduping = (): void => {
  payments.pipe(dedupe({ store: 's', id: (record) => record.value.id, within: '7d' })) satisfies Stream<
    string,
    Payment
  >;
  payments.pipe(
    dedupe({ store: 's', id: (record) => BigInt(record.value.amount), within: '250ms', scope: 'partition' }),
    mapValues((payment) => payment.id),
  ) satisfies Stream<string, string>;
  accounts.pipe(
    toStream(),
    dedupe({ store: 's', id: (record) => record.value?.id ?? '', within: '7d' }),
  ) satisfies Stream<string, Payment | null>;
  // @ts-expect-error wrong unit
  payments.pipe(dedupe({ store: 's', id: (record) => record.value.id, within: '7 days' }));
  // @ts-expect-error milliseconds without a unit
  payments.pipe(dedupe({ store: 's', id: (record) => record.value.id, within: 1000 }));
  // @ts-expect-error an id is a string, number or bigint
  payments.pipe(dedupe({ store: 's', id: (record) => record.value, within: '7d' }));
  // @ts-expect-error an id may not be missing
  payments.pipe(dedupe({ store: 's', id: (record) => record.value.account, within: '7d' }));
  // @ts-expect-error no such scope
  payments.pipe(dedupe({ store: 's', id: (record) => record.value.id, within: '7d', scope: 'topic' }));
  // @ts-expect-error the changes of a table are not events: use toStream() first
  accounts.pipe(dedupe({ store: 's', id: (record) => record.key, within: '7d' }));
};

export const reordering = (): void => {
  payments.pipe(reorderByVersion({ store: 's', version: (record) => record.value.amount })) satisfies Stream<
    string,
    Payment
  >;
  payments.pipe(
    reorderByVersion({
      store: 's',
      version: (record) => BigInt(record.value.amount),
      first: 1n,
      gap: { wait: '30s', then: 'deadLetter' },
    }),
  ) satisfies Stream<string, Payment>;
  // @ts-expect-error a version is a number or bigint
  payments.pipe(reorderByVersion({ store: 's', version: (record) => record.value.id }));
  payments.pipe(
    reorderByVersion({
      store: 's',
      version: (record) => record.value.amount,
      // @ts-expect-error wrong unit
      gap: { wait: '30 seconds', then: 'skip' },
    }),
  );
  // @ts-expect-error a gap says what happens then
  payments.pipe(reorderByVersion({ store: 's', version: (record) => record.value.amount, gap: { wait: '30s' } }));
  // @ts-expect-error no such policy
  payments.pipe(reorderByVersion({ store: 's', version: (record) => record.value.amount, stale: 'fail' }));
  // @ts-expect-error the values are payments
  payments.pipe(reorderByVersion({ store: 's', version: (record) => record.value.amount, value: serdes.int64 }));
  // @ts-expect-error the changes of a table have no versions of their own: use toStream() first
  accounts.pipe(reorderByVersion({ store: 's', version: () => 1 }));
};

export const latest = (): void => {
  payments.pipe(latestByTimestamp({ store: 's' })) satisfies Stream<string, Payment>;
  payments.pipe(
    latestByTimestamp({ store: 's', timestamp: (record) => record.value.amount, older: 'deadLetter' }),
  ) satisfies Stream<string, Payment>;
  // @ts-expect-error a timestamp is a number
  payments.pipe(latestByTimestamp({ store: 's', timestamp: (record) => record.value.id }));
  // @ts-expect-error the keys are strings
  payments.pipe(latestByTimestamp({ store: 's', key: serdes.int64 }));
  // @ts-expect-error a table has its own order: use toStream() first
  accounts.pipe(latestByTimestamp({ store: 's' }));
};
