import { noRow } from '../../model/no-row.js';
import type { Serde } from '../../serdes/serde.js';

/** The key of the right table that a left row refers to, and its bytes. */
export interface ForeignKey {
  readonly key: unknown;
  readonly bytes: Buffer;
}

/** Finds the foreign keys of left rows. */
export class ForeignKeys {
  constructor(
    private readonly fn: (value: unknown, key: unknown) => unknown,
    private readonly serde: Serde<unknown>,
  ) {}

  /**
   * What a row refers to; null: nothing. Throws what the user's function throws, and if its result cannot be
   * written.
   */
  of(value: unknown, key: unknown): ForeignKey | null {
    const found = value === null ? null : (this.fn(value, key) ?? null);
    return found === null ? null : { key: found, bytes: this.serde.encode(found) };
  }

  /** The same of a row that may have failed, and was let go by the policy: it is in no join then. */
  tried(value: unknown, key: unknown): ForeignKey | null | 'failed' {
    try {
      return this.of(value, key);
    } catch (error) {
      return noRow(error) ?? 'failed';
    }
  }
}
