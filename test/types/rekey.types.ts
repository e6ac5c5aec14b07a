/** Compiled, never run: map and flatMap, which give records other keys. */
import { flatMap, map, type Stream, serdes, type Table } from '#src/index.js';
import type { Account, Payment } from './support.js';

declare const payments: Stream<string, Payment>;
declare const accounts: Table<string, Account>;

export const mapping = (): void => {
  payments.pipe(map(({ key, value }) => [value.amount, key])) satisfies Stream<number, string>;
  payments.pipe(map(({ key, value }) => [key, value], { key: serdes.string, name: 'by-id' })) satisfies Stream<
    string,
    Payment
  >;
  // @ts-expect-error the new key is a number
  payments.pipe(map(({ value }) => [value.amount, value], { key: serdes.string }));
  // @ts-expect-error a key and a value
  payments.pipe(map(({ value }) => value));
  // @ts-expect-error streams only: use toStream() first
  accounts.pipe(map(({ key, value }) => [key, value]));
};

export const flattening = (): void => {
  payments.pipe(flatMap(({ key, value }) => [[value.amount, key] as const])) satisfies Stream<number, string>;
  payments.pipe(
    flatMap(function* ({ key, value }): Generator<readonly [string, number]> {
      yield [key, value.amount];
      yield [value.id, value.amount];
    }),
  ) satisfies Stream<string, number>;
  // @ts-expect-error several records, not one
  payments.pipe(flatMap(({ key, value }) => [key, value]));
  // @ts-expect-error streams only: use toStream() first
  accounts.pipe(flatMap(({ key, value }) => [[key, value] as const]));
};
