import fc from 'fast-check';
import { filter } from 'rxjs';
import type { Topology } from '#src/dsl/contract/processor.js';
import type { Stream, Table } from '#src/dsl/contract/types.js';
import { aggregate, count } from '#src/dsl/operators/aggregate.js';
import { dedupe } from '#src/dsl/operators/dedupe.js';
import { groupBy } from '#src/dsl/operators/group-by.js';
import { leftJoinStream } from '#src/dsl/operators/join-stream.js';
import { joinTable } from '#src/dsl/operators/join-table.js';
import { process } from '#src/dsl/operators/process.js';
import { reorderByVersion } from '#src/dsl/operators/reorder-by-version.js';
import { mapValues, toStream } from '#src/dsl/operators/stateless.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import type { StreamRecord } from '#src/model/record.js';
import { serdes } from '#src/serdes/serdes.js';
import type { TextRecord } from './application.js';

/** What flows through every random pipeline. */
export interface Event {
  readonly id: number;
  readonly version: number;
  readonly amount: number;
}

/** One operator of a random pipeline, as data: so that a failure can be printed and run again. */
export type Link =
  | { readonly kind: 'dedupe'; readonly within: number; readonly scope: 'key' | 'partition' }
  | {
      readonly kind: 'reorder';
      readonly wait: number | null;
      readonly then: 'skip' | 'deadLetter';
      readonly first: boolean;
    }
  | { readonly kind: 'filter'; readonly modulo: number }
  | { readonly kind: 'map'; readonly plus: number }
  | { readonly kind: 'aggregate' }
  | { readonly kind: 'count' }
  | { readonly kind: 'join' }
  | { readonly kind: 'pairs'; readonly after: number; readonly grace: number }
  | { readonly kind: 'timer'; readonly every: number }
  | { readonly kind: 'tick'; readonly every: number }
  | { readonly kind: 'groupBy'; readonly groups: number; readonly partitions: number };

const event = serdes.json<Event>();

/** The pipeline `events → links → out`, with a table `accounts` beside it if a link joins it. */
export function pipeline(links: readonly Link[]): Topology {
  return topology('app', (t) => {
    const events = t.stream('events', { key: serdes.string, value: event });
    const joins = links.some(({ kind }) => kind === 'join');
    const accounts = joins ? t.table('accounts', { key: serdes.string, value: event, store: 'accounts' }) : undefined;
    links
      .reduce((stream, link, place) => attach(stream, link, place, accounts), events)
      .pipe(to('out', { key: serdes.string, value: event }));
  });
}

type Events = Stream<string, Event>;

function attach(stream: Events, link: Link, place: number, accounts: Table<string, Event> | undefined): Events {
  const store = `${link.kind}-${place}`;
  switch (link.kind) {
    case 'dedupe':
      return stream.pipe(dedupe({ store, id: ({ value }) => value.id, within: `${link.within}ms`, scope: link.scope }));
    case 'reorder':
      return stream.pipe(
        reorderByVersion({
          store,
          version: ({ value }) => value.version,
          value: event,
          ...(link.first && { first: 0 }),
          ...(link.wait !== null && { gap: { wait: `${link.wait}ms`, then: link.then } }),
        }),
      );
    case 'filter':
      return stream.pipe(filter(({ value }) => value.id % link.modulo !== 0));
    case 'map':
      return stream.pipe(mapValues((value) => ({ ...value, amount: value.amount + link.plus })));
    case 'aggregate':
      return stream.pipe(
        aggregate({
          store,
          value: event,
          initial: () => ({ id: 0, version: 0, amount: 0 }),
          // A sum that is a multiple of five deletes the row: what is written and deleted between two commits has to survive, too.
          add: (sum, { value }) =>
            (sum.amount + value.amount) % 5 === 0 ? null : { ...value, amount: sum.amount + value.amount },
        }),
        toStream(),
        filter((record): record is typeof record & { readonly value: Event } => record.value !== null),
      ) as Events;
    case 'count':
      return stream.pipe(
        count({ store }),
        toStream(),
        mapValues((total) => ({ id: total ?? 0, version: total ?? 0, amount: total ?? 0 })),
      ) as Events;
    case 'join':
      return stream.pipe(
        joinTable(accounts as Table<string, Event>, (value, account) => ({
          ...value,
          amount: value.amount + 100 * account.amount,
        })),
      ) as Events;
    case 'pairs':
      return stream.pipe(
        leftJoinStream(stream, {
          store,
          before: '-1ms',
          after: `${link.after}ms`,
          grace: `${link.grace}ms`,
          join: (first, later) => ({ ...first, amount: first.amount * 3 + (later?.amount ?? 1) }),
        }),
      ) as Events;
    case 'timer':
      return stream.pipe(ticking(store, link.every));
    case 'tick':
      return stream.pipe(marking(store, link.every));
    case 'groupBy':
      return stream.pipe(
        groupBy(({ value }) => `g${value.id % link.groups}`, {
          key: serdes.string,
          value: event,
          name: store,
          partitions: link.partitions,
        }),
      ) as Events;
  }
}

