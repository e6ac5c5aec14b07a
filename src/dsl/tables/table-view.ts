import type { Observable, OperatorFunction } from 'rxjs';
import type { Row, StoreKind, VersionedStore } from '../../state/contract.js';
import type { Declaring } from '../declaring.js';
import type { ProcessorContext, Reads } from '../processor.js';
import type { AnyRecord } from '../types.js';

/** The rows of a table as a join looks them up. */
export interface Rows {
  /** Declares a look-up, see {@link Reads}. */
  want(key: unknown, reads: Reads, asOf?: number): void;
  row(key: unknown, asOf?: number): Row<unknown> | null;
  /** Makes sure that a look-up as of a moment finds what it needs: a promise only if it must be read from disk. */
  prepare(key: unknown, asOf: number): void | Promise<void>;
}

/** Where the rows of a table are found: in its store, or made from the rows of tables that have one. */
export interface TableView {
  readonly stores: readonly string[];
  /** How long the past of the rows is kept; undefined: not at all. */
  readonly historyMs: number | undefined;
  /** Its rows are made of those of two tables: their timestamps need not be those of the changes. */
  readonly joined?: true;
  open(context: ProcessorContext): Rows;
}

/** Under this an observable says how its rows are made. Registered, since a topology may have been written with another copy of the library. */
const VIEW = Symbol.for('millrace.table-view.1');

/** Kinds of stores in which each row of the table can be looked up, as others see them (see ShownRows). */
const KINDS: readonly StoreKind[] = ['keyValue', 'window', 'session', 'sliding', 'versioned'];

type FindView = (current: Declaring) => TableView | undefined;

/** Lets a table be looked up that has no store of its own. */
export function withView<T extends object>(table: T, find: FindView): T {
  return Object.assign(table, { [VIEW]: find });
}

/** The rows of a table; undefined if there is no way to them: behind a repartition, or an operator of RxJS. */
export function viewOf(table: unknown, current: Declaring): TableView | undefined {
  const { table: name, [VIEW]: find } = table as { readonly table?: string; readonly [VIEW]?: FindView };
  if (find) return find(current);
  const store = current.stores.find((other) => other.name === name && KINDS.includes(other.kind as StoreKind));
  if (store === undefined) return undefined;
  return {
    stores: [store.name],
    historyMs: store.historyMs,
    open: (context) =>
      new StoredRows(context.store(store.name) as VersionedStore<unknown, unknown>, store.historyMs !== undefined),
  };
}

/** An operator whose result, of a table, has rows that follow from those of its input. `fn` is not called for deletions. */
export function derived<I extends AnyRecord, O>(
  operator: OperatorFunction<I, O>,
  fn: (value: unknown, key: unknown) => unknown,
): OperatorFunction<I, O> {
  return (source: Observable<I>) =>
    withView(operator(source), (current) => {
      const view = viewOf(source, current);
      return view && { ...view, open: (context) => new DerivedRows(view.open(context), fn) };
    });
}

class StoredRows implements Rows {
  constructor(
    private readonly store: VersionedStore<unknown, unknown>,
    private readonly versioned: boolean,
  ) {}

  want(key: unknown, reads: Reads, asOf?: number): void {
    reads.add(this.store, key, asOf);
  }

  row(key: unknown, asOf?: number): Row<unknown> | null {
    return this.store.row(key, asOf);
  }

  prepare(key: unknown, asOf: number): void | Promise<void> {
    if (this.versioned) return this.store.prepare(key, asOf);
  }
}

class DerivedRows implements Rows {
  constructor(
    private readonly rows: Rows,
    private readonly fn: (value: unknown, key: unknown) => unknown,
  ) {}

  want(key: unknown, reads: Reads, asOf?: number): void {
    this.rows.want(key, reads, asOf);
  }

  row(key: unknown, asOf?: number): Row<unknown> | null {
    const row = this.rows.row(key, asOf);
    if (row === null) return null;
    const value = this.fn(row.value, key) ?? null;
    return value === null ? null : { value, timestamp: row.timestamp };
  }

  prepare(key: unknown, asOf: number): void | Promise<void> {
    return this.rows.prepare(key, asOf);
  }
}
