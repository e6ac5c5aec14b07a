import { messageOf, StreamsError } from '../model/errors.js';
import { isNotReady } from '../model/not-ready.js';
import type { Serde } from '../serdes/serde.js';
import type { StoreSpec } from './contract.js';
import { KIND, prefixed, prefixOf, stamped, TIMESTAMP_BYTES } from './layout.js';

/** Rows of one store to the bytes of the task's database, and back. */
export class RowCodec<K, V> {
  readonly prefix: Buffer;
  readonly #spec: StoreSpec<K, V>;
  /** Strings are their own cache keys; other keys go by their bytes. */
  readonly #textKeys: boolean;

  constructor(spec: StoreSpec<K, V>, storeId: number) {
    this.#spec = spec;
    this.prefix = prefixOf(storeId, KIND.rows);
    this.#textKeys = spec.key.name === 'string';
  }

  /** What stands for the key in a Map. */
  idOf(key: K): string {
    return this.#textKeys ? (key as string) : this.#spec.key.encode(key).toString('latin1');
  }

  /** The key as the changelog has it. SERIALIZE_FAILED if the serde does not write it. */
  keyBytes(key: K): Buffer {
    return this.#encode('key', this.#spec.key, key);
  }

  databaseKey(key: K): Buffer {
    return prefixed(this.prefix, this.keyBytes(key));
  }

  databaseValue(value: V, timestamp: number): Buffer {
    return stamped(timestamp, this.#encode('value', this.#spec.value, value));
  }

  /** A row of the database. Errors: as of its parts. */
  decodeRow(keyBytes: Buffer, databaseValue: Buffer): readonly [K, V] {
    return [this.decodeKey(keyBytes), this.decodeValue(databaseValue)];
  }

  /** STATE_CORRUPT if the serde does not read what is there; NotReady as the serde. */
  decodeKey(bytes: Buffer): K {
    return this.#decode('key', bytes, (key) => this.#spec.key.decode(key));
  }

  /** The value of what {@link databaseValue} made. STATE_CORRUPT if the serde does not read it. */
  decodeValue(databaseValue: Buffer): V {
    return this.#decode('value', databaseValue.subarray(TIMESTAMP_BYTES), (value) => this.#spec.value.decode(value));
  }

  #encode<T>(what: string, serde: Serde<T>, value: T): Buffer {
    try {
      return serde.encode(value);
    } catch (error) {
      throw new StreamsError('SERIALIZE_FAILED', {
        what: `cannot encode the ${what} of a row with serde ${serde.name}: ${messageOf(error)}`,
        at: `store ${this.#spec.name}`,
        action: 'Correct the serde, or what is put into the store.',
        cause: error,
      });
    }
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
          'If the serde changed what it writes without changing its name, change it back; else delete the task directory to have it rebuilt from the changelog.',
        cause: error,
      });
    }
  }
}
