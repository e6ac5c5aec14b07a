import type { DatabaseWrite } from '../../model/database.js';
import { PREFIX_BYTES, TIMESTAMP_BYTES } from '../layout.js';

/** The record that causes a change: set by the engine before it calls a processor. */
export interface Cause {
  topic: string;
  offset: number;
  timestamp: number;
}

/**
 * One changelog record of a commit: the last state of one changed key. It shares its bytes with the database
 * write.
 */
export class ChangelogEntry {
  readonly #write: DatabaseWrite;

  constructor(
    write: DatabaseWrite,
    readonly timestamp: number,
    readonly causeTopic: string,
    readonly causeOffset: number,
  ) {
    this.#write = write;
  }

  get key(): Buffer {
    return this.#write.key.subarray(PREFIX_BYTES);
  }

  get value(): Buffer | null {
    const { value } = this.#write;
    return value === null ? null : value.subarray(TIMESTAMP_BYTES);
  }
}
