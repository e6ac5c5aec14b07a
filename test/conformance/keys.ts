import { type Serde, serdes, type Windowed } from '#src/index.js';
import { WindowKey } from '#src/model/window.js';
import type { Json } from './case.js';

/** No text begins with this byte. */
const WINDOWED = 0xff;
const windowed = serdes.windowed(serdes.string);

/** Keys of the vectors, text or windowed: both may be written to one topic, and text sorts by its UTF-8 bytes. */
const anyKey: Serde<any> = {
  name: 'conformance-key',
  encode: (key) =>
    typeof key === 'string'
      ? serdes.string.encode(key)
      : Buffer.concat([Buffer.of(WINDOWED), windowed.encode(key as Windowed<string>)]),
  decode: (bytes) => (bytes[0] === WINDOWED ? windowed.decode(bytes.subarray(1)) : serdes.string.decode(bytes)),
};

export const ANY_AND_JSON = { key: anyKey, value: serdes.json<Json>() };

/** A key as the vectors write it. */
export function writtenKey(key: unknown): Json {
  if (!(key instanceof WindowKey)) return key;
  const { key: inner, start, end } = key;
  return { key: inner, startMs: start, endMs: Number.isFinite(end) ? end : null };
}