/** Sums per key, and at each tick of stream time passes all sums on and starts anew. */
const ticking = (name: string, every: number) =>
  process({
    name,
    stores: { [name]: { key: serdes.string, value: event } },
    start: ({ schedule, stores, forward }) => {
      schedule(`${every}ms`, 'stream', async (now) => {
        const store = stores[name]!;
        for await (const [key, value] of store.entries()) {
          forward({ key, value: { ...value, id: now }, timestamp: now });
          await store.load(key);
          store.delete(key);
        }
      });
    },
    process: (record: StreamRecord<string, Event>, { stores, forward }) => {
      const store = stores[name]!;
      const sum = store.get(record.key)?.amount ?? 0;
      store.put(record.key, { ...record.value, amount: sum + record.value.amount });
      forward(record);
    },
  });

/** Passes everything on, and a record of its own at each tick of stream time. Has no store that could remember when that was. */
const marking = (name: string, every: number) =>
  process<StreamRecord<string, Event>>({
    name,
    start: ({ schedule, forward, partition }) => {
      schedule(`${every}ms`, 'stream', (now) =>
        forward({ key: `tick-${partition}`, value: { id: now, version: now, amount: 1 } }),
      );
    },
    process: (record, { forward }) => forward(record),
  });

const plainLink: fc.Arbitrary<Link> = fc.oneof(
  fc.record({
    kind: fc.constant('dedupe' as const),
    within: fc.constantFrom(5, 30, 1_000),
    scope: fc.constantFrom('key' as const, 'partition' as const),
  }),
  fc.record({
    kind: fc.constant('reorder' as const),
    wait: fc.constantFrom(null, 5, 20),
    then: fc.constantFrom('skip' as const, 'deadLetter' as const),
    first: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('filter' as const), modulo: fc.integer({ min: 2, max: 4 }) }),
  fc.record({ kind: fc.constant('map' as const), plus: fc.integer({ min: 1, max: 3 }) }),
  fc.constant({ kind: 'aggregate' } as const),
  fc.constant({ kind: 'count' } as const),
  fc.record({
    kind: fc.constant('pairs' as const),
    after: fc.constantFrom(2, 5, 20),
    grace: fc.constantFrom(0, 4),
  }),
  fc.record({ kind: fc.constantFrom('timer' as const, 'tick' as const), every: fc.constantFrom(3, 10, 40) }),
);

/** Pipelines of one task a partition: any operator but `groupBy`; a join, if any, comes first. */
export const plainLinks: fc.Arbitrary<readonly Link[]> = fc
  .tuple(fc.boolean(), fc.array(plainLink, { minLength: 1, maxLength: 4 }))
  .map(([join, links]) => (join ? [{ kind: 'join' }, ...links] : links));

/** The same with one regrouping in between. */
export const regroupedLinks: fc.Arbitrary<readonly Link[]> = fc
  .tuple(
    fc.array(plainLink, { maxLength: 2 }),
    fc.record({
      kind: fc.constant('groupBy' as const),
      groups: fc.integer({ min: 1, max: 4 }),
      partitions: fc.integer({ min: 1, max: 3 }),
    }),
    fc.array(plainLink, { minLength: 1, maxLength: 2 }),
  )
  .map(([before, regroup, after]) => [...before, regroup, ...after]);

/** Records with repeated ids, versions out of order, and times that mostly rise. */
export const eventRecords = (maxLength: number, keys = 3): fc.Arbitrary<readonly TextRecord[]> =>
  fc
    .array(
      fc.record({
        key: fc.integer({ min: 0, max: keys - 1 }).map((n) => 'abcdefgh'[n] as string),
        value: fc
          .record({
            id: fc.integer({ min: 0, max: 12 }),
            version: fc.integer({ min: 0, max: 6 }),
            amount: fc.integer({ min: 1, max: 6 }),
          })
          .map((value) => JSON.stringify(value)),
        step: fc.integer({ min: -4, max: 8 }),
      }),
      { minLength: 1, maxLength },
    )
    .map((records) => {
      let now = 0;
      return records.map(({ key, value, step }) => {
        now = Math.max(0, now + step);
        return { key, value, timestamp: now };
      });
    });
