import { type Duration, durationMs } from '../model/duration.js';
import { type Windowed, WindowKey } from '../model/window.js';
import { checkEncodes } from './check.js';
import { containing } from './containing.js';
import { keyOfForm } from './key-form.js';
import type { BoundSerde, Serde, WindowedSerde } from './serde.js';
import { showBytes, showValue } from './show.js';

const TWO_POW_32 = 2 ** 32;
const BOUND_BYTES = 8;
const BOUNDS_BYTES = 2 * BOUND_BYTES;
/** Kafka's end of a window that never ends: the highest 64-bit integer. */
const ENDLESS_HIGH = 0x7fff_ffff;

/**
 * Keys of windows: the bytes of the key, then start and end of the window, 8 bytes each, big endian. A window
 * that never ends has the highest 64-bit integer as its end. The windows of one key are adjacent, in the
 * order of their starts (unless one key is a prefix of another). A calendar window that begins before the
 * epoch has a negative start, and sorts last. Keys may be Avro: their schema is the schema of the topic's
 * keys.
 *
 * ```ts
 * serdes.windowed(serdes.string).encode({ key: 'a', start: 0, end: 60_000 }); // → 61 | 00 … 00 | 00 … ea 60
 * ```
 */
export function windowed<K>(key: Serde<K>): WindowedSerde<K> {
  return asKeysAre(key, windowed, {
    name: `windowed(${key.name})`,
    inner: key,
    partitionBytes: (encoded) => encoded.subarray(0, -BOUNDS_BYTES),
    encode: (window) => withBounds(key.encode(window.key), window.start, window.end, writeStart),
    check(window) {
      checkEncodes(key, window.key);
      if (!(window.start < 0 && Number.isSafeInteger(window.start))) checkBound(window.start);
      checkBound(window.end);
    },
    decode(encoded, headers) {
      const at = boundsOf(encoded, BOUNDS_BYTES);
      return new WindowKey(
        key.decode(encoded.subarray(0, at), headers),
        readBound(encoded, at),
        readBound(encoded, at + BOUND_BYTES),
      );
    },
  });
}

/**
 * Keys of time windows as Kafka's TimeWindowedSerializer writes them: the bytes of the key, then the start, 8
 * bytes, big endian. The end is not written, so readers need the window size. Use it for topics that Java
 * applications read; for all others use `windowed`, which supports windows of any length.
 *
 * ```ts
 * to('clicks-per-minute', { key: serdes.timeWindowed(serdes.string, '1m'), value: serdes.int64 });
 * ```
 */
export function timeWindowed<K>(key: Serde<K>, size: Duration): WindowedSerde<K> {
  const sizeMs = durationMs(size, 'the size of time windows');
  return asKeysAre(key, (other) => timeWindowed(other, size), {
    name: `timeWindowed(${key.name}, ${sizeMs}ms)`,
    inner: key,
    partitionBytes: (encoded) => encoded.subarray(0, -BOUND_BYTES),
    encode(window) {
      if (window.end - window.start !== sizeMs)
        throw new Error(
          `cannot encode a window: saw one of ${window.end - window.start} ms, expected ${sizeMs} ms, since its end is not written`,
        );
      const bytes = key.encode(window.key);
      const encoded = Buffer.allocUnsafe(bytes.length + BOUND_BYTES);
      bytes.copy(encoded);
      writeBound(encoded, window.start, bytes.length);
      return encoded;
    },
    decode(encoded, headers) {
      const at = boundsOf(encoded, BOUND_BYTES);
      const start = readBound(encoded, at);
      return new WindowKey(key.decode(encoded.subarray(0, at), headers), start, start + sizeMs);
    },
  });
}

/**
 * Keys of sessions as Kafka's SessionWindowedSerializer writes them: the bytes of the key, then the end and
 * the start, 8 bytes each, big endian. Use it for topics that Java applications read.
 *
 * ```ts
 * to('visits', { key: serdes.sessionWindowed(serdes.string), value: serdes.int64 });
 * ```
 */
export function sessionWindowed<K>(key: Serde<K>): WindowedSerde<K> {
  return asKeysAre(key, sessionWindowed, {
    name: `sessionWindowed(${key.name})`,
    inner: key,
    partitionBytes: (encoded) => encoded.subarray(0, -BOUNDS_BYTES),
    encode: (window) => withBounds(key.encode(window.key), window.end, window.start),
    decode(encoded, headers) {
      const at = boundsOf(encoded, BOUNDS_BYTES);
      return new WindowKey(
        key.decode(encoded.subarray(0, at), headers),
        readBound(encoded, at + BOUND_BYTES),
        readBound(encoded, at),
      );
    },
  });
}

