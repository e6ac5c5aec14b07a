import type { ChunkKey } from '../../model/chunk.js';
import { checkedBefore } from '../../serdes/check.js';
import { chunkKey } from '../../serdes/chunk-key.js';
import type { Serde } from '../../serdes/serde.js';
import type { OperatorStore, RowItems, StoreSpec } from '../../state/contract.js';
import { ByteReader, written } from '../common/bytes.js';
import type { Lookups } from '../contract/processor.js';
import { UNKNOWN_PARTITION } from './messages.js';

/**
 * A left row that refers to a key: its key, its partition and its timestamp. One key may occur in several
 * partitions, because a producer may partition rows by more than their keys.
 */
export interface Subscriber {
  readonly key: Buffer;
  readonly partition: number;
  readonly at: number;
}

interface Chunk {
  readonly id: number;
  /**
   * Smaller keys are in the chunks before; this key is in no other chunk. The first chunk may contain smaller
   * keys.
   */
  readonly first: Buffer;
}

/**
 * Subscribers in the order of their keys. The list of a foreign key has either subscribers or chunks, which
 * are lists as well. The owner of the store changes it in place.
 *
 * It is a class because rows are frozen to find user code that changes them, and instances of classes are
 * not.
 */
export class SubscriberList {
  nextId = 1;
  readonly chunks: Chunk[] = [];
  readonly subscribers: Subscriber[];

  constructor(subscribers: Subscriber[] = []) {
    this.subscribers = subscribers;
  }
}

/** The maximum size of one list; beyond it, the list is split in two. */
const LIST_SUBSCRIBERS = 256;

type Key = ChunkKey<unknown>;

/** The store of {@link Subscribers}. */
export const subscriberStore = (name: string, foreignKey: Serde<unknown>): StoreSpec<Key, SubscriberList> => ({
  name,
  kind: 'keyValue',
  key: chunkKey(foreignKey),
  value: listSerde,
  items: listItems,
});

/**
 * The left rows that refer to a key. Up to 256 are in one row of the store; beyond that they are in chunks of
 * 128 to 256. A change costs one look-up and one write (two look-ups if there are chunks). A visit of all
 * costs one look-up per 128 to 256.
 */
export class Subscribers {
  readonly #store: OperatorStore<Key, SubscriberList>;

  constructor(store: OperatorStore<Key, SubscriberList>) {
    this.#store = store;
  }

  /** Declares a change; without a subscriber, a visit. */
  want(key: unknown, lookups: Lookups, subscriber?: Buffer): void {
    const own = { key, id: 0 };
    lookups.add(this.#store, own);
    const list = subscriber === undefined ? undefined : this.#store.getIfLoaded(own);
    const chunk = subscriber === undefined || !list ? undefined : chunkOf(list, subscriber);
    if (chunk) lookups.add(this.#store, { key, id: chunk.id });
  }

  /**
   * Loads what `put` or `remove` need for a subscriber. Returns a promise only if a chunk must be read from
   * disk.
   */
  prepare(key: unknown, subscriber: Buffer): void | Promise<void> {
    const own = { key, id: 0 };
    const list = this.#store.getIfLoaded(own);
    if (list === undefined) return this.#loaded(own).then(() => this.prepare(key, subscriber));
    const chunk = chunkOf(list, subscriber);
    return chunk && this.#store.loadAll([{ key, id: chunk.id }]);
  }

  put(key: unknown, subscriber: Subscriber): void {
    const own = this.#store.get({ key, id: 0 }) ?? new SubscriberList();
    const chunk = chunkOf(own, subscriber.key);
    const list = chunk ? this.#store.get({ key, id: chunk.id }) : own;
    if (list === null) throw new Error(`saw no chunk ${chunk?.id} of subscribers, expected one`);
    take(list.subscribers, subscriber.key, UNKNOWN_PARTITION);
    const { at, found } = placeOf(list.subscribers, subscriber.key, subscriber.partition);
    list.subscribers.splice(at, found ? 1 : 0, subscriber);
    if (list.subscribers.length > LIST_SUBSCRIBERS) this.#split(key, own, list, chunk);
    else this.#store.put({ key, id: chunk?.id ?? 0 }, list);
  }

  remove(key: unknown, subscriber: Buffer, partition: number): void {
    const own = this.#store.get({ key, id: 0 });
    if (own === null) return;
    const chunk = chunkOf(own, subscriber);
    const list = chunk ? this.#store.get({ key, id: chunk.id }) : own;
    if (!list) return;
    const known = take(list.subscribers, subscriber, partition);
    const unknown = take(list.subscribers, subscriber, UNKNOWN_PARTITION);
    if (!known && !unknown) return;
    const isEmpty = list.subscribers.length === 0;
    this.#store.put({ key, id: chunk?.id ?? 0 }, isEmpty ? null : list);
    if (!chunk || !isEmpty) return;
    own.chunks.splice(own.chunks.indexOf(chunk), 1);
    this.#store.put({ key, id: 0 }, own.chunks.length === 0 ? null : own);
  }

  /**
   * Passes all subscribers to `show`, in the order of their keys. Returns a promise only if chunks must be
   * read from disk.
   */
  visit(key: unknown, show: (subscriber: Subscriber) => void): void | Promise<void> {
    const own = this.#store.get({ key, id: 0 });
    if (own === null) return;
    for (const subscriber of own.subscribers) show(subscriber);
    return this.#visitChunks(key, own.chunks, 0, show);
  }

  #visitChunks(
    key: unknown,
    chunks: readonly Chunk[],
    from: number,
    show: (subscriber: Subscriber) => void,
  ): void | Promise<void> {
    for (let i = from; i < chunks.length; i++) {
      const id = { key, id: (chunks[i] as Chunk).id };
      if (this.#store.getIfLoaded(id) === undefined)
        return this.#loaded(id).then(() => this.#visitChunks(key, chunks, i, show));
      for (const subscriber of this.#store.get(id)?.subscribers ?? []) show(subscriber);
    }
  }

  /** Loads a list for a later read. Whether that is necessary depends on the cache, not on the record. */
  async #loaded(id: Key): Promise<void> {
    await this.#store.loadAll([id]);
  }

  #split(key: unknown, own: SubscriberList, list: SubscriberList, chunk: Chunk | undefined): void {
    const half = halfOf(list.subscribers);
    if (half === undefined) {
      this.#store.put({ key, id: chunk?.id ?? 0 }, list);
      return;
    }
    const rest = list.subscribers.splice(half);
    // The list itself becomes the first chunk.
    if (chunk === undefined) this.#addChunk(key, own, 0, list.subscribers.splice(0));
    else this.#store.put({ key, id: chunk.id }, list);
    this.#addChunk(key, own, chunk === undefined ? 1 : own.chunks.indexOf(chunk) + 1, rest);
    this.#store.put({ key, id: 0 }, own);
  }

  #addChunk(key: unknown, own: SubscriberList, at: number, subscribers: Subscriber[]): void {
    const id = own.nextId++;
    own.chunks.splice(at, 0, { id, first: (subscribers[0] as Subscriber).key });
    this.#store.insert({ key, id }, new SubscriberList(subscribers));
  }
}

