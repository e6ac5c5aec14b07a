/**
 * Compiled, never run: every operator on streams and tables that `merge` made of two types of values, and on a
 * stream with a union of values. A callback sees the union, and so does the operator after it.
 */
import { merge } from 'rxjs';
import {
  aggregate,
  branch,
  cogroup,
  count,
  dedupe,
  effect,
  filterValues,
  flatMap,
  flatMapValues,
  type GlobalTable,
  groupBy,
  joinGlobalTable,
  joinStream,
  joinTable,
  latestByTimestamp,
  leftJoinGlobalTable,
  leftJoinStream,
  leftJoinTable,
  map,
  mapAsync,
  mapValues,
  outerJoinStream,
  outerJoinTable,
  peek,
  process,
  reduce,
  reorderByVersion,
  repartition,
  type Stream,
  selectKey,
  serdes,
  session,
  suppress,
  type Table,
  to,
  toStream,
  toTable,
  tumbling,
  type Windowed,
} from '#src/index.js';
import { type Account, is } from './support.js';

interface Placed {
  readonly type: 'placed';
  readonly id: string;
  readonly version: number;
  readonly total: number;
}

interface Shipped {
  readonly type: 'shipped';
  readonly id: string;
  readonly version: number;
  readonly carrier: string;
}

type Event = Placed | Shipped;
type OrderId = string & { readonly __brand: 'OrderId' };
type ParcelId = string & { readonly __brand: 'ParcelId' };

declare const placed: Stream<string, Placed>;
declare const shipped: Stream<string, Shipped>;
declare const placedRows: Table<string, Placed>;
declare const shippedRows: Table<string, Shipped>;
declare const placedWindows: Table<Windowed<string>, Placed>;
declare const shippedWindows: Table<Windowed<string>, Shipped>;
declare const accounts: Table<string, Account>;
declare const everyAccount: GlobalTable<string, Account>;
declare const union: Stream<string, Event>;
declare const byOrder: Stream<OrderId, Placed>;
declare const byParcel: Stream<ParcelId, Shipped>;

const merged = merge(placed, shipped);
const rows = merge(placedRows, shippedRows);
const windows = merge(placedWindows, shippedWindows);
const json = serdes.json<Event>();
const both = { key: serdes.string, value: json };

export const ordering = (): void => {
  merged.pipe(
    dedupe({ store: 's', id: ({ value, key }) => is<Event>()(value).id + is<string>()(key), within: '1d' }),
    peek(({ value }) => is<Event>()(value)),
  ) satisfies Stream<string, Event>;
  merged.pipe(
    reorderByVersion({
      store: 's',
      version: ({ value }) => is<Event>()(value).version,
      entity: ({ value }) => is<Event>()(value).id,
      value: json,
    }),
    peek(({ value }) => is<Event>()(value)),
  ) satisfies Stream<string, Event>;
  merged.pipe(
    latestByTimestamp({ store: 's', timestamp: ({ value }) => is<Event>()(value).version }),
    peek(({ value }) => is<Event>()(value)),
  ) satisfies Stream<string, Event>;
  union.pipe(
    dedupe({ store: 's', id: ({ value }) => is<Event>()(value).id, within: '1d' }),
    reorderByVersion({ store: 'r', version: ({ value }) => is<Event>()(value).version }),
    latestByTimestamp({ store: 'l', timestamp: ({ value }) => is<Event>()(value).version }),
    peek(({ value }) => is<Event>()(value)),
  ) satisfies Stream<string, Event>;
  // @ts-expect-error only one of the two has it
  merged.pipe(dedupe({ store: 's', id: ({ value }) => value.carrier, within: '1d' }));
};

