import { type Change, RowChange } from '../../model/record.js';
import type { Lookups, Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { RowJoin } from './table-table-join.js';
import type { Rows } from './table-view.js';

/**
 * Joins two tables by key if one record may change both: a table and one derived from it, or two tables
 * derived from a third. The record then arrives on both paths, one after the other, when the stores of both
 * sides have already changed. So neither the change's own `previous` nor a look-up gives the previous joined
 * row. The previous joined row is the one emitted last for this record, or else the join of the rows before
 * the record.
 *
 * On each path, the joined row is computed from the current rows, and its previous value is the one that
 * downstream operators have seen. So the changes of a row always form a chain, and the last one is the row.
 *
 * Cost: two look-ups per change, and the emitted joined rows of the current record in memory.
 */
export class DiamondJoin implements Processor {
  readonly #context: ProcessorContext;
  readonly #left: Rows;
  readonly #right: Rows;
  readonly #join: RowJoin;
  /** The joined rows emitted for the current record. */
  readonly #told = new Map<string, unknown>();
  #sequence = -1;

  constructor([left, right]: readonly [Rows, Rows], context: ProcessorContext, join: RowJoin) {
    this.#left = left;
    this.#right = right;
    this.#context = context;
    this.#join = join;
  }

  prepare({ key }: AnyRecord, _port: number, lookups: Lookups): void {
    this.#left.want(key, lookups);
    this.#right.want(key, lookups);
  }

  process(change: Change<unknown, unknown>, port: number): void {
    if (change.outOfOrder) return this.#context.drop('out-of-order');
    if ((port === 0 ? this.#right : this.#left).isOver(change.key)) return this.#context.drop('expired');
    const [left, right] = [this.#left.row(change.key), this.#right.row(change.key)];
    const joined = this.#join.of(left?.value ?? null, right?.value ?? null, change.key);
    const other = port === 0 ? right : left;
    this.#tell(change, joined, other === null ? change.timestamp : Math.max(change.timestamp, other.timestamp));
  }

  /** The joined row cannot be computed: there is none until the next change of either side. */
  giveUp(change: Change<unknown, unknown>): void {
    this.#tell(change, null, change.timestamp);
  }

  #tell({ key, headers }: Change<unknown, unknown>, joined: unknown, timestamp: number): void {
    if (this.#sequence !== this.#context.sequence) {
      this.#told.clear();
      this.#sequence = this.#context.sequence;
    }
    const id = this.#left.id(key);
    const previous = this.#told.has(id)
      ? this.#told.get(id)
      : this.#join.tried(this.#left.before(key), this.#right.before(key), key);
    if (joined === null && previous === null) return;
    this.#told.set(id, joined);
    this.#context.emit(new RowChange(key, joined, previous, timestamp, headers));
  }
}
