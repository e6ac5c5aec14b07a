import { type Change, RowChange } from '../../model/record.js';
import type { Row } from '../../state/contract.js';
import type { Processor, ProcessorContext, Reads } from '../processor.js';
import type { AnyRecord } from '../types.js';
import type { Rows, TableView } from './table-view.js';

export type Joiner = (value: unknown, row: unknown, key: unknown) => unknown;

/** Which sides may be missing: neither, the right one, either. */
export type JoinKind = 'inner' | 'left' | 'outer';

/** Joins two tables by key: emits whenever either side changes. */
export class TableTableJoin implements Processor {
  constructor(
    private readonly sides: readonly [Rows, Rows],
    private readonly context: ProcessorContext,
    private readonly kind: JoinKind,
    private readonly fn: Joiner,
  ) {}

  reads(record: AnyRecord, port: number, reads: Reads): void {
    this.sides[port === 0 ? 1 : 0].want(record.key, reads);
  }

  process(change: Change<unknown, unknown>, port: number): void {
    if (change.outOfOrder) return this.context.drop('out-of-order');
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

/** The rows of two joined tables, made when they are looked up. */
export function joinedView(left: TableView, right: TableView, kind: JoinKind, fn: Joiner): TableView {
  return {
    stores: [...new Set([...left.stores, ...right.stores])],
    historyMs: undefined,
    joined: true,
    open: (context) => new JoinedRows(left.open(context), right.open(context), kind, fn),
  };
}

class JoinedRows implements Rows {
  constructor(
    private readonly left: Rows,
    private readonly right: Rows,
    private readonly kind: JoinKind,
    private readonly fn: Joiner,
  ) {}

  want(key: unknown, reads: Reads): void {
    this.left.want(key, reads);
    this.right.want(key, reads);
  }

  row(key: unknown): Row<unknown> | null {
    const left = this.left.row(key);
    const right = this.right.row(key);
    if (left === null ? this.kind !== 'outer' || right === null : right === null && this.kind === 'inner') return null;
    const value = this.fn(left?.value ?? null, right?.value ?? null, key) ?? null;
    if (value === null) return null;
    const never = Number.NEGATIVE_INFINITY;
    return { value, timestamp: Math.max(left?.timestamp ?? never, right?.timestamp ?? never) };
  }

  /** A joined table keeps no past, so it is never asked for. */
  prepare(): void {}
}
