import type { BrokerRecord } from '../broker/port.js';

/** What the objects of a record take besides its bytes. */
export const RECORD_BYTES = 300;
/** Below that a task would go through its records in tiny steps. */
const MIN_BYTES_EACH = 128 * 1024;

/** What a record takes while it waits for its turn. */
export const bufferedBytes = ({ key, value, headers }: BrokerRecord): number =>
  RECORD_BYTES + (key === null ? 0 : key.length) + (value === null ? 0 : value.length) + headers.byteLength;

/**
 * Memory for records that are read and wait for their turn, of all tasks of an application in this process.
 * Kafka Streams calls it `input.buffer.max.bytes`.
 *
 * Each task has the same share, 128 KiB at least. A task may have twice its share here, and a record of each
 * of its partitions whatever its size: without that it could not be told which comes next.
 */
export class InputBuffer {
  readonly maxBytes: number;
  #tasks = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Another task shares it, until the returned function is called. */
  share(): () => void {
    let leave = (): void => {
      leave = () => undefined;
      this.#tasks--;
    };
    this.#tasks++;
    return () => leave();
  }

  get bytesEach(): number {
    return Math.max(MIN_BYTES_EACH, this.maxBytes / Math.max(1, this.#tasks));
  }
}
