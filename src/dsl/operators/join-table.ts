import type { OperatorFunction } from 'rxjs';
import { type Change, PlainRecord, RowChange, type StreamRecord } from '../../model/record.js';
import type { KeyValueStore } from '../../state/contract.js';
import type { Declaring } from '../declaring.js';
import { isGlobalTable } from '../global-table.js';
import type { Origin } from '../origin.js';
import type { Processor, ProcessorContext, Reads } from '../processor.js';
import type { AnyRecord, KeyOf, Table, ValueOf, WithValue } from '../types.js';
import { currentDeclaring } from './attach.js';

/**
 * Joins each record with the row of a table that has its key; without one, nothing comes out.
 *
 * A *stream* sees the table as it is when its record arrives, whatever the timestamps; only records of the stream emit. Null keys and values are dropped and counted.
 * A *table* joined with a table emits whenever either side changes: the joined row, or a deletion if a side is missing. Both tables must have a store. What comes out are changes
 * of a table without one: grouped as a table; to join it again, give it a store with `toStream()` and `toTable`.
 *
 * Both sides must be co-partitioned: equal partition counts, checked at start. No state of its own. Cost: one look-up a record (two, for tables), in the same stage as the table, so that a record sees the table
 * exactly as of its place in the order. Result timestamps: the stream record's; for tables the higher of the two rows'.
 *
 * ```ts
 * payments.pipe(joinTable(accounts, (payment, account) => ({ ...payment, owner: account.owner })));
 * ```
 *
 * Semantics: KStream#join(KTable) and KTable#join(KTable) of Kafka Streams. See also {@link leftJoinTable}.
 */
export function joinTable<R extends AnyRecord, T, W>(
  table: Table<KeyOf<R>, T>,
  fn: (value: ValueOf<R>, row: T, key: KeyOf<R>) => W,
): OperatorFunction<R, WithValue<R, W>> {
  return joining('joinTable', table, 'inner', fn as Joiner);
}

/**
 * As {@link joinTable}, but what has no row on the right is joined with null. A null key of a stream is joined with null, too.
 *
 * ```ts
 * payments.pipe(leftJoinTable(accounts, (payment, account) => ({ ...payment, owner: account?.owner ?? 'unknown' })));
 * ```
 */
export function leftJoinTable<R extends AnyRecord, T, W>(
  table: Table<KeyOf<R>, T>,
  fn: (value: ValueOf<R>, row: T | null, key: KeyOf<R>) => W,
): OperatorFunction<R, WithValue<R, W>> {
  return joining('leftJoinTable', table, 'left', fn as Joiner);
}

/**
 * Joins two tables so that a row of either side is enough: what is missing on the other side is null.
 *
 * Takes a table, and emits whenever either side changes: the joined row, or a deletion when both rows are gone. A deletion of what neither side has is not passed on. Both tables must have a store. State, order, nulls, cost and
 * timestamps are those of {@link joinTable} between tables.
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
  return joining<Change<K, V>, T, W>('outerJoinTable', table, 'outer', fn as Joiner) as OperatorFunction<
    Change<K, V>,
    Change<K, W>
  >;
}

type Joiner = (value: unknown, row: unknown, key: unknown) => unknown;

/** Which sides may be missing: neither, the right one, either. */
type Kind = 'inner' | 'left' | 'outer';

/** The store with the rows of a table. A table behind an operator or a repartition has none. */
function storeOf(source: unknown, { stores }: Declaring): string | undefined {
  const { table } = source as Partial<Pick<Origin<AnyRecord>, 'table'>>;
  return stores.some(({ name }) => name === table) ? table : undefined;
}

