import { noRow } from '../../model/no-row.js';
import type { Serde } from '../../serdes/serde.js';

/** The key of the right table that a left row refers to, and its bytes. */
export interface ForeignKey {
  readonly key: unknown;
  readonly bytes: Buffer;
}

/** Computes the foreign keys of left rows. */
export class ForeignKeys {
  constructor(
    private readonly fn: (value: unknown, key: unknown) => unknown,
    private readonly serde: Serde<unknown>,
  ) {}

  /**
   * The key that a row refers to; null: none. Throws if the user's function throws, or if its result cannot
   * be encoded.
   */
  of(value: unknown, key: unknown): ForeignKey | null {
    const found = value === null ? null : (this.fn(value, key) ?? null);
    return found === null ? null : { key: found, bytes: this.serde.encode(found) };
  }

  /** The same, but `failed` if the policy continues after an error: the row then takes part in no join. */
  tried(value: unknown, key: unknown): ForeignKey | null | 'failed' {
    try {
      return this.of(value, key);
    } catch (error) {
      return noRow(error) ?? 'failed';
    }
  }
}