export const withoutState = (): void => {
  merged.pipe(mapValues((value) => is<Event>()(value))) satisfies Stream<string, Event>;
  merged.pipe(filterValues((value) => is<Event>()(value).version > 1)) satisfies Stream<string, Event>;
  merged.pipe(
    flatMapValues((value, key) => [{ key: is<string>()(key), value: is<Event>()(value) }]),
    mapValues(({ value }) => is<Event>()(value)),
  ) satisfies Stream<string, Event>;
  merged.pipe(map(({ key, value }) => [key, is<Event>()(value)])) satisfies Stream<string, Event>;
  merged.pipe(flatMap(({ key, value }) => [[key, is<Event>()(value)] as const])) satisfies Stream<string, Event>;
  merged.pipe(
    effect('e', { id: ({ value }) => is<Event>()(value).id, run: ({ value }) => void is<Event>()(value) }),
    peek(({ value }) => is<Event>()(value)),
  ) satisfies Stream<string, Event>;
  union.pipe(
    mapValues((value) => is<Event>()(value)),
    filterValues((value) => is<Event>()(value).version > 1),
    flatMapValues((value) => [is<Event>()(value)]),
    map(({ key, value }) => [key, is<Event>()(value)]),
    flatMap(({ key, value }) => [[key, is<Event>()(value)] as const]),
    effect('e', ({ value }) => void is<Event>()(value)),
    mapAsync('a', async ({ value }) => is<Event>()(value), {
      id: ({ value }) => is<Event>()(value).id,
      value: serdes.json<Event>(),
    }),
    selectKey(({ value }) => is<Event>()(value).id),
  ) satisfies Stream<string, Event>;
  merged.pipe(
    selectKey(({ value }) => is<Event>()(value).version),
    peek(({ value }) => is<Event>()(value)),
  ) satisfies Stream<number, Event>;
  rows.pipe(
    mapValues((value) => is<Event>()(value)),
    filterValues((value) => is<Event>()(value).version > 1),
    peek(({ value }) => is<Event | null>()(value)),
  ) satisfies Table<string, Event>;
  rows.pipe(
    toStream(),
    peek(({ value }) => is<Event | null>()(value)),
  ) satisfies Stream<string, Event | null>;
  merged.pipe(
    to(({ value }) => is<Event>()(value).id, { ...both, name: 'o', partition: ({ value }) => value.version }),
  ) satisfies Stream<string, Event>;
};

export const narrowing = (): void => {
  merged.pipe(
    filterValues((value) => value.type === 'placed'),
    peek(({ value }) => is<Placed>()(value)),
  ) satisfies Stream<string, Placed>;
  const { sent, rest } = branch(merged, { sent: (value): value is Shipped => value.type === 'shipped' });
  sent.pipe(peek(({ value }) => is<Shipped>()(value))) satisfies Stream<string, Shipped>;
  rest.pipe(peek(({ value }) => is<Placed>()(value))) satisfies Stream<string, Placed>;
};

export const grouping = (): void => {
  merged.pipe(
    groupBy(({ value }) => is<Event>()(value).id, { ...both, name: 'g' }),
    repartition({ ...both, name: 'r' }),
    peek(({ value }) => is<Event>()(value)),
  ) satisfies Stream<string, Event>;
  rows.pipe(
    groupBy(({ value }) => is<Event>()(value).id, { ...both, name: 'g' }),
    repartition({ ...both, name: 'r' }),
  ) satisfies Table<string, Event>;
  merged.pipe(toTable({ store: 's', value: json })) satisfies Table<string, Event>;
  // Keys of two types are keys of a union too.
  merge(byOrder, byParcel).pipe(
    dedupe({ store: 'd', id: ({ key }) => is<OrderId | ParcelId>()(key), within: '1d' }),
    toTable({ store: 's', value: json }),
  ) satisfies Table<OrderId | ParcelId, Event>;
};

