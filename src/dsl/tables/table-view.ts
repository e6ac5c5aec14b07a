import type { Observable, OperatorFunction } from 'rxjs';
import type { OperatorVersionedStore, Row, StoreKind } from '../../state/contract.js';
import type { Declaring } from '../declaring.js';
import type { Origin } from '../origin.js';
import type { AnySerde, Lookups, ProcessorContext } from '../processor.js';
import type { AnyRecord } from '../push.js';
import type { RowBefores } from './row-befores.js';
import { rowOrNone } from './row-function.js';

/** The rows of a table as a join looks them up. */
export interface Rows {
  /** Declares a look-up, see {@link Lookups}. */
  want(key: unknown, lookups: Lookups, asOf?: number): void;
  row(key: unknown, asOf?: number): Row<unknown> | null;
  /**
   * The value that the row had before the record at hand changed it; null: there was none. Only if opened for
   * a diamond.
   */
  before(key: unknown): unknown;
  /** What is equal for equal keys. Only if opened for a diamond. */
  id(key: unknown): string;
  /**
   * Makes sure that a look-up as of a moment finds what it needs: a promise only if it must be read from
   * disk.
   */
  prepare(key: unknown, asOf: number): void | Promise<void>;
}

/**
 * What rows are looked up for. `lookup`: a function that rows are made with and that throws does so there.
 * `asTold`: beside the changes of the table, which have told of it already, so that a row that it throws on
 * is none. `diamond`: the same, and what rows were is asked for as well.
 */
export type RowsUse = 'lookup' | 'asTold' | 'diamond';

/** Where the rows of a table are found: in its store, or made from the rows of tables that have one. */
export interface TableView {
  readonly stores: readonly string[];
  /** How long the past of the rows is kept; undefined: not at all. */
  readonly historyMs: number | undefined;
  /** Its rows are made of those of two tables: their timestamps need not be those of the changes. */
  readonly joined?: true;
  open(context: ProcessorContext, use: RowsUse): Rows;
}

/**
 * Under this an observable says how its rows are made. Registered, since a topology may have been written
 * with another copy of the library.
 */
const VIEW = Symbol.for('millrace.table-view.1');

/** Kinds of stores in which each row of the table can be looked up, as others see them (see ShownRows). */
const KINDS: readonly StoreKind[] = ['keyValue', 'window', 'session', 'sliding', 'versioned'];

type FindView = (current: Declaring) => TableView | undefined;

/** Lets a table be looked up that has no store of its own. */
export function withView<T extends object>(table: T, find: FindView): T {
  return Object.assign(table, { [VIEW]: find });
}

/**
 * The rows of a table; undefined if there is no way to them: behind a repartition, or an operator of RxJS.
 */
export function viewOf(table: unknown, current: Declaring): TableView | undefined {
  const { table: name, [VIEW]: find } = table as { readonly table?: string; readonly [VIEW]?: FindView };
  current.ends.followed(table as Observable<unknown>);
  if (find) return find(current);
  const store = current.stores.find((other) => other.name === name && KINDS.includes(other.kind as StoreKind));
  if (store === undefined) return undefined;
  return {
    stores: [store.name],
    historyMs: store.historyMs,
    open(context, use) {
      const rows = context.store(store.name) as OperatorVersionedStore<unknown, unknown>;
      const befores =
        use === 'diamond'
          ? (table as Origin<AnyRecord>).keepBefores(keyOf(store.name, current), () => context.sequence)
          : undefined;
      return new StoredRows(rows, store.historyMs !== undefined, befores);
    },
  };
}

/**
 * An operator whose result, of a table, has rows that follow from those of its input. `fn` is not called for
 * deletions.
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

/** How the keys of a table are written that is looked up in its store. */
function keyOf(name: string, { processors }: Declaring): AnySerde {
  const store = processors.flatMap(({ spec }) => spec.stores).find((other) => other.name === name);
  return (store?.shown?.key ?? store?.key) as AnySerde;
}

class StoredRows implements Rows {
  constructor(
    private readonly store: OperatorVersionedStore<unknown, unknown>,
    private readonly versioned: boolean,
    private readonly befores: RowBefores | undefined,
  ) {}

  want(key: unknown, lookups: Lookups, asOf?: number): void {
    lookups.add(this.store, key, asOf);
  }

  row(key: unknown, asOf?: number): Row<unknown> | null {
    return this.store.row(key, asOf);
  }

  before(key: unknown): unknown {
    const before = this.befores?.of(key);
    return before === undefined ? (this.store.row(key)?.value ?? null) : before;
  }

  id(key: unknown): string {
    return (this.befores as RowBefores).id(key);
  }

  prepare(key: unknown, asOf: number): void | Promise<void> {
    if (this.versioned) return this.store.prepare(key, asOf);
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
