import { type Change, isChange } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import type { AnyRecord } from '../push.js';

/**
 * What the rows of a table were before the record at hand changed them. Kept only where a {@link DiamondJoin}
 * asks for it, and for one record at a time.
 */
export class RowBefores {
  readonly #key: Serde<unknown>;
  readonly #now: () => number;
  readonly #befores = new Map<string, unknown>();
  #sequence = -1;

  /**
   * @param now The sequence number of the record at hand: what timers cause counts as caused by the record
   * before them, or after.
   */
  constructor(key: Serde<unknown>, now: () => number) {
    this.#key = key;
    this.#now = now;
  }

  /** Before anybody hears of the change. Of several of one row the first counts. */
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

  /** Keys are the same if their bytes are, as for the store. */
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
