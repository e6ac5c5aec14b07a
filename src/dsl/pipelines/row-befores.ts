import { type Change, isChange } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import type { AnyRecord } from '../contract/push.js';

/**
 * The rows of a table before the current record changed them. Kept only for a {@link DiamondJoin}, and for
 * one record at a time.
 */
export class RowBefores {
  readonly #key: Serde<unknown>;
  readonly #now: () => number;
  readonly #befores = new Map<string, unknown>();
  #sequence = -1;

  /**
   * @param now The sequence number of the current record. The work of a timer counts with the record before
   * or after it.
   */
  constructor(key: Serde<unknown>, now: () => number) {
    this.#key = key;
    this.#now = now;
  }

  /** Called before downstream operators receive the change. Only the first change of a row counts. */
  note(record: AnyRecord): void {
    if (!isChange(record) || record.outOfOrder) return;
    this.#forgetOthers();
    const id = this.id(record.key);
    if (!this.#befores.has(id)) this.#befores.set(id, (record as Change<unknown, unknown>).previous);
  }

  /** Undefined: the record has not changed the row. */
  of(key: unknown): unknown {
    this.#forgetOthers();
    return this.#befores.get(this.id(key));
  }

  /** Keys are equal if their bytes are, as in the store. */
  id(key: unknown): string {
    return this.#key.encode(key).toString('latin1');
  }

  #forgetOthers(): void {
    const sequence = this.#now();
    if (sequence === this.#sequence) return;
    this.#befores.clear();
    this.#sequence = sequence;
  }
}
