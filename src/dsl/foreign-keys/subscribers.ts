import type { ChunkKey } from '../../model/chunk.js';
import { checkedBefore } from '../../serdes/check.js';
import { chunkKey } from '../../serdes/chunk-key.js';
import type { Serde } from '../../serdes/serde.js';
import type { OperatorStore, RowItems, StoreSpec } from '../../state/contract.js';
import { ByteReader, written } from '../operators/bytes.js';
import type { Lookups } from '../processor.js';
import { UNKNOWN_PARTITION } from './messages.js';

/**
 * A left row that refers to a key: its key, the partition that it is in, and its timestamp. One key may be in
 * several partitions: whoever wrote them may place rows by more than their keys.
 */
export interface Subscriber {
  readonly key: Buffer;
  readonly partition: number;
  readonly at: number;
}

interface Chunk {
  readonly id: number;
  /**
   * Keys before it are in the chunks before, this one is in no other; in the first chunk there may be smaller
   * ones.
   */
  readonly first: Buffer;
}

/**
 * Subscribers in the order of their keys. The list of a foreign key has either subscribers or chunks, which
 * are lists as well. Changed in place by whoever owns the store: a class, so that whoever freezes rows to
 * find that of users leaves it as it is.
 */
export class SubscriberList {
  nextId = 1;
  readonly chunks: Chunk[] = [];
  readonly subscribers: Subscriber[];

  constructor(subscribers: Subscriber[] = []) {
    this.subscribers = subscribers;
  }
}

/** So many are in one list; from then on it is cut in two. */
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
 * Who refers to a key: up to 256 left rows in one row of the store, beyond that in chunks of 128 to 256, so
 * that a change costs one look-up and one write (two look-ups if there are chunks), and visiting all of them
 * one look-up for every 128 to 256.
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
   * Makes sure that the subscriber can be put or removed: a promise only if a chunk must be read from disk.
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
   * Shows all of them, in the order of their keys. A promise only if there are chunks that must be read from
   * disk.
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

  /** Fetches what is read then: whether it had to be fetched says nothing of a record. */
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
    // The first chunk is made of the list itself.
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
 * Where a list is cut in two: near the middle, and never between rows of one key. Undefined: all are of one
 * key.
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

/** Long keys make long lists, and many chunks a long list of them: then it is kept in pages. */
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
 * partition (4) and key. A key is its length in 4 bytes, and its bytes. Format 1, which is still read, has no
 * partitions. The serde keeps its first name, by which a state directory knows that it can be used.
 */
const listSerde: Serde<SubscriberList> = {
  name: 'subscribers-1',
  // They are bytes already.
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
