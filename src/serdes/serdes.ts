import { json } from './json.js';
import { bigint64, bytes, double, int64, string, uuid } from './scalars.js';
import { sessionWindowed, timeWindowed, windowed } from './windowed.js';

/**
 * The serdes of millrace, byte-compatible with Kafka's own serializers for the same types.
 *
 * | serde | type | bytes | refuses |
 * |---|---|---|---|
 * | `string` | `string` | UTF-8 | invalid UTF-8, lone surrogates |
 * | `bytes` | `Buffer` | unchanged, not copied | |
 * | `int64` | `number` | 8, big-endian, as LongSerializer | in both directions: values that are not integers of at most 2^53 - 1 in size |
 * | `bigint64` | `bigint` | 8, big-endian, as LongSerializer | bigints beyond 64 bits |
 * | `double` | `number` | 8, IEEE 754 big-endian, as DoubleSerializer | |
 * | `uuid` | `string` | the text of 36 characters, as UUIDSerializer; lower-cased in both directions | everything else |
 * | `json<T>(options?)` | `T` | JSON in UTF-8 | see `json` |
 * | `windowed(key)` | `Windowed<K>` | the key, start and end of the window | see `windowed` |
 * | `timeWindowed(key, size)` | `Windowed<K>` | the key and the start, as TimeWindowedSerializer | windows of another size |
 * | `sessionWindowed(key)` | `Windowed<K>` | the key, end and start, as SessionWindowedSerializer | |
 *
 * `null` never reaches them: tombstones and missing keys bypass them. None has state; each call costs one
 * small allocation. A failure is a plain `Error` with `saw …, expected …`. In a running topology it becomes
 * DESERIALIZE_FAILED or SERIALIZE_FAILED with the record's position.
 *
 * Keys are ordered on disk by their bytes. `string` and `uuid` sort as text. `int64` and `bigint64` sort by
 * number, except that negative ones come after all others. `double` does not sort by number.
 *
 * ```ts
 * serdes.int64.encode(258); // → 00 00 00 00 00 00 01 02
 * ```
 */
export const serdes = {
  string,
  bytes,
  int64,
  bigint64,
  double,
  uuid,
  json,
  windowed,
  timeWindowed,
  sessionWindowed,
} as const;
