import type { OperatorFunction } from 'rxjs';
import { PlainRecord, type StreamRecord } from '../../model/record.js';
import type { OperatorStore } from '../../state/contract.js';
import { type GlobalTable, isGlobalTable } from '../common/global-table.js';
import { type PolicyOptions, whenGiven } from '../contract/policy-options.js';
import type { Lookups, Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { KeyOf, NeedsStream } from '../contract/types.js';
import { currentDeclaring } from '../declare/attach.js';
import type { Declaring } from '../declare/declaring.js';

export interface JoinGlobalTableOptions<R extends NeedsStream, K, T, W> extends PolicyOptions {
  /** Returns the key of the row to join a record with; null for none. Not called for null values. */
  readonly key: (record: R) => NoInfer<K> | null;
  /** Makes the joined value. It receives the record's own key. */
  readonly join: (value: R['value'], row: T, key: KeyOf<R>) => W;
}

/**
 * Joins each record of a stream with a row of a global table. A function makes the row's key from the record.
 * If there is no row, nothing comes out.
 *
 * The key may be made from anything in the record. The stream need not be co-partitioned with the table:
 * every process has all rows, so there is no repartition. The record keeps its own key (which may be null),
 * timestamp and headers. Only records of the stream emit. Records with a null value, and records for which
 * `key` returns null, are dropped and counted (`null-value`, `null-key`).
 *
 * A record sees the table as it is when the record is processed, whatever the timestamps. All records of a
 * batch that look up one row see the same row. The outcome depends on when the stream and the table were
 * read, so it is *not* reproducible while the table changes. A record that is processed again after a crash
 * may see a newer row. For reproducible results use `joinTable`.
 *
 * No state of its own. Cost: one look-up per record; a batch does all its look-ups in one read. Memory:
 * looked-up rows are cached within `cacheBytes`, and a batch holds the rows that it looks up until it is
 * done. Errors: if `key` or `join` throws, the `onError.process` policy applies (PROCESS_FAILED).
 *
 * ```ts
 * const accounts = t.globalTable('accounts', { key: serdes.string, value: serdes.json<Account>(), store: 'all-accounts' });
 * payments.pipe(joinGlobalTable(accounts, { key: (record) => record.value.account, join: (payment, account) => ({ ...payment, owner: account.owner }) }));
 * // row a-1 { owner: 'Ada' }; payment { account: 'a-1', … } → { account: 'a-1', …, owner: 'Ada' }
 * ```
 *
 * Semantics: KStream#join(GlobalKTable) of Kafka Streams. See also {@link leftJoinGlobalTable},
 * {@link joinTable}.
 */
export function joinGlobalTable<R extends NeedsStream, K, T, W>(
  table: GlobalTable<K, T>,
  options: JoinGlobalTableOptions<R, K, T, W>,
): OperatorFunction<R, StreamRecord<KeyOf<R>, W>> {
  return joining('joinGlobalTable', table, options as AnyOptions, false);
}

/**
 * Like {@link joinGlobalTable}, but joins with null if there is no row or `key` returns null.
 *
 * ```ts
 * const accounts = t.globalTable('accounts', { key: serdes.string, value: serdes.json<Account>(), store: 'all-accounts' });
 * payments.pipe(leftJoinGlobalTable(accounts, { key: (record) => record.value.account, join: (payment, account) => ({ ...payment, owner: account?.owner ?? 'unknown' }) }));
 * ```
 *
 * Semantics: KStream#leftJoin(GlobalKTable) of Kafka Streams.
 */
export function leftJoinGlobalTable<R extends NeedsStream, K, T, W>(
  table: GlobalTable<K, T>,
  options: JoinGlobalTableOptions<R, K, T | null, W>,
): OperatorFunction<R, StreamRecord<KeyOf<R>, W>> {
  return joining('leftJoinGlobalTable', table, options as AnyOptions, true);
}

interface AnyOptions extends PolicyOptions {
  readonly key: (record: AnyRecord) => unknown;
  readonly join: (value: unknown, row: unknown, key: unknown) => unknown;
}

function joining<R extends NeedsStream, W>(
  operator: string,
  table: unknown,
  options: AnyOptions,
  left: boolean,
): OperatorFunction<R, StreamRecord<KeyOf<R>, W>> {
  return (source) => {
    const current = currentDeclaring(operator);
    const store = storeOf(operator, table, current);
    if (store === undefined) return source as never;
    const name = current.freeName(operator, store);
    if (current.inspect(source).table) {
      current.problem(
        `${operator} ${name}`,
        'its input is a table',
        'Put toStream() before it: only streams are joined with a global table. To join two tables by key, use joinTable with t.table.',
      );
    }
    const create = (context: ProcessorContext): Processor =>
      new GlobalTableJoin(context, context.store(store), options, left);
    const spec = { operator, name, stores: [], globals: [store], keyed: false, create, ...whenGiven(options) };
    return current.processor(spec, [source]) as never;
  };
}

function storeOf(operator: string, table: unknown, current: Declaring): string | undefined {
  if (!isGlobalTable(table)) {
    current.problem(
      operator,
      'its right side is not a global table',
      'Declare it with t.globalTable(topic, { key, value, store }), or use joinTable for a table of t.table.',
    );
    return undefined;
  }
  if (current.globalTables.some(({ store }) => store === table.store)) return table.store;
  current.problem(
    `${operator} ${table.store}`,
    'the global table is not one of this topology',
    'Declare it inside the topology function, with t.globalTable.',
  );
  return undefined;
}

class GlobalTableJoin implements Processor {
  constructor(
    private readonly context: ProcessorContext,
    private readonly rows: OperatorStore<unknown, unknown>,
    private readonly options: AnyOptions,
    private readonly left: boolean,
  ) {}

  /** Returns the key of the row, so that it is computed only once. */
  prepare(record: AnyRecord, _port: number, lookups: Lookups): unknown {
    if (record.value === null) return null;
    const key = this.options.key(record) ?? null;
    if (key !== null) lookups.add(this.rows, key);
    return key;
  }

  process(record: AnyRecord, _port: number, key: unknown): void {
    const { context, left } = this;
    if (record.value === null) return context.drop('null-value');
    if (key === null && !left) return context.drop('null-key');
    const row = key === null ? null : this.rows.get(key);
    if (row === null && !left) return;
    const joined = this.options.join(record.value, row, record.key);
    context.emit(new PlainRecord(record.key, joined, record.timestamp, record.headers));
  }
}
