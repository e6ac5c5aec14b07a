import type { Windowed } from '../model/window.js';

/**
 * How values of one type become bytes and come back. Given wherever a topic or a store is named.
 *
 * - `null` never reaches a serde: a tombstone passes by, and so does a missing key.
 * - A serde is a pure function of its argument: the same value always gives the same bytes, because keys are compared as bytes.
 * - Both functions run once per record on the hot path: synchronous, and a failure is thrown as a plain `Error` whose message says
 *   `saw …, expected …`. The runtime wraps it in DESERIALIZE_FAILED or SERIALIZE_FAILED with the record's position.
 * - `decode` may return a view on the bytes it was given; who keeps it for long copies it.
 *
 * ```ts
 * const celsius: Serde<number> = {
 *   name: 'celsius',
 *   encode: (value) => serdes.int64.encode(Math.round(value * 100)),
 *   decode: (bytes) => serdes.int64.decode(bytes) / 100,
 * };
 * ```
 */
export interface Serde<T> {
  /**
   * The name of the format. It is kept beside the state on disk: a store that is opened with a serde of another name fails with
   * STATE_MISMATCH, instead of reading bytes that mean something else. Change it exactly when the bytes change.
   */
  readonly name: string;
  encode(value: T): Buffer;
  decode(bytes: Buffer): T;
  /** Of a key that contains another: those of its bytes that its partition is chosen by. Default: all. A window lies where its key lies. */
  partitionBytes?(encoded: Buffer): Buffer;
}

/** How windows of a key are written. */
export interface WindowedSerde<K> extends Serde<Windowed<K>> {
  /** How the key itself is written. */
  readonly inner: Serde<K>;
}

// biome-ignore lint/suspicious/noExplicitAny: a serde of any keys
export const isWindowed = (serde: Serde<any>): serde is WindowedSerde<unknown> => 'inner' in serde;
