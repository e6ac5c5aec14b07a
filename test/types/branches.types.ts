/** Compiled, never run: what filterValues and branch know of the values that pass. */
import type { Branches, BranchGuards } from '#src/dsl/index.js';
import {
  branch,
  filterValues,
  joinTable,
  mapValues,
  peek,
  type Stream,
  type StreamRecord,
  type Table,
  toStream,
} from '#src/index.js';
import { is } from './support.js';

interface Placed {
  readonly type: 'placed';
  readonly total: number;
}

interface Shipped {
  readonly type: 'shipped';
  readonly carrier: string;
}

interface Cancelled {
  readonly type: 'cancelled';
}

type Event = Placed | Shipped | Cancelled;
type Key = `o-${number}`;

declare const events: Stream<string, Event>;
declare const rows: Table<string, Event>;
declare const nullable: Stream<string, Event | null>;
declare const mixed: Stream<Key | null, string | number>;

const isPlaced = (event: Event): event is Placed => event.type === 'placed';
const isShipped = (event: Event): event is Shipped => event.type === 'shipped';

export const filtering = (): void => {
  events.pipe(
    filterValues(isPlaced),
    peek(({ value }) => is<Placed>()(value)),
  ) satisfies Stream<string, Placed>;
  // The compiler finds that this is a type guard.
  events.pipe(
    filterValues((event) => event.type !== 'cancelled'),
    peek(({ value }) => is<Placed | Shipped>()(value)),
  ) satisfies Stream<string, Placed | Shipped>;
  events.pipe(
    filterValues((event, key): event is Placed => event.type === 'placed' && is<string>()(key) !== ''),
    peek(({ value }) => is<Placed>()(value)),
  ) satisfies Stream<string, Placed>;
  // Not every Placed passes, so this is a predicate, and the values stay as they are.
  events.pipe(
    filterValues((event, key) => event.type === 'placed' && key !== ''),
    peek(({ value }) => is<Event>()(value)),
  ) satisfies Stream<string, Event>;
  nullable.pipe(
    filterValues((event) => event !== null),
    peek(({ value }) => is<Event>()(value)),
  ) satisfies Stream<string, Event>;
  mixed.pipe(
    filterValues((value) => typeof value === 'number'),
    peek((record) => is<StreamRecord<Key | null, number>>()(record)),
  ) satisfies Stream<Key | null, number>;
  // @ts-expect-error a carrier is of Shipped only
  events.pipe(filterValues(isPlaced)).pipe(mapValues((event) => event.carrier));
  // @ts-expect-error no value of the stream is a date
  events.pipe(filterValues((event: Date): event is Date => true));
};

export const filteringTables = (): void => {
  const placed = rows.pipe(filterValues(isPlaced));
  placed satisfies Table<string, Placed>;
  placed.pipe(peek(({ value, previous }) => [is<Placed | null>()(value), is<Placed | null>()(previous)]));
  // It is a table still: it can be looked up, and turned into a stream.
  events.pipe(joinTable(placed, (_, row) => is<Placed>()(row).total)) satisfies Stream<string, number>;
  placed.pipe(toStream()) satisfies Stream<string, Placed | null>;
  rows.pipe(filterValues((event, key): event is Shipped => event.type === 'shipped' && key !== '')) satisfies Table<
    string,
    Shipped
  >;
};

export const branching = (): void => {
  const { placed, shipped, rest } = branch(events, { placed: isPlaced, shipped: isShipped });
  placed.pipe(mapValues((event, key) => [is<Placed>()(event), is<string>()(key)]));
  shipped.pipe(mapValues((event) => is<Shipped>()(event)));
  rest.pipe(mapValues((event) => is<Cancelled>()(event)));
  [placed satisfies Stream<string, Placed>, shipped satisfies Stream<string, Shipped>];
  rest satisfies Stream<string, Cancelled>;

  // Of all types one is taken: nothing is left.
  const all = branch(events, { placed: isPlaced, others: (event) => event.type !== 'placed' });
  all.others.pipe(mapValues((event) => is<Shipped | Cancelled>()(event)));
  all.rest.pipe(mapValues((event) => is<never>()(event)));

  // A plain predicate takes some values of each type, so all types are left.
  const large = branch(events, {
    large: (event, key) => event.type === 'placed' && event.total > 9 && key !== '',
    shipped: isShipped,
  });
  large.large.pipe(mapValues((event) => is<Event>()(event)));
  large.rest.pipe(mapValues((event) => is<Placed | Cancelled>()(event)));

  // So does a guard of the key: it says nothing of the value.
  const keyed = branch(mixed, { own: (_, key): key is Key => key !== null });
  keyed.own.pipe(mapValues((value) => is<string | number>()(value)));
  keyed.rest.pipe(mapValues((value) => is<string | number>()(value)));

  // A guard that asks the key as well.
  const byKey = branch(events, { own: (event, key): event is Placed => event.type === 'placed' && key !== '' });
  byKey.own satisfies Stream<string, Placed>;
  byKey.rest.pipe(mapValues((event) => is<Shipped | Cancelled>()(event)));

  // Records without a value go to the rest.
  const deleted = branch(nullable, { any: (event) => event !== null });
  deleted.any.pipe(mapValues((event) => is<Event>()(event)));
  deleted.rest.pipe(mapValues((event) => is<null>()(event)));

  branch(events, {}).rest satisfies Stream<string, Event>;
  // @ts-expect-error no such branch
  branch(events, { placed: isPlaced }).shipped;
  // @ts-expect-error rest is what no branch takes
  branch(events, { rest: isPlaced });
  // @ts-expect-error a predicate answers with a boolean
  branch(events, { placed: (event) => event.type });
  // @ts-expect-error no such field
  branch(events, { placed: (event) => event.total > 1 });
};

export const branchingTables = (): void => {
  const { placed, rest } = branch(rows, { placed: isPlaced });
  placed satisfies Table<string, Placed>;
  rest satisfies Table<string, Shipped | Cancelled>;
  placed.pipe(peek(({ value, previous }) => [is<Placed | null>()(value), is<Placed | null>()(previous)]));
  rest.pipe(mapValues((event) => is<Shipped | Cancelled>()(event)));
  events.pipe(joinTable(rest, (_, row) => is<Shipped | Cancelled>()(row).type));
  // @ts-expect-error the rest has no total
  rest.pipe(mapValues((event) => event.total));
};

/** Guards and branches that a function takes and returns. */
export const split = <G extends BranchGuards<StreamRecord<string, Event>>>(
  guards: G & { readonly rest?: never },
): Branches<StreamRecord<string, Event>, G> => branch(events, guards);
