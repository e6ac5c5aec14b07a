/**
 * How a change of a table travels through a repartition topic, format 1: one byte 1, the length of the previous row (4 bytes, big endian; −1: there was none), the previous row, then the new row if the change is no deletion, with a leading byte 1, else a byte 0.
 */
const FORMAT = 1;

export function encodeChange(value: Buffer | null, previous: Buffer | null): Buffer {
  const previousLength = previous?.length ?? 0;
  const bytes = Buffer.allocUnsafe(6 + previousLength + (value?.length ?? 0));
  bytes[0] = FORMAT;
  bytes.writeInt32BE(previous === null ? -1 : previousLength, 1);
  previous?.copy(bytes, 5);
  bytes[5 + previousLength] = value === null ? 0 : 1;
  value?.copy(bytes, 6 + previousLength);
  return bytes;
}

export function decodeChange(bytes: Buffer): { readonly value: Buffer | null; readonly previous: Buffer | null } {
  if (bytes[0] !== FORMAT || bytes.length < 6)
    throw new Error(`saw a change of format ${bytes[0]} and ${bytes.length} bytes, expected format ${FORMAT}`);
  const length = bytes.readInt32BE(1);
  const end = 5 + Math.max(0, length);
  if (end >= bytes.length) throw new Error(`saw a change of ${bytes.length} bytes, expected more than ${end}`);
  return {
    previous: length < 0 ? null : bytes.subarray(5, end),
    value: bytes[end] === 0 ? null : bytes.subarray(end + 1),
  };
}
