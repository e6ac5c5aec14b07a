import { merge } from 'rxjs';
import {
  count,
  process,
  reorderByVersion,
  type Stream,
  type StreamRecord,
  selectKey,
  serdes,
  session,
  type Topology,
  to,
  topology,
  toStream,
  tumbling,
} from '#src/index.js';
import { json } from '../dsl/support.js';

type In = StreamRecord<string, number>;
const numbers = json<number>();

/** Operators that act on the wall clock, each on a stream of numbers. */
export const operators: Readonly<Record<string, (input: Stream<string, number>) => Stream<unknown, unknown>>> = {
  'a timer that empties a store': (input) =>
    input.pipe(
      process<In, { sums: typeof numbers }, number, string>(
        {
          name: 'sums',
          stores: { sums: numbers },
          start: ({ schedule, stores: { sums }, emit }) =>
            void schedule('7ms', 'wall', async () => {
              for await (const [key, value] of sums.entries()) {
                emit({ key, value });
                sums.delete(key);
              }
            }),
        },
        ({ key, value }, { stores: { sums } }) => sums.put(key, (sums.get(key) ?? 0) + value),
      ),
    ),
  'two timers, and one that the other schedules': (input) =>
    input.pipe(
      process<In, { seen: typeof numbers }, number, string>(
        {
          name: 'ticks',
          stores: { seen: numbers },
          rekey: { key: serdes.string },
          wallClock: { missed: 'each' },
          start: ({ schedule, stores: { seen }, emit, random }) => {
            for (const every of ['5ms', '5ms', '8ms'] as const)
              schedule(every, 'wall', async (now) => {
                const before = (await seen.load(every)) ?? 0;
                seen.put(every, before + now + Math.floor(random() * 100));
                emit({ key: every, value: before });
              });
          },
        },
        ({ key, value }, { stores: { seen }, emit }) => {
          seen.put(key, value);
          emit({ key, value });
        },
      ),
    ),
  'timers of keys': (input) =>
    input.pipe(
      process<In, { due: typeof numbers }, number, string, { readonly n: number }>(
        {
          name: 'reminders',
          stores: { due: numbers },
          timer: {
            payload: serdes.json<{ readonly n: number }>(),
            run: async ({ key, payload: { n }, id, due }, { stores, at, emit }) => {
              stores.due.put(key as string, ((await stores.due.load(key as string)) ?? 0) + n);
              emit({ key: key as string, value: n + due });
              if (n > 5) at(due + 3, { n: n - 5 }, { id: `${id}+` });
            },
          },
        },
        ({ value, timestamp }, { at, cancel }) => {
          if (value % 4 === 0) cancel();
          else at(timestamp + value, { n: value }, value % 3 === 0 ? { id: 'other' } : {});
        },
      ),
    ),
  'timers of a moment, of which one throws': (input) =>
    input.pipe(
      process<In, Record<never, never>, number, string>(
        {
          name: 'pairs',
          onError: { retry: 1, backoff: '1ms', then: 'skip' },
          timer: {
            payload: serdes.json<string>(),
            run: ({ key, id, payload }, { emit }) => {
              if (payload === 'throws') throw new Error('as it should');
              emit({ key: key as string, value: id.startsWith('second') ? -2 : -1 });
            },
          },
        },
        ({ key, value, timestamp }, { at, emit, uuid, cancel }) => {
          const due = timestamp + value;
          at(due, 'throws', { id: `bad ${uuid()}` });
          at(due, 'fires', { id: `first ${uuid()}` });
          at(due, 'fires', { id: `second ${uuid()}` });
          at(due, 'fires', { id: 'gone' });
          cancel('gone');
          emit({ key, value: 3 });
        },
      ),
    ),
  'a timer that a record cancels, and one that a record may not schedule': (input) => {
    let stop = (): void => undefined;
    return input.pipe(
      process<In, { seen: typeof numbers }, number, string>(
        {
          name: 'until',
          stores: { seen: numbers },
          rekey: { key: serdes.string },
          start: ({ schedule, stores: { seen }, emit }) => {
            stop = schedule('5ms', 'wall', async () => {
              seen.put('fired', ((await seen.load('fired')) ?? 0) + 1);
              emit({ key: 'fired', value: 0 });
            });
          },
        },
        ({ key, value }, { schedule, emit }) => {
          if (value === 9) stop();
          try {
            schedule('6ms', 'wall', () => emit({ key, value: 1 }));
          } catch {
            // A restart would forget it, and a replay would not.
          }
        },
      ),
    );
  },
  'windows that close when no record comes': (input) =>
    input.pipe(
      count({
        store: 'closed',
        window: tumbling('10ms', { grace: '2ms' }),
        emit: 'onClose',
        closeAfter: { idle: '6ms' },
      }),
      toStream(),
    ),
  'sessions that become final when no record comes': (input) =>
    input.pipe(count({ store: 'sessions', window: session('5ms'), closeAfter: { idle: '9ms' } }), toStream()),
  'gaps that the wall clock ends': (input) =>
    input.pipe(
      reorderByVersion({
        store: 'order',
        version: ({ value }) => value,
        first: 1,
        gap: { wait: '11ms', then: 'skip', clock: 'wall' },
      }),
    ),
};

export const wired: Readonly<
  Record<string, (build: (input: Stream<string, number>) => Stream<unknown, unknown>) => Topology>
> = {
  'from a source': (build) =>
    topology('app', (t) =>
      build(t.stream('in', numbers)).pipe(to('out', { key: serdes.json(), value: serdes.json() })),
    ),
  'from two sources': (build) =>
    topology('app', (t) =>
      build(merge(t.stream('in', numbers), t.stream('more', numbers))).pipe(
        to('out', { key: serdes.json(), value: serdes.json() }),
      ),
    ),
  'behind a repartition': (build) =>
    topology('app', (t) =>
      build(
        t
          .stream('in', numbers)
          .pipe(selectKey(({ key, value }) => `${key}${value % 2}`, { name: 'by-half', ...numbers })),
      ).pipe(to('out', { key: serdes.json(), value: serdes.json() })),
    ),
  'before a repartition': (build) =>
    topology('app', (t) =>
      build(t.stream('in', numbers)).pipe(
        selectKey(() => 'all', { name: 'all', key: serdes.string, value: serdes.json() }),
        count({ store: 'all' }),
        toStream(),
        to('out', { key: serdes.json(), value: serdes.json() }),
      ),
    ),
};

/** Operators with outputs that add up to zero as soon as everything has fired. */
export const balanced: ReadonlySet<string> = new Set(['timers of a moment, of which one throws']);
