import type { BrokerRecord } from '../../broker/port.js';

/** The memory of a record's objects, without its bytes. */
export const RECORD_BYTES = 300;
/** With less, a task would process its records in tiny steps. */
const MIN_BYTES_EACH = 128 * 1024;

/** The memory of a record that waits to be processed. */
export const bufferedBytes = ({ key, value, headers }: BrokerRecord): number =>
  RECORD_BYTES + (key === null ? 0 : key.length) + (value === null ? 0 : value.length) + headers.byteLength;

/**
 * Memory for records that were read and wait to be processed, for all tasks of an application in this
 * process. Kafka Streams calls it `input.buffer.max.bytes`.
 *
 * Each task has the same share, at least 128 KiB. A task may use twice its share. It may always hold one
 * record of each of its partitions, whatever its size: the order cannot be determined without it.
 */
export class InputBuffer {
  readonly maxBytes: number;
  #tasks = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Registers another task that shares the buffer, until the returned function is called. */
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
