/// <reference types="node" preserve="true" />
import type { Headers } from '../model/headers.js';
import type { Windowed } from '../model/window.js';
import type { SchemaRegistry } from './registry/port.js';

/**
 * Encodes values of one type as bytes, and decodes them. Passed wherever a topic or a store is named.
 *
 * - `null` never reaches a serde: tombstones and missing keys bypass it.
 * - A serde is a pure function of its argument: the same value always gives the same bytes, because keys are
 *   compared as bytes.
 * - Both functions run once per record on the hot path. They are synchronous, and report a failure with a
 *   plain `Error` that has a message of the form `saw …, expected …`. The runtime wraps it in
 *   DESERIALIZE_FAILED or SERIALIZE_FAILED with the record's position.
 * - `decode` may return a view of its input bytes; copy it before keeping it for long.
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
   * The name of the format, stored with the state on disk. Opening a store with a serde of another name fails
   * with STATE_MISMATCH, instead of misreading the bytes. Change the name exactly when the bytes change.
   */
  readonly name: string;
  encode(value: T): Buffer;
  /** `headers` are the record's headers, if the bytes come from a topic. */
  decode(bytes: Buffer, headers?: Headers): T;
  /**
   * Only for serdes of strings: different strings always have different bytes, so that the string itself can
   * serve as a lookup key.
   */
  readonly text?: true;
  /**
   * Only for serdes that may decode different bytes to the same value: the variant for keys, which refuses
   * such values. Keys are always encoded and decoded with it if it exists.
   */
  readonly asKey?: Serde<T>;
  /**
   * Throws exactly if `encode` would, but makes no bytes. A store calls it for each value that is put, so
   * that a value that cannot be written fails the record that put it. Left out: the store calls `encode` for
   * each value that is put, and keeps the last bytes for the commit. Implement it if `encode` is expensive
   * and rows change often.
   */
  check?(value: T): void;
  /**
   * Makes a value from its JSON, for tools: a key on the command line, a line that is sent. Throws a plain
   * `Error` that names the place where the JSON does not fit. Left out: the parsed JSON is the value.
   */
  readonly fromJson?: (json: unknown) => T;
  /**
   * Only for keys that contain another key: the part of the bytes that determines the partition. Default: all
   * bytes. A window is in the partition of its key.
   */
  partitionBytes?(encoded: Buffer): Buffer;
  /**
   * Only for serdes that need an external service, such as a schema registry. They are bound to the topic of
   * their use, and opened, before they encode or decode.
   */
  readonly binding?: Binding<T> | undefined;
  /**
   * Only for bound serdes: a header that may identify the format of the bytes. The code that decodes a record
   * removes the header, because it would be wrong for bytes that are written later.
   */
  readonly header?: string;
  /**
   * Only for serdes with bytes that identify their version of the format. Stored with the state on disk, so
   * that a change is noticed on opening.
   */
  readonly format?: Format | undefined;
  /**
   * Only for serdes with a `decode` that may throw `NotReady`: throws it if `decode` would, for these bytes,
   * and decodes nothing.
   */
  readonly ready?: (bytes: Buffer) => void;
}

/** The serde for keys. */
export const asKey = <T>(serde: Serde<T>): Serde<T> => serde?.asKey ?? serde;

/** Where a serde is used. */
export interface SerdeUsage {
  /** Undefined for a sink that chooses the topic of each record. */
  readonly topic: string | undefined;
  readonly side: 'key' | 'value';
  /** Direction of use. A schema that is only read need not be registered under this topic. */
  readonly use: 'read' | 'write' | 'both';
}

/** The services of an application for serdes that need them. */
export interface SerdeServices {
  /** Called when the registry is first needed. CONFIG_INVALID if there is none. */
  readonly schemaRegistry: () => Promise<SchemaRegistry>;
  /** Whether schemas that are missing in the registry are registered. */
  readonly registerSchemas: boolean;
  /**
   * Used if nothing that is written leaves the process: the id for a schema that is not in the registry and
   * is not registered. Left out: SCHEMA_UNKNOWN.
   */
  readonly standIn?: ((schema: string) => number) | undefined;
}

/** Makes a serde usable in one place. Each call makes a new one. */
export interface Binding<T> {
  bind(place: SerdeUsage, services: SerdeServices): BoundSerde<T>;
}

/** A serde for one place. It must be opened once before any other call. */
export interface BoundSerde<T> extends Serde<T> {
  /**
   * Fetches everything that encoding needs. Decoding may need more later, depending on the bytes: see
   * `NotReady`.
   */
  open(): Promise<void>;
  /** For a place without a known topic: the serde for a topic. The code that catches `NotReady` opens it. */
  at(topic: string): Serde<T>;
  /**
   * Makes a value from its JSON, for tools. Throws a plain `Error` that names the place where the JSON does
   * not fit.
   */
  fromJson(json: unknown): T;
}

/** The format of bytes on disk, as text, and which other formats are readable. */
export interface Format {
  /** The format that is written now. */
  readonly text: string;
  /** Why bytes of another format cannot be read; undefined if they can. */
  cannotRead(written: string): string | undefined;
}

/** A serde for windows of a key. */
export interface WindowedSerde<K> extends Serde<Windowed<K>> {
  /** The serde of the key itself. */
  readonly inner: Serde<K>;
}

// biome-ignore lint/suspicious/noExplicitAny: a serde of any keys
export const isWindowed = (serde: Serde<any>): serde is WindowedSerde<unknown> => 'inner' in serde;