/**
 * Adds to a serde of windows what the serde of their keys needs: it is bound, and then opened, together with
 * the serde of windows. `make` creates the same serde of windows for another serde of keys.
 */
function asKeysAre<K>(
  key: Serde<K>,
  make: (key: Serde<K>) => WindowedSerde<K>,
  serde: WindowedSerde<K> & Required<Pick<WindowedSerde<K>, 'partitionBytes'>>,
): WindowedSerde<K> {
  const { binding, header } = key;
  const own: WindowedSerde<K> = {
    ...serde,
    ...(header !== undefined && { header }),
    ...(key.asKey && { asKey: make(key.asKey) }),
    fromJson: (json) => windowOfJson(key, json),
    ...(key.ready && { ready: (encoded: Buffer) => key.ready?.(serde.partitionBytes(encoded)) }),
    ...(binding && { binding: { bind: (place, services) => boundWindows(binding.bind(place, services), make) } }),
  };
  containing(key, own);
  return own;
}

function boundWindows<K>(key: BoundSerde<K>, make: (key: Serde<K>) => WindowedSerde<K>): BoundSerde<Windowed<K>> {
  const topics = new Map<string, WindowedSerde<K>>();
  return Object.assign(make(key), {
    open: () => key.open(),
    at(topic: string) {
      const known = topics.get(topic) ?? make(key.at(topic));
      topics.set(topic, known);
      return known;
    },
    fromJson: (json: unknown) => windowOfJson(key, json),
  });
}

/** A window from `{"key": …, "start": …, "end": …}`; an end of null means a window that never ends. */
function windowOfJson<K>(serde: Serde<K>, json: unknown): Windowed<K> {
  const { key, start, end, ...others } = (json ?? {}) as Partial<Record<keyof Windowed<unknown>, unknown>>;
  const isMoment = (moment: unknown): moment is number => Number.isSafeInteger(moment);
  if (key === undefined || !isMoment(start) || !(end === null || isMoment(end)) || Object.keys(others).length > 0) {
    throw new Error(
      `cannot make a window from JSON: saw ${showValue(json)}, expected {"key": …, "start": milliseconds, "end": milliseconds or null}`,
    );
  }
  return new WindowKey(keyOfForm(serde, key), start, end ?? Number.POSITIVE_INFINITY);
}

function withBounds(key: Buffer, first: number, second: number, write = writeBound): Buffer {
  const encoded = Buffer.allocUnsafe(key.length + BOUNDS_BYTES);
  key.copy(encoded);
  write(encoded, first, key.length);
  writeBound(encoded, second, key.length + BOUND_BYTES);
  return encoded;
}

/** The position at which the bounds begin in a windowed key. */
function boundsOf(encoded: Buffer, length: number): number {
  const at = encoded.length - length;
  if (at >= 0) return at;
  throw new Error(`cannot decode a windowed key: saw ${showBytes(encoded)}, expected at least ${length} bytes`);
}

/**
 * Writes a time as 8 bytes, big endian: the bytes sort like the times. Infinity is the highest 64-bit
 * integer.
 */
export function writeBound(bytes: Buffer, moment: number, at: number): number {
  if (moment === Number.POSITIVE_INFINITY) {
    bytes.writeInt32BE(ENDLESS_HIGH, at);
    return bytes.writeUInt32BE(0xffff_ffff, at + 4);
  }
  checkBound(moment);
  return writeMoment(bytes, moment, at);
}

/** Writes a start, which may be before the epoch: in two's complement, so that it sorts after all others. */
function writeStart(bytes: Buffer, start: number, at: number): number {
  return start < 0 && Number.isSafeInteger(start) ? writeMoment(bytes, start, at) : writeBound(bytes, start, at);
}

function writeMoment(bytes: Buffer, moment: number, at: number): number {
  bytes.writeInt32BE(Math.floor(moment / TWO_POW_32), at);
  return bytes.writeUInt32BE(moment >>> 0, at + 4);
}

function checkBound(moment: number): void {
  if (moment === Number.POSITIVE_INFINITY || (Number.isSafeInteger(moment) && moment >= 0)) return;
  throw new Error(`cannot encode a moment: saw ${moment}, expected whole milliseconds since the epoch`);
}

export function readBound(bytes: Buffer, at: number): number {
  const high = bytes.readInt32BE(at);
  return high === ENDLESS_HIGH ? Number.POSITIVE_INFINITY : high * TWO_POW_32 + bytes.readUInt32BE(at + 4);
}
