import type { Observable, OperatorFunction } from 'rxjs';
import type { Duration } from '../../model/duration.js';
import type { Change } from '../../model/record.js';
import { isGlobalTable } from '../common/global-table.js';
import { type PolicyOptions, whenGiven } from '../contract/policy-options.js';
import type { AnySerde, Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { ChangeOf, KeyOf, NeedsTable, Table, ValueOf, WithValue } from '../contract/types.js';
import { currentDeclaring } from '../declare/attach.js';
import { withGrace } from '../declare/closings.js';
import {
  type ForeignKeyJoining,
  type ForeignKeyJoinOptions,
  foreignKeyJoin,
} from '../foreign-keys/foreign-key-join.js';
import { haveCommonCause } from '../tables/common-cause.js';
import { DiamondJoin } from '../tables/diamond-join.js';
import { heldBack } from '../tables/hold.js';
import type { JoinTableOptions, PromptJoinOptions } from '../tables/join-options.js';
import { StreamTableJoin } from '../tables/stream-table-join.js';
import { type JoinKind, joinedView, RowJoin, type TableJoiner, TableTableJoin } from '../tables/table-table-join.js';
import { viewOf, withView } from '../tables/table-view.js';

type OfOther = 'use toTable() after it, or joinStream';
// Also shown beside other errors, since the compiler then takes the first signature.
type OfForeignKey = 'to join by a foreign key, use toTable() first';

/**
 * Joins each record with the table row of the same key; without a row, nothing comes out.
 *
 * A *stream* sees the table as it is when its record arrives, whatever the timestamps. Only records of the
 * stream emit. Null keys and values are dropped and counted. A *table* joined with a table emits whenever
 * either side changes: the joined row, or a deletion if a side is missing. The result is a table that needs
 * no store: it can be joined again and grouped directly.
 *
 * A table on either side must have a store, or be derived from tables that have one, with `mapValues`,
 * `filterValues`, `peek` and joins. Rows of a derived table are computed at look-up. After any other
 * operator, give the table a store with `toStream()` and `toTable`. Both sides must be co-partitioned: equal
 * partition counts, checked at start. No state of its own. Cost: one look-up per record (and per table that
 * the other side is derived from). The look-up runs in the same stage as the table, so a record sees the
 * table exactly as of its place in the order. The result of a stream has the stream record's timestamp; the
 * result of two tables has the higher timestamp of the two rows.
 *
 * **Windows**: of two windowed tables a joined row lives as long as the rows of both sides may, by the
 * `retention` of each and the stream time of its fold. Later changes of the other side are dropped and
 * counted (`expired`).
 *
 * ```ts
 * payments.pipe(joinTable(accounts, (payment, account) => ({ ...payment, owner: account.owner })));
 * ```
 *
 * **As of**: a stream sees a versioned table (`history`) as of the record's own timestamp. So the result does
 * not depend on whether the record or the row arrived first, provided that the row has arrived by then. With
 * `grace` the record waits for late rows. It waits until the join's stream time (the highest timestamp of its
 * records) exceeds the record's timestamp by `grace`. Then it is joined, in the order of timestamps, then of
 * keys, then of arrival. A record that is later than that is joined at once. Records without a key or a value
 * do not advance time and do not wait. Only records of the stream release waiting ones, so the last records
 * wait for those that follow. State: a row in `store` per key and timestamp that waits; a row that is
 * released within one commit is never written to disk. Cost: one look-up, one row written and one deleted per
 * record. TOPOLOGY_INVALID for a grace with a table that is not versioned or has a shorter history.
 *
 * ```ts
 * const prices = t.table('prices', { key: serdes.string, value: serdes.double, store: 'prices', history: '30d' });
 * orders.pipe(joinTable(prices, { join: (order, price) => order.amount * price, grace: '1m', store: 'waiting-orders' }));
 * // price 10 at 0, 20 at 60_000; amount 2 at 59_999 → 20, whenever it arrives
 * ```
 *
 * **By a foreign key**: joins each row of a table with a row of another table, many to one. `foreignKey`
 * computes the right key from the left row. A change on either side updates all joined rows that it affects.
 * A change on the right updates them in the order of the left keys. The tables need not be co-partitioned.
 *
 * An inner join deletes the joined row when the left row is deleted, refers to nothing, or refers to a
 * missing row. It does so even if the row was never joined. Unchanged results are emitted again. After a
 * change on the left, the result has the higher timestamp of the two rows; after a change on the right, the
 * timestamp of that change.
 *
 * State and topics of the foreign-key join: `store` holds the joined rows, `<store>-subscribers` the left
 * keys that refer to each right key. The topic `<application>-<store>-subscriptions-repartition` carries
 * changes of left rows to the right row's task, and `….-answers-repartition` carries right rows back. An
 * answer to a left row that has changed since is dropped and counted (`stale`), because its own answer
 * follows. Cost of a change on the left: up to two records to the right and one back, two look-ups and two
 * writes. Cost of a change on the right: a record, a look-up and a write for each left row that refers to it.
 * All of them are in memory until the batch is done.
 *
 * If `foreignKey` or `join` throws, the `onError.process` policy applies (PROCESS_FAILED). If the policy
 * continues, there is no joined row until the next change of either side. Answers go to the partition that
 * the left row came from, whatever partitioner placed it there. Rows on the right must be partitioned by the
 * hash of their keys. There are topics between the two sides. When changes of both sides cross, the emitted
 * results depend on when each is read, but the final rows do not. Semantics: KIP-213.
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
export function joinTable<
  K,
  V,
  FK,
  T,
  W,
  R extends NeedsTable<OfForeignKey> = ChangeOf<K, V>,
  C extends NeedsTable<OfOther> = ChangeOf<FK, T>,
>(
  table: Observable<C>,
  options: ForeignKeyJoinOptions<KeyOf<R>, ValueOf<R>, KeyOf<C>, ValueOf<C>, W>,
): OperatorFunction<R, Change<KeyOf<R>, NonNullable<W>>>;
export function joinTable<R extends AnyRecord, T, W, C extends NeedsTable<OfOther> = ChangeOf<KeyOf<R>, T>>(
  table: Observable<C> & Table<KeyOf<R>, unknown>,
  join:
    | ((value: ValueOf<R>, row: ValueOf<C>, key: KeyOf<R>) => W)
    | JoinTableOptions<KeyOf<R>, ValueOf<R>, ValueOf<C>, W>,
): OperatorFunction<R, WithValue<R, W>>;
// biome-ignore lint/suspicious/noExplicitAny: both signatures at once
export function joinTable(table: Observable<AnyRecord>, options: any): OperatorFunction<any, any> {
  return joining('joinTable', table, 'inner', options);
}

/**
 * Like {@link joinTable}, but joins with null if there is no row on the right. This includes a stream record
 * with a null key, and a left row that refers to nothing.
 *
 * ```ts
 * payments.pipe(leftJoinTable(accounts, (payment, account) => ({ ...payment, owner: account?.owner ?? 'unknown' })));
 * ```
 */
export function leftJoinTable<
  K,
  V,
  FK,
  T,
  W,
  R extends NeedsTable<OfForeignKey> = ChangeOf<K, V>,
  C extends NeedsTable<OfOther> = ChangeOf<FK, T>,
>(
  table: Observable<C>,
  options: ForeignKeyJoinOptions<KeyOf<R>, ValueOf<R>, KeyOf<C>, ValueOf<C> | null, W>,
): OperatorFunction<R, Change<KeyOf<R>, NonNullable<W>>>;
export function leftJoinTable<R extends AnyRecord, T, W, C extends NeedsTable<OfOther> = ChangeOf<KeyOf<R>, T>>(
  table: Observable<C> & Table<KeyOf<R>, unknown>,
  join:
    | ((value: ValueOf<R>, row: ValueOf<C> | null, key: KeyOf<R>) => W)
    | JoinTableOptions<KeyOf<R>, ValueOf<R>, ValueOf<C> | null, W>,
): OperatorFunction<R, WithValue<R, W>>;
// biome-ignore lint/suspicious/noExplicitAny: both signatures at once
export function leftJoinTable(table: Observable<AnyRecord>, options: any): OperatorFunction<any, any> {
  return joining('leftJoinTable', table, 'left', options);
}

/**
 * Joins two tables so that a row on either side is enough: a missing side is null.
 *
 * Takes a table, and emits whenever either side changes: the joined row, or a deletion when both rows are
 * gone. A deletion is not passed on if neither side had a row. State, order, nulls, cost and timestamps are
 * as in {@link joinTable} between tables.
 *
 * ```ts
 * accounts.pipe(outerJoinTable(balances, (account, balance) => `${account?.owner ?? 'nobody'} has ${balance?.total ?? 0}`));
 * // account a of Ann, then its balance 5; a balance 3 of account b → "Ann has 0", "Ann has 5", "nobody has 3"
 * ```
 *
 * Semantics: KTable#outerJoin(KTable) of Kafka Streams. See also {@link leftJoinTable}.
 */
export function outerJoinTable<
  K,
  V,
  T,
  W,
  R extends NeedsTable<'use toTable() first, or leftJoinTable'> = ChangeOf<K, V>,
  C extends NeedsTable<OfOther> = ChangeOf<K, T>,
>(
  table: Observable<C> & Table<KeyOf<R>, unknown>,
  join:
    | ((value: ValueOf<R> | null, row: ValueOf<C> | null, key: KeyOf<R>) => W)
    | PromptJoinOptions<KeyOf<R>, ValueOf<R> | null, ValueOf<C> | null, W>,
): OperatorFunction<R, Change<KeyOf<R>, W>> {
  // biome-ignore lint/suspicious/noExplicitAny: keys and values of any type; the signature knows them
  return joining('outerJoinTable', table, 'outer', join as TableJoiner | AnyOptions) as OperatorFunction<any, any>;
}

/** All shapes of the second argument in one type. */
interface AnyOptions extends PolicyOptions {
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
        isGlobalTable(table)
          ? 'the table on the right is a global table'
          : 'the table on the right has no store that holds its rows',
        isGlobalTable(table)
          ? 'Use joinGlobalTable(table, { key, join }), or declare it with t.table to join it by key.'
          : 'Pass the table itself, or end its operators with toStream() and toTable({ store, value }).',
      );
      return source;
    }
    const name = current.freeName(operator, right.stores.join('-'));
    const node = `${operator} ${name}`;
    const takesNullKeys = kind === 'left';
    const spec = { operator, name, stores: [], keyed: true, takesNullKeys, ...whenGiven(options) };
    if (!current.inspect(source).table) {
      if (kind === 'outer') {
        current.problem(
          node,
          'its input is a stream',
          'An outer join is of two tables: make the stream a table with toTable({ store, value }), or use leftJoinTable.',
        );
      }
      const left = kind === 'left';
      const held = heldBack(source, right.historyMs, { ...options, node, keepsNullKeys: left }, current);
      const joined = { left, asOf: right.historyMs !== undefined, join };
      const create = (context: ProcessorContext) => new StreamTableJoin(context, right.open(context, 'lookup'), joined);
      const { historyMs } = right;
      // Nothing is found for a moment before the history.
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
        'the table on the left has no store that holds its rows',
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
    // The id of the node stands for the store: the result is a table without one, and no store name has a
    // space.
    const changes = current.processor({ ...spec, reads, create }, [source, table], node);
    return withView(changes, () => joinedView(left, right, rowJoin));
  };
}
