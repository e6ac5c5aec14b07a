import type { Observable, OperatorFunction } from 'rxjs';
import { type Duration, durationMs } from '../../model/duration.js';
import type { Change } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { Declaring } from '../declaring.js';
import {
  type ForeignKeyJoining,
  type ForeignKeyJoinOptions,
  foreignKeyJoin,
} from '../foreign-keys/foreign-key-join.js';
import { isGlobalTable } from '../global-table.js';
import type { AnySerde, Processor, ProcessorContext } from '../processor.js';
import type { AnyRecord } from '../push.js';
import { haveCommonCause } from '../tables/common-cause.js';
import { DiamondJoin } from '../tables/diamond-join.js';
import { hold } from '../tables/hold.js';
import { StreamTableJoin } from '../tables/stream-table-join.js';
import { type JoinKind, joinedView, RowJoin, type TableJoiner, TableTableJoin } from '../tables/table-table-join.js';
import { type TableView, viewOf, withView } from '../tables/table-view.js';
import type { KeyOf, Table, ValueOf, WithValue } from '../types.js';
import { withGrace } from '../windows/closings.js';
import { currentDeclaring } from './attach.js';

/** How records are joined with rows of their key. */
export type JoinTableOptions<K, V, T, W> = PromptJoinOptions<K, V, T, W> | GraceJoinOptions<K, V, T, W>;

interface PromptJoinOptions<K, V, T, W> {
  readonly join: (value: V, row: T, key: K) => W;
  readonly grace?: never;
  readonly store?: never;
  readonly value?: never;
}

interface GraceJoinOptions<K, V, T, W> {
  readonly join: (value: V, row: T, key: K) => W;
  /**
   * How long records of a stream wait for late rows of a versioned table, in their own stream time. At most
   * the table's history.
   */
  readonly grace: Duration;
  /** The store of the records that wait. */
  readonly store: string;
  /** How the records' values are written there. Default: JSON. */
  readonly value?: Serde<NonNullable<V>>;
}

/**
 * Joins each record with the row of a table that has its key; without one, nothing comes out.
 *
 * A *stream* sees the table as it is when its record arrives, whatever the timestamps; only records of the
 * stream emit. Null keys and values are dropped and counted. A *table* joined with a table emits whenever
 * either side changes: the joined row, or a deletion if a side is missing. What comes out are changes of a
 * table that needs no store: it can be joined again and grouped as it is.
 *
 * A table on either side must have a store, or be made of tables that have one with `mapValues`,
 * `filterValues`, `peek` and joins: its rows are then made when they are looked up. Behind anything else,
 * give it a store with `toStream()` and `toTable`. Both sides must be co-partitioned: equal partition counts,
 * checked at start. No state of its own. Cost: one look-up a record (for each table that the other side is
 * made of), in the same stage as the table, so that a record sees the table exactly as of its place in the
 * order. Result timestamps: the stream record's; for tables the higher of the two rows'.
 *
 * ```ts
 * payments.pipe(joinTable(accounts, (payment, account) => ({ ...payment, owner: account.owner })));
 * ```
 *
 * **As of**: a stream sees a versioned table (`history`) as of the record's own timestamp, so the result does
 * not depend on which of the two arrived first, as long as the row's value did. Rows that come late are
 * waited for with `grace`: a record is held until the join's stream time (the highest timestamp of its
 * records) is past it by as much, and then joined, in the order of timestamps, then of keys, then of arrival.
 * A record that is later than that is joined at once; records without a key or a value move no time and wait
 * for nothing. Nothing but records of the stream lets others go on: the last ones wait for those that follow.
 * State: a row in `store` for each key and timestamp that waits; none of it is written to disk if it goes on
 * within one commit. Cost: one look-up, one row written and one deleted a record. TOPOLOGY_INVALID for a
 * grace with a table that is not versioned, or that forgets sooner.
 *
 * ```ts
 * const prices = t.table('prices', { key: serdes.string, value: serdes.double, store: 'prices', history: '30d' });
 * orders.pipe(joinTable(prices, { join: (order, price) => order.amount * price, grace: '1m', store: 'waiting-orders' }));
 * // price 10 at 0, 20 at 60_000; amount 2 at 59_999 → 20, whenever it arrives
 * ```
 *
 * **By a foreign key**: a table is joined with the rows of another that a key made from its own rows names,
 * many to one. Whenever either side changes, all joined rows that it concerns do: those of a right row in the
 * order of the left keys. The tables need not be co-partitioned. An inner join deletes the joined row when
 * the left row is deleted, refers to nothing, or to nothing that is there, even if it was never joined;
 * unchanged results are emitted again. Result timestamps: for a change on the left the higher of the two
 * rows', for one on the right its own. State and topics: the joined rows in `store`; who refers to each key
 * in `<store>-subscribers`; `<application>-<store>-subscriptions-repartition` carries changes of left rows to
 * the right row's task, and `….-answers-repartition` right rows back. An answer to a left row that has
 * changed since is dropped and counted (`stale`): its own answer follows. Cost of a change on the left: up to
 * two records there, one back, two look-ups and two writes; of one on the right: a record, a look-up and a
 * write for each left row that refers to it, all of which are in memory until the batch is done. A
 * `foreignKey` or `join` that throws goes the way of `onError.process` (PROCESS_FAILED); if that goes on,
 * there is no joined row until the next change of either side. Answers go to the partition that the left row
 * came from, whatever placed it there; rows on the right must be placed by the hash of their keys. Between
 * the two sides lie topics: what is emitted for changes that meet on their way depends on when each is read,
 * the rows that it ends with do not. Semantics: KIP-213.
 *
 * ```ts
 * const customers = t.table('customers', { key: serdes.string, value: serdes.json<{ name: string }>(), store: 'customers' });
 * const invoices = t.table('invoices', { key: serdes.string, value: serdes.json<{ customer: string; sum: number }>(), store: 'invoices' });
 * invoices.pipe(
 *   joinTable(customers, {
 *     foreignKey: (invoice) => invoice.customer,
 *     join: (invoice, customer) => `${customer.name} owes ${invoice.sum}`,
 *     store: 'debts',
 *     value: serdes.string,
 *   }),
 * );
 * // customer c Ann; invoice i { customer: 'c', sum: 5 } → i: "Ann owes 5"; customer c Ada → i: "Ada owes 5"
 * ```
 *
 * Semantics: KStream#join(KTable) and KTable#join(KTable) of Kafka Streams; KIP-914 and KIP-923 for versioned
 * tables. See also {@link leftJoinTable}.
 */
