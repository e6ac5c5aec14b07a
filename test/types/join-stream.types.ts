/** Compiled, never run: joins of streams. */
import { joinStream, leftJoinStream, outerJoinStream, type Stream, serdes, type Table } from '#src/index.js';
import type { Account, Payment } from './support.js';

interface Click {
  readonly page: string;
}

declare const payments: Stream<string, Payment>;
declare const clicks: Stream<string, Click>;
declare const nullableClicks: Stream<string, Click | null>;
declare const byNumber: Stream<number, Click>;
declare const accounts: Table<string, Account>;

export const joining = (): void => {
  payments.pipe(
    joinStream(clicks, {
      store: 's',
      within: '1h',
      join: (payment, click, key) => payment.amount + click.page.length + key.length,
    }),
  ) satisfies Stream<string, number>;
  // Records without a value are dropped: join is never given one.
  nullableClicks.pipe(
    joinStream(nullableClicks, { store: 's', before: '1h', join: (left, right) => left.page + right.page }),
  ) satisfies Stream<string, string>;
  payments.pipe(
    joinStream(clicks, {
      store: 's',
      before: '-1m',
      after: '5m',
      grace: '10s',
      key: serdes.string,
      left: serdes.json<Payment>(),
      right: serdes.json<Click>(),
      join: (payment) => payment,
    }),
  ) satisfies Stream<string, Payment>;
  // @ts-expect-error the other stream has other keys
  payments.pipe(joinStream(byNumber, { store: 's', within: '1h', join: (payment) => payment }));
  // @ts-expect-error a table is joined with joinTable
  payments.pipe(joinStream(accounts, { store: 's', within: '1h', join: (payment) => payment }));
  // @ts-expect-error a table is no stream
  accounts.pipe(joinStream(payments, { store: 's', within: '1h', join: (account) => account }));
  // @ts-expect-error no such field
  payments.pipe(joinStream(clicks, { store: 's', within: '1h', join: (_, click) => click.amount }));
  // @ts-expect-error no window
  payments.pipe(joinStream(clicks, { store: 's', join: (payment) => payment }));
  // @ts-expect-error two windows
  payments.pipe(joinStream(clicks, { store: 's', within: '1h', before: '1h', join: (payment) => payment }));
  // @ts-expect-error no store
  payments.pipe(joinStream(clicks, { within: '1h', join: (payment) => payment }));
  // @ts-expect-error a duration has a unit
  payments.pipe(joinStream(clicks, { store: 's', within: 60, join: (payment) => payment }));
  // @ts-expect-error the left values are payments
  payments.pipe(joinStream(clicks, { store: 's', within: '1h', left: serdes.int64, join: (payment) => payment }));
};

export const leftJoining = (): void => {
  payments.pipe(
    leftJoinStream(clicks, { store: 's', within: '1h', join: (payment, click) => click?.page ?? payment.id }),
  ) satisfies Stream<string, string>;
  // @ts-expect-error the right side may be missing
  payments.pipe(leftJoinStream(clicks, { store: 's', within: '1h', join: (_, click) => click.page }));
  // @ts-expect-error a table is joined with leftJoinTable
  payments.pipe(leftJoinStream(accounts, { store: 's', within: '1h', join: (payment) => payment }));
};

export const outerJoining = (): void => {
  payments.pipe(
    outerJoinStream(clicks, { store: 's', within: '1h', join: (payment, click) => payment?.id ?? click?.page ?? '' }),
  ) satisfies Stream<string, string>;
  // @ts-expect-error the left side may be missing
  payments.pipe(outerJoinStream(clicks, { store: 's', within: '1h', join: (payment) => payment.id }));
  // @ts-expect-error the right side may be missing
  payments.pipe(outerJoinStream(clicks, { store: 's', within: '1h', join: (_, click) => click.page }));
};
