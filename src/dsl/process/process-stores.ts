import { type Duration, durationMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';
import type { Serde } from '../../serdes/serde.js';
import type { OperatorStore, OperatorVersionedStore, StoreSpec } from '../../state/contract.js';
import { versionedStores } from '../tables/versions.js';

/** A store of a processor: how its keys and values are written. */
export interface StoreDefinition<K, V> {
  readonly key: Serde<K>;
  readonly value: Serde<V>;
  /** Rows older than this, in the store's stream time, are removed. Default: rows stay. */
  readonly ttl?: Duration;
  /**
   * Makes the store versioned, with `get(key, asOf)`: how long past values can be looked up, in the store's
   * stream time. Default: not at all. Cannot be combined with `ttl`.
   */
  readonly history?: Duration;
}

/** The stores that one definition needs: a versioned store needs two. */
export function storeSpecs(name: string, { key, value, ttl, history }: StoreDefinition<unknown, unknown>): StoreSpec[] {
  if (history === undefined)
    return [
      {
        name,
        kind: 'keyValue',
        key,
        value,
        ...(ttl === undefined ? {} : { ttlMs: durationMs(ttl, `ttl of store ${name}`) }),
      },
    ];
  if (ttl === undefined) return versionedStores(name, { key, value }, history);
  throw new StreamsError('CONFIG_INVALID', {
    what: 'a versioned store has a time to live',
    at: `store ${name}`,
    saw: `ttl ${ttl} and history ${history}`,
    expected: 'one of the two',
    action: 'Leave ttl out: a versioned row keeps its newest version, and versions older than history are removed.',
  });
}

/** The versioned view of a store. CONFIG_INVALID if the store keeps no past. */
export function versioned<K, V>(store: OperatorStore<K, V>): OperatorVersionedStore<K, V> {
  if ('historyMs' in store) return store as OperatorVersionedStore<K, V>;
  throw new StreamsError('CONFIG_INVALID', {
    what: 'a processor asked for past values of a store that is not versioned',
    at: `store ${store.name}`,
    action: 'Give the table or store a history, or use store(name).',
  });
}