function chunkOf(own: SubscriberList | null, subscriber: Buffer): Chunk | undefined {
  if (own === null || own.chunks.length === 0) return undefined;
  let low = 1;
  let high = own.chunks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((own.chunks[middle] as Chunk).first.compare(subscriber) <= 0) low = middle + 1;
    else high = middle;
  }
  return own.chunks[low - 1];
}

/**
 * The index at which to split a list: near the middle, and never between rows of one key. Undefined: all rows
 * have one key.
 */
function halfOf(subscribers: readonly Subscriber[]): number | undefined {
  const isCut = (at: number): boolean =>
    !(subscribers[at] as Subscriber).key.equals((subscribers[at - 1] as Subscriber).key);
  const half = subscribers.length >>> 1;
  for (let away = 0; away < half; away++) {
    if (isCut(half - away)) return half - away;
    if (half + away < subscribers.length && isCut(half + away)) return half + away;
  }
  return undefined;
}

/** Removes a subscriber from a list; returns whether it was there. */
function take(subscribers: Subscriber[], key: Buffer, partition: number): boolean {
  const { at, found } = placeOf(subscribers, key, partition);
  if (found) subscribers.splice(at, 1);
  return found;
}

function placeOf(
  subscribers: readonly Subscriber[],
  key: Buffer,
  partition: number,
): { readonly at: number; readonly found: boolean } {
  const order = (other: Subscriber): number => other.key.compare(key) || other.partition - partition;
  let low = 0;
  let high = subscribers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (order(subscribers[middle] as Subscriber) < 0) low = middle + 1;
    else high = middle;
  }
  const there = subscribers[low];
  return { at: low, found: there !== undefined && order(there) === 0 };
}

/** Splits a list into pages if long keys or many chunks make it long. */
const listItems: RowItems<SubscriberList> = {
  of: ({ chunks, subscribers }) => [...chunks, ...subscribers],
  size: (item: Chunk | Subscriber) => 16 + ('first' in item ? item.first : item.key).length,
  with({ nextId }, items) {
    const list = new SubscriberList();
    list.nextId = nextId;
    for (const item of items as readonly (Chunk | Subscriber)[]) {
      if ('first' in item) list.chunks.push(item);
      else list.subscribers.push(item);
    }
    return list;
  },
};

const FORMAT = 2;

/**
 * Format 2 (big endian): the format in 1 byte; the number of the next chunk in 4; how many chunks in 4, and
 * for each its number (4) and first key; how many subscribers in 4, and for each its timestamp (8, double),
 * partition (4) and key. A key is its length in 4 bytes, and its bytes. Format 1 can still be read; it has no
 * partitions. The serde keeps its first name, which marks a state directory as usable.
 */
const listSerde: Serde<SubscriberList> = {
  name: 'subscribers-1',
  // Subscribers are bytes already.
  check: checkedBefore,
  encode: ({ nextId, chunks, subscribers }) =>
    written((row) => {
      row.byte(FORMAT);
      row.int32(nextId);
      row.int32(chunks.length);
      for (const { id, first } of chunks) {
        row.int32(id);
        row.bytes(first);
      }
      row.int32(subscribers.length);
      for (const { at, partition, key } of subscribers) {
        row.double(at);
        row.int32(partition);
        row.bytes(key);
      }
    }),
  decode(bytes) {
    const reader = new ByteReader(bytes, 'subscribers');
    const format = reader.byte();
    if (format !== 1 && format !== FORMAT)
      throw new Error(`saw subscribers of format ${format}, expected 1 or ${FORMAT}`);
    const list = new SubscriberList();
    list.nextId = reader.int32();
    for (let left = reader.int32(); left > 0; left--)
      list.chunks.push({ id: reader.int32(), first: reader.bytes() ?? Buffer.alloc(0) });
    for (let left = reader.int32(); left > 0; left--)
      list.subscribers.push({
        at: reader.double(),
        partition: format === 1 ? UNKNOWN_PARTITION : reader.int32(),
        key: reader.bytes() ?? Buffer.alloc(0),
      });
    return list;
  },
};
