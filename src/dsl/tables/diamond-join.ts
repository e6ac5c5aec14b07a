import { type Change, RowChange } from '../../model/record.js';
import type { Lookups, Processor, ProcessorContext } from '../processor.js';
import type { AnyRecord } from '../push.js';
import type { RowJoin } from './table-table-join.js';
import type { Rows } from './table-view.js';

/**
 * Joins two tables by key that one record may change both: a table with one that is made of it, or two that
 * are made of a third. The record then comes by both ways, one after the other, while the stores of both
 * sides have changed already. So neither a change's own `previous` nor a look-up says what the joined row
 * was: what was told last does, and before the record came, the rows that were there then.
 *
 * Whichever way a change comes by, the joined row follows from the rows as they are, and what it was is what
 * those who follow know. So the changes of a row always link up, and the last one is the row.
 *
 * Cost: two look-ups a change, and what was told for each key of the record at hand.
 */
export class DiamondJoin implements Processor {
  readonly #context: ProcessorContext;
  readonly #left: Rows;
  readonly #right: Rows;
  readonly #join: RowJoin;
  /** The joined rows that were told of for the record at hand. */
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
    const [left, right] = [this.#left.row(change.key), this.#right.row(change.key)];
    const joined = this.#join.of(left?.value ?? null, right?.value ?? null, change.key);
    const other = port === 0 ? right : left;
    this.#tell(change, joined, other === null ? change.timestamp : Math.max(change.timestamp, other.timestamp));
  }

  /** The joined row is not to be had: there is none until the next change of either side. */
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
