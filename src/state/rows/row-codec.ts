import { messageOf, StreamsError } from '../../model/errors.js';
import { isNotReady, onceReady, whenReady } from '../../model/not-ready.js';
import { show } from '../../model/text/show.js';
import type { Windowed } from '../../model/window.js';
import type { Serde, WindowedSerde } from '../../serdes/serde.js';
import type { StoreSpec } from '../contract.js';
import { KIND, prefixed, prefixOf, stamped, TIMESTAMP_BYTES } from '../layout.js';
import { isPageKey } from './page-format.js';
import { SharedBounds, type WindowBounds } from './window-bounds.js';

const NO_VALUE = 'saw undefined, expected a value, or null to delete the row';

/** Converts rows of one store to the bytes of the task's database, and back. */
export class RowCodec<K, V> {
  readonly prefix: Buffer;
  readonly #spec: StoreSpec<K, V>;
  /**
   * String keys are looked up as they are, and windows of string keys by string and bounds; other keys by
   * their bytes.
   */
  readonly #textKeys: boolean;
  readonly #windowsOfText: boolean;
  /** Undefined: keys are not windows. */
  readonly #bounds: SharedBounds | undefined;

  constructor(spec: StoreSpec<K, V>, storeId: number) {
    this.#spec = spec;
    this.prefix = prefixOf(storeId, KIND.rows);
    this.#textKeys = spec.key.text === true;
    const { inner } = spec.key as Partial<WindowedSerde<unknown>>;
    this.#windowsOfText = inner?.text === true;
    this.#bounds = inner && new SharedBounds();
  }

  /** The key's id for a Map. Errors: SERIALIZE_FAILED as {@link textOf}. */
  idOf(key: K): string {
    if (this.#textKeys && typeof key === 'string') return key;
    const text = this.#windowsOfText ? (key as unknown as Windowed<string>).key : undefined;
    const bounds = typeof text === 'string' ? this.boundsOf(key) : undefined;
    return bounds === undefined ? this.keyBytes(key).toString('latin1') : text + bounds.id;
  }

  /**
   * The lookup text of a key, used together with its bounds. The two are not joined into one string, because
   * that would be most of the cost of a windowed key. Errors: SERIALIZE_FAILED if the lookup needs the bytes
   * of the key, and the serde cannot encode it.
   */
  textOf(key: K, bounds: WindowBounds | undefined): string {
    if (this.#textKeys && typeof key === 'string') return key;
    const text = this.#windowsOfText && bounds ? (key as unknown as Windowed<string>).key : undefined;
    return typeof text === 'string' ? text : this.keyBytes(key).toString('latin1');
  }

  /** Errors: SERIALIZE_FAILED if the serde cannot encode a key with a {@link textOf}. */
  checkKey(key: K): void {
    // A key that is looked up by its bytes has already been encoded.
    if (this.#textKeys || this.#windowsOfText) this.#checked('key', this.#spec.key, key);
  }

  /**
   * Errors: SERIALIZE_FAILED if the serde cannot encode the value. Returns the bytes if the check had to
   * encode it.
   */
  checkedValue(value: V): Buffer | undefined {
    if (value === undefined) throw this.#unwritable('value', this.#spec.value, new Error(NO_VALUE));
    return this.#checked('value', this.#spec.value, value);
  }

  /** The bounds of a window key; undefined if the key is not a window. */
  boundsOf(key: K): WindowBounds | undefined {
    return this.#bounds?.of(key as unknown as Windowed<unknown>);
  }

  /** The key in its changelog form. Errors: SERIALIZE_FAILED if the serde cannot encode it. */
  keyBytes(key: K): Buffer {
    const bytes = this.#encode('key', this.#spec.key, key);
    if (this.#spec.items && isPageKey(bytes)) throw reserved(this.#spec.name);
    return bytes;
  }

  databaseKey(key: K): Buffer {
    return prefixed(this.prefix, this.keyBytes(key));
  }

  /** Errors: SERIALIZE_FAILED if the serde cannot encode it. */
  valueBytes(value: V): Buffer {
    return this.#encode('value', this.#spec.value, value);
  }

  /** `encoded`: the bytes of the value, if they are known. */
  databaseValue(value: V, timestamp: number, encoded?: Buffer): Buffer {
    return stamped(timestamp, encoded ?? this.valueBytes(value));
  }

  /** A row of the database. Errors: those of its parts. */
  decodeRow(keyBytes: Buffer, databaseValue: Buffer): readonly [K, V] {
    return [this.decodeKey(keyBytes), this.decodeValue(databaseValue)];
  }

  /** Errors: STATE_CORRUPT if the serde cannot decode the bytes; NotReady as from the serde. */
  decodeKey(bytes: Buffer): K {
    return this.#decode('key', bytes, (key) => this.#spec.key.decode(key));
  }

  /** The value of a {@link databaseValue}. Errors: STATE_CORRUPT if the serde cannot decode it. */
  decodeValue(databaseValue: Buffer): V {
    return this.#decode('value', databaseValue.subarray(TIMESTAMP_BYTES), (value) => this.#spec.value.decode(value));
  }

  /**
   * As {@link decodeValue}, but fetches schemas if necessary; returns a promise only then. The next two do
   * the same for keys.
   */
  readValue(databaseValue: Buffer): V | Promise<V> {
    try {
      return this.decodeValue(databaseValue);
    } catch (error) {
      return onceReady(error, () => this.decodeValue(databaseValue));
    }
  }

  readKey(bytes: Buffer): K | Promise<K> {
    return whenReady(() => this.decodeKey(bytes));
  }

  readKeys(rows: readonly Buffer[]): readonly K[] | Promise<readonly K[]> {
    return whenReady(() => rows.map((bytes) => this.decodeKey(bytes)));
  }

  #encode<T>(what: string, serde: Serde<T>, value: T): Buffer {
    try {
      return serde.encode(value);
    } catch (error) {
      throw this.#unwritable(what, serde, error);
    }
  }

  #checked<T>(what: string, serde: Serde<T>, value: T): Buffer | undefined {
    if (serde.check === undefined) return this.#encode(what, serde, value);
    try {
      serde.check(value);
      return undefined;
    } catch (error) {
      throw this.#unwritable(what, serde, error);
    }
  }

  #unwritable(what: string, serde: { readonly name: string }, error: unknown): unknown {
    if (isNotReady(error)) return error;
    return new StreamsError('SERIALIZE_FAILED', {
      what: `cannot encode the ${what} of a row with serde ${serde.name}: ${messageOf(error)}`,
      at: `store ${this.#spec.name}`,
      action: 'Correct the serde, or the row that is put into the store; or set onError.process to skip or deadLetter.',
      cause: error,
    });
  }

  #decode<T>(what: string, bytes: Buffer, decode: (bytes: Buffer) => T): T {
    try {
      return decode(bytes);
    } catch (error) {
      if (isNotReady(error)) throw error;
      throw new StreamsError('STATE_CORRUPT', {
        what: `cannot decode the ${what} of a row`,
        at: `store ${this.#spec.name}`,
        saw: messageOf(error),
        action:
          'If the serde changed its format without changing its name, undo the change; else delete the task directory to have it rebuilt from the changelog.',
        cause: error,
      });
    }
  }
}

const reserved = (store: string): StreamsError =>
  new StreamsError('SERIALIZE_FAILED', {
    what: 'a key begins with the bytes that mark the pages of long rows',
    at: `store ${store}`,
    saw: show('\xffmillrace.page'),
    expected: 'any other key',
    action: 'Use keys with another beginning, or filter out such records first.',
  });