function joining<R extends AnyRecord, T, W>(
  operator: string,
  table: Table<KeyOf<R>, T>,
  kind: Kind,
  fn: Joiner,
): OperatorFunction<R, WithValue<R, W>> {
  return (source) => {
    const current = currentDeclaring(operator);
    const right = storeOf(table, current);
    if (right === undefined) {
      current.problem(
        operator,
        isGlobalTable(table) ? 'the table on the right is a global table' : 'the table on the right has no store',
        isGlobalTable(table)
          ? 'Use joinGlobalTable(table, { key, join }), or declare it with t.table to join it by key.'
          : 'Pass the table itself, or end its operators with toStream() and toTable({ store, value }).',
      );
      return source as never;
    }
    const name = current.freeName(operator, right);
    const spec = { operator, name, stores: [], keyed: true, takesNullKeys: kind === 'left' };
    if (!current.inspect(source).table) {
      if (kind === 'outer') {
        current.problem(
          `${operator} ${right}`,
          'its input is a stream',
          'An outer join is of two tables: make the stream a table with toTable({ store, value }), or use leftJoinTable.',
        );
      }
      const create = (context: ProcessorContext): Processor =>
        new StreamTableJoin(context, context.store(right), kind === 'left', fn);
      return current.processor({ ...spec, reads: [right], create }, [source]) as never;
    }
    const mine = storeOf(source, current);
    if (mine === undefined) {
      current.problem(
        `${operator} ${right}`,
        'the table on the left has no store',
        'End its operators with toStream() and toTable({ store, value }), or with toStream() alone to join it as a stream.',
      );
      return source as never;
    }
    const create = (context: ProcessorContext): Processor =>
      new TableTableJoin([context.store(mine), context.store(right)], context, kind, fn);
    // What comes out are changes of a table, which no store holds: no store's name has a space.
    const rows = `${operator} ${name}`;
    return current.processor({ ...spec, reads: [mine, right], create }, [source, table], rows) as never;
  };
}

class StreamTableJoin implements Processor {
  constructor(
    private readonly context: ProcessorContext,
    private readonly rows: KeyValueStore<unknown, unknown>,
    private readonly left: boolean,
    private readonly fn: Joiner,
  ) {}

  reads(record: StreamRecord<unknown, unknown>, _port: number, reads: Reads): void {
    if (record.key !== null) reads.add(this.rows, record.key);
  }

  process(record: StreamRecord<unknown, unknown>): void {
    if (record.value === null) return this.context.drop('null-value');
    if (record.key === null && !this.left) return this.context.drop('null-key');
    const row = record.key === null ? null : this.rows.get(record.key);
    if (row === null && !this.left) return;
    this.context.emit(
      new PlainRecord(record.key, this.fn(record.value, row, record.key), record.timestamp, record.headers),
    );
  }
}

class TableTableJoin implements Processor {
  constructor(
    private readonly sides: readonly [KeyValueStore<unknown, unknown>, KeyValueStore<unknown, unknown>],
    private readonly context: ProcessorContext,
    private readonly kind: Kind,
    private readonly fn: Joiner,
  ) {}

  reads(record: AnyRecord, _port: number, reads: Reads): void {
    for (const side of this.sides) reads.add(side, record.key);
  }

  process(change: Change<unknown, unknown>, port: number): void {
    const { key, value, previous, headers } = change;
    const other = this.sides[port === 0 ? 1 : 0].row(key);
    const row = other === null ? null : other.value;
    // Whether this side, and the other, must have a row for there to be a joined one.
    const [mineNeeded, otherNeeded] =
      port === 0 ? [this.kind !== 'outer', this.kind === 'inner'] : [this.kind === 'inner', this.kind !== 'outer'];
    if (row === null && (otherNeeded || (value === null && previous === null))) return;
    const joined = (mine: unknown): unknown => {
      if (mine === null && (mineNeeded || row === null)) return null;
      return port === 0 ? this.fn(mine, row, key) : this.fn(row, mine, key);
    };
    const timestamp = other === null ? change.timestamp : Math.max(change.timestamp, other.timestamp);
    this.context.emit(new RowChange(key, joined(value), joined(previous), timestamp, headers));
  }
}
