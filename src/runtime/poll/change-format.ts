/**
 * The format of a table's change in a repartition topic, format 1. One byte 1, the length of the previous row
 * (4 bytes, big endian; −1: there was none), the previous row, then a byte of flags and the new row. Flags:
 * 1, there is a new row (0: it is deleted); 2, the table keeps past versions of its rows; 4, the change
 * concerns the past.
 */
const FORMAT = 1;
const PRESENT = 1;
const VERSIONED = 2;
const OUT_OF_ORDER = 4;

export function encodeChange(value: Buffer | null, previous: Buffer | null, outOfOrder?: boolean): Buffer {
  const previousLength = previous?.length ?? 0;
  const bytes = Buffer.allocUnsafe(6 + previousLength + (value?.length ?? 0));
  bytes[0] = FORMAT;
  bytes.writeInt32BE(previous === null ? -1 : previousLength, 1);
  previous?.copy(bytes, 5);
  const past = outOfOrder === undefined ? 0 : outOfOrder ? VERSIONED | OUT_OF_ORDER : VERSIONED;
  bytes[5 + previousLength] = past | (value === null ? 0 : PRESENT);
  value?.copy(bytes, 6 + previousLength);
  return bytes;
}

export function decodeChange(bytes: Buffer): {
  readonly value: Buffer | null;
  readonly previous: Buffer | null;
  /** Undefined: the table keeps no past versions. */
  readonly outOfOrder: boolean | undefined;
} {
  if (bytes[0] !== FORMAT || bytes.length < 6)
    throw new Error(`saw a change of format ${bytes[0]} and ${bytes.length} bytes, expected format ${FORMAT}`);
  const length = bytes.readInt32BE(1);
  const end = 5 + Math.max(0, length);
  if (end >= bytes.length) throw new Error(`saw a change of ${bytes.length} bytes, expected more than ${end}`);
  const flags = bytes[end] as number;
  return {
    previous: length < 0 ? null : bytes.subarray(5, end),
    value: (flags & PRESENT) === 0 ? null : bytes.subarray(end + 1),
    outOfOrder: (flags & VERSIONED) === 0 ? undefined : (flags & OUT_OF_ORDER) !== 0,
  };
}
