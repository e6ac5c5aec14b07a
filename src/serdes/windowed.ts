import { type Windowed, WindowKey } from '../model/window.js';
import type { Serde } from './serde.js';
import { showBytes } from './show.js';

const TWO_POW_32 = 2 ** 32;
const BOUND_BYTES = 8;
const BOUNDS_BYTES = 2 * BOUND_BYTES;
/** What Kafka writes for a window that never ends: the highest 64-bit integer. */
const ENDLESS_HIGH = 0x7fff_ffff;

/**
 * Keys of windows: the bytes of the key, then start and end of the window, 8 bytes each, big endian. A window that never ends has the highest 64-bit integer there. What belongs to one
 * key lies together, in the order of starts (unless keys begin with one another).
 *
 * ```ts
 * serdes.windowed(serdes.string).encode({ key: 'a', start: 0, end: 60_000 }); // → 61 | 00 … 00 | 00 … ea 60
 * ```
 */
export function windowed<K>(key: Serde<K>): Serde<Windowed<K>> {
  return {
    name: `windowed(${key.name})`,
    encode(window) {
      const bytes = key.encode(window.key);
      const encoded = Buffer.allocUnsafe(bytes.length + BOUNDS_BYTES);
      bytes.copy(encoded);
      writeBound(encoded, window.start, bytes.length);
      writeBound(encoded, window.end, bytes.length + BOUND_BYTES);
      return encoded;
    },
    decode(encoded) {
      const at = encoded.length - BOUNDS_BYTES;
      if (at < 0)
        throw new Error(
          `cannot decode a windowed key: saw ${showBytes(encoded)}, expected at least ${BOUNDS_BYTES} bytes`,
        );
      return new WindowKey(
        key.decode(encoded.subarray(0, at)),
        readBound(encoded, at),
        readBound(encoded, at + BOUND_BYTES),
      );
    },
  };
}

/** A moment as 8 bytes, big endian: they sort as the moments do. Infinity is the highest 64-bit integer. */
export function writeBound(bytes: Buffer, moment: number, at: number): number {
  if (moment === Number.POSITIVE_INFINITY) {
    bytes.writeInt32BE(ENDLESS_HIGH, at);
    return bytes.writeUInt32BE(0xffff_ffff, at + 4);
  }
  if (!Number.isSafeInteger(moment) || moment < 0)
    throw new Error(`cannot encode a moment: saw ${moment}, expected whole milliseconds since the epoch`);
  bytes.writeInt32BE(Math.floor(moment / TWO_POW_32), at);
  return bytes.writeUInt32BE(moment >>> 0, at + 4);
}

export function readBound(bytes: Buffer, at: number): number {
  const high = bytes.readInt32BE(at);
  return high === ENDLESS_HIGH ? Number.POSITIVE_INFINITY : high * TWO_POW_32 + bytes.readUInt32BE(at + 4);
}
