import type { Observable, OperatorFunction } from 'rxjs';
import type { OperatorVersionedStore, Row, StoreKind, StoreSpec } from '../../state/contract.js';
import type { Lookups, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { Declaring } from '../declare/declaring.js';
import type { Origin } from '../pipelines/origin.js';
import type { RowBefores } from '../pipelines/row-befores.js';
import { rowOrNone } from '../pipelines/row-function.js';

/** The rows of a table, as a join looks them up. */
export interface Rows {
  /** Declares a look-up, see {@link Lookups}. */
  want(key: unknown, lookups: Lookups, asOf?: number): void;
  row(key: unknown, asOf?: number): Row<unknown> | null;
  /**
   * Whether a row with that key has expired, if there was one. An expired row is removed without a change.
   * Only keys of windows show this.
   */
  isOver(key: unknown): boolean;
  /**
   * The value of the row before the current record changed it; null: there was none. Only if opened for a
   * diamond.
   */
  before(key: unknown): unknown;
  /** A text that is equal for equal keys. Only if opened for a diamond. */
  id(key: unknown): string;
  /** Loads what a look-up as of a moment needs. Returns a promise only if it must be read from disk. */
  prepare(key: unknown, asOf: number): void | Promise<void>;
}

/**
 * The purpose of the look-ups. `lookup`: an error of a row function is thrown. `asTold`: the changes of the
 * table also arrive, and have already reported the error; a row with an error counts as none. `diamond`: like
 * `asTold`, and the previous rows are needed too.
 */
export type RowsUse = 'lookup' | 'asTold' | 'diamond';

/** How the rows of a table are found: in its store, or computed from the rows of tables with a store. */
export interface TableView {
  readonly stores: readonly string[];
  /** How long the past of the rows is kept; undefined: not at all. */
  readonly historyMs: number | undefined;
  /**
   * Its rows are computed from two tables, so their timestamps may differ from the timestamps of the changes.
   */
  readonly joined?: true;
  open(context: ProcessorContext, use: RowsUse): Rows;
}

/**
 * The property of an observable that holds its `FindView`. It is a registered symbol, because a topology may
 * use another copy of the library.
 */
const VIEW = Symbol.for('millrace.table-view.1');

/** Kinds of stores in which each row of a table can be looked up by the table's key (see ShownRows). */
const KINDS: readonly StoreKind[] = ['keyValue', 'window', 'session', 'sliding', 'versioned'];

type FindView = (current: Declaring) => TableView | undefined;

/** Makes a table without its own store available for look-ups. */
export function withView<T extends object>(table: T, find: FindView): T {
  return Object.assign(table, { [VIEW]: find });
}

/** The rows of a table; undefined if they cannot be looked up, after a repartition or an RxJS operator. */
export function viewOf(table: unknown, current: Declaring): TableView | undefined {
  const { table: name, [VIEW]: find } = table as { readonly table?: string; readonly [VIEW]?: FindView };
  if (find) return find(current);
  const store = current.stores.find((other) => other.name === name && KINDS.includes(other.kind as StoreKind));
  if (store === undefined) return undefined;
  return {
    stores: [store.name],
    historyMs: store.historyMs,
    open(context, use) {
      const rows = context.store(store.name) as OperatorVersionedStore<unknown, unknown>;
      const spec = specOf(store.name, current);
      const befores =
        use === 'diamond'
          ? (table as Origin<AnyRecord>).keepBefores(spec.shown?.key ?? spec.key, () => context.sequence)
          : undefined;
      return new StoredRows(rows, spec, befores);
    },
  };
}

/**
 * Marks an operator so that its resulting table computes its rows from those of its input. `fn` is not called
 * for deletions.
 */
export function derived<I extends AnyRecord, O>(
  operator: OperatorFunction<I, O>,
  fn: (value: unknown, key: unknown) => unknown,
): OperatorFunction<I, O> {
  return (source: Observable<I>) =>
    withView(operator(source), (current) => {
      const view = viewOf(source, current);
      return view && { ...view, open: (context, use) => new DerivedRows(view.open(context, use), fn, use) };
    });
}

/** The store of a table that is looked up in its store. */
const specOf = (name: string, { processors }: Declaring): StoreSpec =>
  processors.flatMap(({ spec }) => spec.stores).find((other) => other.name === name) as StoreSpec;

class StoredRows implements Rows {
  constructor(
    private readonly store: OperatorVersionedStore<unknown, unknown>,
    private readonly spec: StoreSpec,
    private readonly befores: RowBefores | undefined,
  ) {}

  want(key: unknown, lookups: Lookups, asOf?: number): void {
    lookups.add(this.store, key, asOf);
  }

  row(key: unknown, asOf?: number): Row<unknown> | null {
    return this.store.row(key, asOf);
  }

  isOver(key: unknown): boolean {
    const { ttlMs, shown, bornAt } = this.spec;
    const born = shown ? shown.bornAt : bornAt;
    return ttlMs !== undefined && born !== undefined && born(key) + ttlMs < this.store.streamTime;
  }

  before(key: unknown): unknown {
    const before = this.befores?.of(key);
    return before === undefined ? (this.store.row(key)?.value ?? null) : before;
  }

  id(key: unknown): string {
    return (this.befores as RowBefores).id(key);
  }

  prepare(key: unknown, asOf: number): void | Promise<void> {
    if (this.spec.history) return this.store.prepare(key, asOf);
  }
}

class DerivedRows implements Rows {
  constructor(
    private readonly rows: Rows,
    private readonly fn: (value: unknown, key: unknown) => unknown,
    private readonly use: RowsUse,
  ) {}

  want(key: unknown, lookups: Lookups, asOf?: number): void {
    this.rows.want(key, lookups, asOf);
  }

  row(key: unknown, asOf?: number): Row<unknown> | null {
    const row = this.rows.row(key, asOf);
    if (row === null) return null;
    const { fn } = this;
    const value = (this.use === 'lookup' ? fn(row.value, key) : rowOrNone(fn, row.value, key)) ?? null;
    return value === null ? null : { value, timestamp: row.timestamp };
  }

  isOver(key: unknown): boolean {
    return this.rows.isOver(key);
  }

  before(key: unknown): unknown {
    const before = this.rows.before(key);
    return before === null ? null : (rowOrNone(this.fn, before, key) ?? null);
  }

  id(key: unknown): string {
    return this.rows.id(key);
  }

  prepare(key: unknown, asOf: number): void | Promise<void> {
    return this.rows.prepare(key, asOf);
  }
}
