import { noRow } from '../../model/no-row.js';
import { type Change, RowChange } from '../../model/record.js';
import type { Row } from '../../state/contract.js';
import type { Lookups, Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { Rows, RowsUse, TableView } from './table-view.js';

export type TableJoiner = (value: unknown, row: unknown, key: unknown) => unknown;

/** Which sides may be missing: none, the right one, either. */
export type JoinKind = 'inner' | 'left' | 'outer';

/** Computes the joined row of two rows. */
export class RowJoin {
  constructor(
    readonly kind: JoinKind,
    private readonly fn: TableJoiner,
  ) {}

  /** The joined row; null: there is none. */
  of(left: unknown, right: unknown, key: unknown): unknown {
    if (left === null ? this.kind !== 'outer' || right === null : right === null && this.kind === 'inner') return null;
    return this.fn(left, right, key) ?? null;
  }

  /** The same, but null if the policy continues after an error. */
  tried(left: unknown, right: unknown, key: unknown): unknown {
    try {
      return this.of(left, right, key);
    } catch (error) {
      return noRow(error);
    }
  }
}

/**
 * Joins two tables by key if no record changes both; emits whenever either side changes. {@link DiamondJoin}
 * joins the other tables.
 *
 * A joined row expires when the row of either side expires. The former value of an expired row is gone, and
 * with it the former value of the joined row. So later changes of the other side are dropped.
 */
export class TableTableJoin implements Processor {
  constructor(
    private readonly sides: readonly [Rows, Rows],
    private readonly context: ProcessorContext,
    private readonly join: RowJoin,
  ) {}

  prepare(record: AnyRecord, port: number, lookups: Lookups): void {
    this.sides[port === 0 ? 1 : 0].want(record.key, lookups);
  }

  process(change: Change<unknown, unknown>, port: number): void {
    if (change.outOfOrder) return this.context.drop('out-of-order');
    const side = this.sides[port === 0 ? 1 : 0];
    if (side.isOver(change.key)) return this.context.drop('expired');
    const other = side.row(change.key);
    if (this.#isNothing(change, port, other)) return;
    const { key, value } = change;
    const row = other === null ? null : other.value;
    this.#emit(change, port, other, port === 0 ? this.join.of(value, row, key) : this.join.of(row, value, key));
  }

  /** The joined row cannot be computed: there is none until the next change of either side. */
  giveUp(change: Change<unknown, unknown>, port: number): void {
    const other = this.sides[port === 0 ? 1 : 0].row(change.key);
    if (!this.#isNothing(change, port, other)) this.#emit(change, port, other, null);
  }

  /** There is no joined row, and there was none. */
  #isNothing({ value, previous }: Change<unknown, unknown>, port: number, other: Row<unknown> | null): boolean {
    if (other !== null) return false;
    const { kind } = this.join;
    return (port === 0 ? kind === 'inner' : kind !== 'outer') || (value === null && previous === null);
  }

  #emit(change: Change<unknown, unknown>, port: number, other: Row<unknown> | null, joined: unknown): void {
    const { key, previous, headers } = change;
    const row = other === null ? null : other.value;
    const before = port === 0 ? this.join.tried(previous, row, key) : this.join.tried(row, previous, key);
    const timestamp = other === null ? change.timestamp : Math.max(change.timestamp, other.timestamp);
    this.context.emit(new RowChange(key, joined, before, timestamp, headers));
  }
}

/** The rows of two joined tables, computed at look-up. */
export function joinedView(left: TableView, right: TableView, join: RowJoin): TableView {
  return {
    stores: [...new Set([...left.stores, ...right.stores])],
    historyMs: undefined,
    joined: true,
    open: (context, use) => new JoinedRows(left.open(context, use), right.open(context, use), join, use),
  };
}

class JoinedRows implements Rows {
  constructor(
    private readonly left: Rows,
    private readonly right: Rows,
    private readonly join: RowJoin,
    private readonly use: RowsUse,
  ) {}

  want(key: unknown, lookups: Lookups): void {
    this.left.want(key, lookups);
    this.right.want(key, lookups);
  }

  row(key: unknown): Row<unknown> | null {
    if (this.isOver(key)) return null;
    const left = this.left.row(key);
    const right = this.right.row(key);
    const sides = [left?.value ?? null, right?.value ?? null, key] as const;
    const value = this.use === 'lookup' ? this.join.of(...sides) : this.join.tried(...sides);
    if (value === null) return null;
    const never = Number.NEGATIVE_INFINITY;
    return { value, timestamp: Math.max(left?.timestamp ?? never, right?.timestamp ?? never) };
  }

  isOver(key: unknown): boolean {
    return this.left.isOver(key) || this.right.isOver(key);
  }

  before(key: unknown): unknown {
    return this.join.tried(this.left.before(key), this.right.before(key), key);
  }

  id(key: unknown): string {
    return this.left.id(key);
  }

  /** A joined table keeps no past, so there is nothing to load. */
  prepare(): void {}
}
