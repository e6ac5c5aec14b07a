// How calls are typed: compiled, never run.
import {
  type Backoff,
  type CallResult,
  effect,
  mapAsync,
  mapValues,
  retryable,
  type Stream,
  serdes,
  type Table,
  terminal,
  toStream,
} from '#src/index.js';

interface Payment {
  readonly id: string;
  readonly amount: number;
}

declare const payments: Stream<string, Payment>;
declare const accounts: Table<string, Payment>;
declare const backoff: Backoff;

export const mapping = (): void => {
  payments.pipe(
    mapAsync(
      'a',
      async ({ key, value }, { idempotencyKey, signal, attempt, position }) => {
        void [key.length, signal.aborted, attempt + 1, position.offset, idempotencyKey.length];
        return value.amount;
      },
      { value: serdes.int64 },
    ),
  ) satisfies Stream<string, number>;
  payments.pipe(
    mapAsync('a', ({ value }) => value.amount, { value: serdes.int64, onFailure: 'value' }),
    mapValues((result) => (result.ok ? result.value : result.error.attempts)),
  ) satisfies Stream<string, number>;
  payments.pipe(mapAsync('a', () => 1, { value: serdes.int64, onFailure: 'value' })) satisfies Stream<
    string,
    CallResult<number>
  >;
  payments.pipe(
    mapAsync('a', ({ value }) => value.amount, {
      value: serdes.int64,
      id: ({ value }) => value.id,
      request: serdes.json<Payment>(),
      concurrency: 3,
      orderBy: 'none',
      timeout: '3s',
      retry: { attempts: Number.POSITIVE_INFINITY, backoff },
      breaker: false,
      maxPending: 5,
      onFailure: 'deadLetter',
      onError: 'skip',
    }),
  ) satisfies Stream<string, number>;
  // @ts-expect-error what the function returns is not what the serde writes
  payments.pipe(mapAsync('a', async () => 'text', { value: serdes.int64 }));
  // @ts-expect-error the serde of the results is needed
  payments.pipe(mapAsync('a', async () => 1, {}));
  // @ts-expect-error streams only: use toStream() first
  accounts.pipe(mapAsync('a', async () => 1, { value: serdes.int64 }));
  accounts.pipe(
    toStream(),
    mapAsync('a', ({ value }) => value?.amount ?? 0, { value: serdes.int64 }),
  );
};

export const calling = (): void => {
  payments.pipe(
    effect('e', async ({ value }, { signal }) => {
      if (signal.aborted) throw terminal(new Error('late'));
      if (value.amount > 3) throw retryable(new Error('busy'), { after: '3s' });
    }),
  ) satisfies Stream<string, Payment>;
  payments.pipe(effect('e', { run: ({ value }) => void value.amount, inline: true })) satisfies Stream<string, Payment>;
  // @ts-expect-error an effect has no value for a failure
  payments.pipe(effect('e', { run: () => undefined, onFailure: 'value' }));
  // @ts-expect-error three seconds are '3s'
  payments.pipe(effect('e', { run: () => undefined, timeout: 3 }));
  // @ts-expect-error a wait is a number, a duration or a date
  retryable(new Error('busy'), { after: 'soon' });
};
