import type { Headers } from '../../model/headers.js';
import { checkedBefore } from '../../serdes/check.js';
import { containing } from '../../serdes/containing.js';
import type { Serde } from '../../serdes/serde.js';
import { ByteReader, readHeaders, written } from '../common/bytes.js';
import type { Due } from './due-queue.js';

/** The waiting change of a row, and the value of the row that was emitted last. */
export class Pending<V> {
  /** The size of the row in bytes, once it was measured or read. */
  size: number | undefined;
  /** The encoded row, from when it was measured until it is written. */
  bytes: Buffer | undefined;

  constructor(
    readonly value: V | null,
    readonly previous: V | null,
    readonly timestamp: number,
    readonly headers: Headers,
  ) {}

  /** For tools that show the store. */
  toJSON(): object {
    const { value, previous, timestamp } = this;
    return { value, previous, timestamp };
  }
}

const FORMAT = 1;

/**
 * A waiting change on disk, format 1 (integers big endian):
 *
 * | bytes | what |
 * |---|---|
 * | 1 | format |
 * | 8 | timestamp, double |
 * | 4 + n | value; length −1: null |
 * | 4 + n | previous value; length −1: null |
 * | 4 | number of headers, then for each: 4 + n name, 4 + n value; length −1: null |
 */
export function pendingSerde<V>(value: Serde<V>): Serde<Pending<V>> {
  return containing(value, {
    name: `pending-${FORMAT}(${value.name})`,
    check: checkedBefore,
    encode(pending) {
      const { bytes } = pending;
      pending.bytes = undefined;
      return bytes ?? encodePending(pending, value);
    },
    decode(bytes) {
      const reader = new ByteReader(bytes, 'a change that waits');
      checkFormat(reader.byte());
      const timestamp = reader.double();
      const read = (): V | null => decodeOrNull(value, reader.bytes());
      const pending = new Pending(read(), read(), timestamp, readHeaders(reader));
      pending.size = bytes.length;
      return pending;
    },
  });
}

/** The size of the row in bytes. It encodes the row once, and the write reuses the bytes. */
export function sizeOf<V>(pending: Pending<V>, value: Serde<V>): number {
  if (pending.size === undefined) {
    pending.bytes = encodePending(pending, value);
    pending.size = pending.bytes.length;
  }
  return pending.size;
}

/** Where the change of a key waits, and what is needed to replace it without reading it. */
export class PendingRef<K, V> {
  constructor(
    readonly due: number,
    readonly previous: V | null,
    /** Its size for `maxBytes`; zero without that limit. */
    readonly size: number,
    /** The key of the waiting row, once it was needed. */
    public row?: Due<K>,
  ) {}

  /** For tools that show the store. */
  toJSON(): object {
    const { due, previous } = this;
    return { due, previous };
  }
}

/** Format 1: 1 byte format, 8 due (double), 4 size, 4 + n previous value (length −1: null). */
export function pendingRefSerde<K, V>(value: Serde<V>): Serde<PendingRef<K, V>> {
  return containing(value, {
    name: `place-${FORMAT}(${value.name})`,
    check: checkedBefore,
    encode: ({ due, previous, size }) =>
      written((row) => {
        row.byte(FORMAT);
        row.double(due);
        row.int32(size);
        row.bytes(encodeOrNull(value, previous));
      }),
    decode(bytes) {
      const reader = new ByteReader(bytes, 'the place of a change that waits');
      checkFormat(reader.byte());
      const [due, size] = [reader.double(), reader.int32()];
      return new PendingRef(due, decodeOrNull(value, reader.bytes()), size);
    },
  });
}

const encodePending = <V>(pending: Pending<V>, serde: Serde<V>): Buffer =>
  written((row) => {
    row.byte(FORMAT);
    row.double(pending.timestamp);
    row.bytes(encodeOrNull(serde, pending.value));
    row.bytes(encodeOrNull(serde, pending.previous));
    row.headers(pending.headers);
  });

const encodeOrNull = <V>(serde: Serde<V>, value: V | null): Buffer | null =>
  value === null ? null : serde.encode(value);

const decodeOrNull = <V>(serde: Serde<V>, bytes: Buffer | null): V | null =>
  bytes === null ? null : serde.decode(bytes);

function checkFormat(format: number): void {
  if (format !== FORMAT) throw new Error(`saw row format ${format}, expected ${FORMAT}`);
}