export const folding = (): void => {
  merged.pipe(
    aggregate({
      store: 's',
      value: serdes.double,
      initial: () => 0,
      add: (sum, { value }) => sum + is<Event>()(value).version,
    }),
  ) satisfies Table<string, number>;
  merged.pipe(
    aggregate({
      store: 's',
      window: session('1m'),
      value: serdes.double,
      initial: () => 0,
      add: (sum, { value }) => sum + is<Event>()(value).version,
      merge: (first, second) => first + second,
      late: ({ value }) => is<Event>()(value),
    }),
  ) satisfies Table<Windowed<string>, number>;
  merged.pipe(
    reduce({
      store: 's',
      value: json,
      add: (first, second) => (first.version > 1 ? is<Event>()(first) : is<Event>()(second)),
    }),
    mapValues((value) => is<Event>()(value)),
  ) satisfies Table<string, Event>;
  merged.pipe(count({ store: 's', window: tumbling('1m'), late: ({ value }) => is<Event>()(value) })) satisfies Table<
    Windowed<string>,
    number
  >;
  cogroup({ store: 's', value: serdes.double, initial: () => 0 }, (add) => [
    add(merged, (sum, { value }) => sum + is<Event>()(value).version),
    add(union, (sum, { value }) => sum + is<Event>()(value).version),
  ]) satisfies Table<string, number>;
  rows.pipe(suppress({ store: 's', until: { timeLimit: '1m' }, value: json })) satisfies Table<string, Event>;
  windows.pipe(suppress({ store: 's', until: 'windowCloses', value: json })) satisfies Table<Windowed<string>, Event>;
};

export const joining = (): void => {
  merged.pipe(joinTable(accounts, (value) => is<Event>()(value))) satisfies Stream<string, Event>;
  merged.pipe(leftJoinTable(accounts, (value, row) => (is<Event>()(value).version > 1 ? row : null))) satisfies Stream<
    string,
    Account | null
  >;
  merged.pipe(
    joinGlobalTable(everyAccount, { key: ({ value }) => value.id, join: (value) => is<Event>()(value) }),
  ) satisfies Stream<string, Event>;
  merged.pipe(
    leftJoinGlobalTable(everyAccount, { key: ({ value }) => value.id, join: (value) => is<Event>()(value) }),
  ) satisfies Stream<string, Event>;
  const window = { store: 's', within: '1h' } as const;
  merged.pipe(
    joinStream(merged, {
      ...window,
      join: (left, right) => (is<Event>()(left).version > 1 ? left : is<Event>()(right)),
    }),
  ) satisfies Stream<string, Event>;
  merged.pipe(
    leftJoinStream(merged, {
      ...window,
      join: (left, right) => (is<Event>()(left).version > 1 ? left : is<Event | null>()(right)),
    }),
  ) satisfies Stream<string, Event | null>;
  merged.pipe(
    outerJoinStream(merged, {
      ...window,
      join: (left, right) => is<Event | null>()(left) ?? is<Event | null>()(right),
    }),
  ) satisfies Stream<string, Event | null>;
  const named = { store: 's', value: json };
  accounts.pipe(joinTable(rows, (_, row) => is<Event>()(row))) satisfies Table<string, Event>;
  rows.pipe(
    outerJoinTable(rows, (left, right) => is<Event | null>()(left) ?? is<Event | null>()(right)),
  ) satisfies Table<string, Event | null>;
  rows.pipe(
    joinTable(rows, {
      foreignKey: (value) => is<Event>()(value).id,
      join: (left, right) => (is<Event>()(left).version > 1 ? left : is<Event>()(right)),
      ...named,
    }),
  ) satisfies Table<string, Event>;
  rows.pipe(
    leftJoinTable(rows, {
      foreignKey: (value) => value.id,
      join: (left, row) => is<Event | null>()(row) ?? is<Event>()(left),
      ...named,
    }),
  ) satisfies Table<string, Event>;
};

export const processing = (): void => {
  merged.pipe(
    process({ name: 'p' }, ({ key, value }, { emit }) => emit({ key, value: is<Event>()(value) })),
    peek(({ value }) => is<Event>()(value)),
  ) satisfies Stream<string, Event>;
  merged.pipe(
    process({ name: 'p', process: ({ key, value }, { forward }) => forward({ key, value: is<Event>()(value) }) }),
    peek(({ value }) => is<Event>()(value)),
  ) satisfies Stream<string, Event>;
};
