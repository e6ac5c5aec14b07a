import type { DatabaseWrite } from '../model/database.js';
import { PREFIX_BYTES, TIMESTAMP_BYTES } from './layout.js';

/** Which record a change is caused by: set by the engine before it calls a processor. */
export interface Cause {
  topic: string;
  offset: number;
  timestamp: number;
}

/**
 * What one commit of a store writes to its changelog: the last state of one key that changed. Its bytes are
 * parts of what is written to the database.
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
