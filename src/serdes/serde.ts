import type { Headers } from '../model/headers.js';
import type { Windowed } from '../model/window.js';
import type { SchemaRegistry } from './registry/port.js';

/**
 * How values of one type become bytes and come back. Given wherever a topic or a store is named.
 *
 * - `null` never reaches a serde: a tombstone passes by, and so does a missing key.
 * - A serde is a pure function of its argument: the same value always gives the same bytes, because keys are
 *   compared as bytes.
 * - Both functions run once per record on the hot path: synchronous, and a failure is thrown as a plain
 *   `Error` whose message says `saw …, expected …`. The runtime wraps it in DESERIALIZE_FAILED or
 *   SERIALIZE_FAILED with the record's position.
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
   * The name of the format. It is kept beside the state on disk: a store that is opened with a serde of
   * another name fails with STATE_MISMATCH, instead of reading bytes that mean something else. Change it
   * exactly when the bytes change.
   */
  readonly name: string;
  encode(value: T): Buffer;
  /** `headers` are those of the record, where the bytes come from a topic. */
  decode(bytes: Buffer, headers?: Headers): T;
  /**
   * Only of serdes of strings: different strings always have different bytes, so that a key is found by
   * itself.
   */
  readonly text?: true;
  /**
   * Only of serdes in which what differs on the wire may become one value: the same for keys, which refuses
   * such values. Keys are written and read with it wherever it is there.
   */
  readonly asKey?: Serde<T>;
  /**
   * Throws exactly if `encode` would, and makes no bytes. A store asks it for each value that is put, so that
   * what cannot be written fails as the record that put it. Left out: the store calls `encode` for each value
   * that is put, and keeps the bytes of the last one for the commit. Give it where `encode` costs much and
   * rows change often.
   */
  check?(value: T): void;
  /**
   * A value made of what JSON has of it, as tools read it: of a key on the command line, of a line that is
   * sent. Throws a plain `Error` that says where it does not fit. Left out: JSON has the value as it is.
   */
  readonly fromJson?: (json: unknown) => T;
  /**
   * Of a key that contains another: those of its bytes that its partition is chosen by. Default: all. A
   * window lies where its key lies.
   */
  partitionBytes?(encoded: Buffer): Buffer;
  /**
   * Only of serdes that need something from outside, such as a schema registry: they are bound to the topic
   * that they are used for, and opened, before they encode or decode.
   */
  readonly binding?: Binding<T> | undefined;
  /**
   * Only of bound serdes: a header that may say how the bytes are written. Whoever decodes a record takes it
   * off: it would say something wrong of the bytes that are written next.
   */
  readonly header?: string;
  /**
   * Only of serdes whose bytes say which version of the format they are: kept beside the state on disk, so
   * that a change is noticed when it is opened.
   */
  readonly format?: Format | undefined;
  /**
   * Only of serdes whose `decode` may throw `NotReady`: throws it if it would, for these bytes, and
   * decodes nothing.
   */
  readonly ready?: (bytes: Buffer) => void;
}

/** How something is written as a key. */
export const asKey = <T>(serde: Serde<T>): Serde<T> => serde?.asKey ?? serde;

/** Where a serde is used. */
export interface SerdeUsage {
  /** Undefined: a sink that chooses the topic of each record. */
  readonly topic: string | undefined;
  readonly side: 'key' | 'value';
  /** Which way it is used: what is only read need not be known to the registry under this topic. */
  readonly use: 'read' | 'write' | 'both';
}

/** What an application gives to the serdes that need something from outside. */
export interface SerdeServices {
  /** Asked for when it is first needed. CONFIG_INVALID if there is none. */
  readonly schemaRegistry: () => Promise<SchemaRegistry>;
  /** Whether schemas that the registry does not know are registered. */
  readonly registerSchemas: boolean;
  /**
   * Where nothing of what is written leaves the process: the id of a schema that the registry does not know
   * and that is not registered. Left out: SCHEMA_UNKNOWN.
   */
  readonly standIn?: ((schema: string) => number) | undefined;
}

/** What makes a serde usable in a place. Calling it twice makes two. */
export interface Binding<T> {
  bind(place: SerdeUsage, services: SerdeServices): BoundSerde<T>;
}

/** A serde for one place. Before anything else it is opened, once. */
export interface BoundSerde<T> extends Serde<T> {
  /**
   * Asks for all that encoding needs. Decoding may still need more, when it meets bytes that say so: see
   * `NotReady`.
   */
  open(): Promise<void>;
  /**
   * Of a place whose topic is not known: the serde for a topic. It is opened by whoever meets
   * `NotReady`.
   */
  at(topic: string): Serde<T>;
  /**
   * A value made of what JSON has of it, as tools read it. Throws a plain `Error` that says where it does not
   * fit.
   */
  fromJson(json: unknown): T;
}

/** What bytes on disk were written with, as text, and what else can be read. */
export interface Format {
  /** The format that is written now. */
  readonly text: string;
  /** Why what was written with another format cannot be read; undefined if it can. */
  cannotRead(written: string): string | undefined;
}

/** How windows of a key are written. */
export interface WindowedSerde<K> extends Serde<Windowed<K>> {
  /** How the key itself is written. */
  readonly inner: Serde<K>;
}

// biome-ignore lint/suspicious/noExplicitAny: a serde of any keys
export const isWindowed = (serde: Serde<any>): serde is WindowedSerde<unknown> => 'inner' in serde;