export function joinTable<K, V, FK, T, W>(
  table: Table<FK, T>,
  options: ForeignKeyJoinOptions<K, V, FK, T, W>,
): OperatorFunction<Change<K, V>, Change<K, NonNullable<W>>>;
export function joinTable<R extends AnyRecord, T, W>(
  table: Table<KeyOf<R>, T>,
  join: ((value: ValueOf<R>, row: T, key: KeyOf<R>) => W) | JoinTableOptions<KeyOf<R>, ValueOf<R>, T, W>,
): OperatorFunction<R, WithValue<R, W>>;
// biome-ignore lint/suspicious/noExplicitAny: both signatures at once
export function joinTable(table: Observable<AnyRecord>, options: any): OperatorFunction<any, any> {
  return joining('joinTable', table, 'inner', options);
}

/**
 * As {@link joinTable}, but what has no row on the right is joined with null: also a record of a stream with
 * a null key, and a left row that refers to nothing.
 *
 * ```ts
 * payments.pipe(leftJoinTable(accounts, (payment, account) => ({ ...payment, owner: account?.owner ?? 'unknown' })));
 * ```
 */
export function leftJoinTable<K, V, FK, T, W>(
  table: Table<FK, T>,
  options: ForeignKeyJoinOptions<K, V, FK, T | null, W>,
): OperatorFunction<Change<K, V>, Change<K, NonNullable<W>>>;
export function leftJoinTable<R extends AnyRecord, T, W>(
  table: Table<KeyOf<R>, T>,
  join: ((value: ValueOf<R>, row: T | null, key: KeyOf<R>) => W) | JoinTableOptions<KeyOf<R>, ValueOf<R>, T | null, W>,
): OperatorFunction<R, WithValue<R, W>>;
// biome-ignore lint/suspicious/noExplicitAny: both signatures at once
export function leftJoinTable(table: Observable<AnyRecord>, options: any): OperatorFunction<any, any> {
  return joining('leftJoinTable', table, 'left', options);
}

/**
 * Joins two tables so that a row of either side is enough: what is missing on the other side is null.
 *
 * Takes a table, and emits whenever either side changes: the joined row, or a deletion when both rows are
 * gone. A deletion of what neither side has is not passed on. State, order, nulls, cost and timestamps are
 * those of {@link joinTable} between tables.
 *
 * ```ts
 * accounts.pipe(outerJoinTable(balances, (account, balance) => `${account?.owner ?? 'nobody'} has ${balance?.total ?? 0}`));
 * // account a of Ann, then its balance 5; a balance 3 of account b → "Ann has 0", "Ann has 5", "nobody has 3"
 * ```
 *
 * Semantics: KTable#outerJoin(KTable) of Kafka Streams. See also {@link leftJoinTable}.
 */
