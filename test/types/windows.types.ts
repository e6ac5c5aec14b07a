/** Compiled, never run: time windows, windows of records, and what folds over them are told. */
import {
  aggregate,
  type CountWindows,
  calendar,
  count,
  everyN,
  hopping,
  mapValues,
  reduce,
  type Stream,
  type StreamRecord,
  serdes,
  type Table,
  type TimeWindows,
  to,
  tumbling,
  unlimited,
  type Windowed,
} from '#src/index.js';
import type { TestDriver } from '#src/testing/index.js';
import type { Payment } from './support.js';

declare const payments: Stream<string, Payment>;
declare const driver: TestDriver;

const total = {
  store: 's',
  value: serdes.double,
  initial: () => 0,
  add: (all: number, { value }: { readonly value: Payment }) => all + value.amount,
};

export const windows = (): void => {
  tumbling('1m', { grace: '10s', retention: '1d' }) satisfies TimeWindows;
  hopping('5m', { every: '1m' }) satisfies TimeWindows;
  unlimited({ from: Date.UTC(2026, 0, 1) }) satisfies TimeWindows;
  calendar('week', { timeZone: 'Europe/Berlin', weekStart: 'sunday' }) satisfies TimeWindows;
  everyN(10, { retention: '1d' }) satisfies CountWindows;
  // @ts-expect-error a hopping window needs every
  hopping('5m');
  // @ts-expect-error a duration has a unit
  tumbling(60_000);
  // @ts-expect-error a calendar is that of a time zone
  calendar('day', {});
  // @ts-expect-error there is no such unit
  calendar('decade', { timeZone: 'UTC' });
  // @ts-expect-error a window of records has no grace
  everyN(10, { grace: '1s' });
};

export const folding = (): void => {
  const window = tumbling('1m');
  payments.pipe(count({ store: 's', window })) satisfies Table<Windowed<string>, number>;
  payments.pipe(count({ store: 's' })) satisfies Table<string, number>;
  payments.pipe(aggregate({ ...total, window, emit: 'onClose', closeAfter: { idle: '30s' } })) satisfies Table<
    Windowed<string>,
    number
  >;
  payments.pipe(aggregate({ ...total, window: everyN(10), emit: 'onClose' })) satisfies Table<Windowed<string>, number>;
  payments.pipe(
    aggregate({
      ...total,
      window,
      late: (record) => {
        record satisfies StreamRecord<string, Payment>;
      },
    }),
  );
  payments.pipe(count({ store: 's', window, late: ({ value }) => void value.amount }));
  payments.pipe(
    reduce({ store: 's', value: serdes.json<Payment>(), window, late: 'deadLetter', add: (_, b) => b }),
    mapValues((payment, { key, start }) => `${key} ${start} ${payment.amount}`),
    to('out', { key: serdes.windowed(serdes.string), value: serdes.string }),
  );
  // @ts-expect-error it is emitted with each update or on close
  payments.pipe(count({ store: 's', window, emit: 'final' }));
  // @ts-expect-error without windows nothing closes
  payments.pipe(count({ store: 's', emit: 'onClose' }));
  // @ts-expect-error the key that is written is windowed
  payments.pipe(count({ store: 's', window }), to('out', { key: serdes.string, value: serdes.int64 }));
};

export const looking = async (): Promise<void> => {
  const view = driver.store<Windowed<string>, number>('s');
  (await view.windows('a', { from: 0, to: 60_000 })) satisfies readonly (readonly [Windowed<string>, number])[];
  // @ts-expect-error the key within the windows
  await view.windows({ key: 'a', start: 0, end: 1 });
  // @ts-expect-error a store without windows has none to list
  await driver.store<string, number>('s').windows('a');
};