export function outerJoinTable<K, V, T, W>(
  table: Table<K, T>,
  fn: (value: V | null, row: T | null, key: K) => W,
): OperatorFunction<Change<K, V>, Change<K, W>> {
  // biome-ignore lint/suspicious/noExplicitAny: keys and values of any type; the signature knows them
  return joining('outerJoinTable', table, 'outer', fn as TableJoiner) as OperatorFunction<any, any>;
}

/** Every shape of the second argument at once. */
interface AnyOptions {
  readonly join: TableJoiner;
  readonly foreignKey?: ForeignKeyJoining['foreignKey'];
  readonly grace?: Duration;
  readonly store?: string;
  readonly value?: AnySerde;
}

function joining(
  operator: string,
  table: Observable<AnyRecord>,
  kind: JoinKind,
  given: TableJoiner | AnyOptions,
): OperatorFunction<AnyRecord, AnyRecord> {
  return (source) => {
    const current = currentDeclaring(operator);
    const options: AnyOptions = typeof given === 'function' ? { join: given } : given;
    const { join } = options;
    if (options.foreignKey)
      return foreignKeyJoin(
        source,
        table,
        { ...(options as ForeignKeyJoining), operator, left: kind === 'left' },
        current,
      );
    const right = viewOf(table, current);
    if (right === undefined) {
      current.problem(
        operator,
        isGlobalTable(table) ? 'the table on the right is a global table' : 'the table on the right has no store',
        isGlobalTable(table)
          ? 'Use joinGlobalTable(table, { key, join }), or declare it with t.table to join it by key.'
          : 'Pass the table itself, or end its operators with toStream() and toTable({ store, value }).',
      );
      return source;
    }
    const name = current.freeName(operator, right.stores.join('-'));
    const node = `${operator} ${name}`;
    const spec = { operator, name, stores: [], keyed: true, takesNullKeys: kind === 'left' };
    if (!current.inspect(source).table) {
      if (kind === 'outer') {
        current.problem(
          node,
          'its input is a stream',
          'An outer join is of two tables: make the stream a table with toTable({ store, value }), or use leftJoinTable.',
        );
      }
      const left = kind === 'left';
      const held = heldBack(source, right, options, node, left, current);
      const joined = { left, asOf: right.historyMs !== undefined, join };
      const create = (context: ProcessorContext) => new StreamTableJoin(context, right.open(context, 'lookup'), joined);
      const { historyMs } = right;
      // Of a moment before the history nothing is found any more.
      const nextClosing = historyMs === undefined ? undefined : withGrace(historyMs, historyMs);
      const joining = { ...spec, reads: right.stores, create, ...(nextClosing && { nextClosing }) };
      return current.processor(joining, [held]);
    }
    if (options.grace !== undefined) {
      current.problem(node, 'a join of tables has a grace', 'Leave it out: only records of a stream can wait.');
    }
    const left = viewOf(source, current);
    if (left === undefined) {
      current.problem(
        node,
        'the table on the left has no store',
        'End its operators with toStream() and toTable({ store, value }), or with toStream() alone to join it as a stream.',
      );
      return source;
    }
    const rowJoin = new RowJoin(kind, join);
    const create = (context: ProcessorContext): Processor => {
      const isDiamond = haveCommonCause(node, current);
      const use = isDiamond ? 'diamond' : 'asTold';
      const sides = [left.open(context, use), right.open(context, use)] as const;
      return isDiamond ? new DiamondJoin(sides, context, rowJoin) : new TableTableJoin(sides, context, rowJoin);
    };
    const reads = [...new Set([...left.stores, ...right.stores])];
    // What comes out are changes of a table, which no store holds: no store's name has a space.
    const changes = current.processor({ ...spec, reads, create }, [source, table], node);
    return withView(changes, () => joinedView(left, right, rowJoin));
  };
}

/** The source, with records held back until late rows may have come. */
function heldBack(
  source: Observable<AnyRecord>,
  { historyMs }: TableView,
  { grace, store = '', value = serdes.json() }: AnyOptions,
  node: string,
  left: boolean,
  current: Declaring,
): Observable<AnyRecord> {
  if (grace === undefined) return source;
  const graceMs = durationMs(grace, `grace of ${node}`);
  if (historyMs === undefined || graceMs > historyMs) {
    current.problem(
      node,
      historyMs === undefined
        ? 'it has a grace, and the table on the right keeps no past of its rows'
        : `its grace, ${grace}, is longer than the history of the table on the right`,
      `Give the table a history of at least ${grace}: t.table(topic, { …, history: '${grace}' }).`,
    );
  }
  // Without a grace to wait for, each record is joined when it comes.
  if (graceMs === 0) return source;
  return hold(source, { store, value, graceMs, keepsNullKeys: left }, current);
}
