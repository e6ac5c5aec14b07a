import { checkEncodes } from '../../serdes/check.js';
import type { Serde } from '../../serdes/serde.js';
import type { OperatorStore, StoreSpec } from '../../state/contract.js';
import { BucketKey, bucketKeySerde } from './bucket-key.js';
import { CHUNK_RECORDS, Chunk, chunkItems, chunkSerde } from './chunk.js';
import type { JoinWindow } from './window.js';

/** A record that matches, and its location. */
export interface Match<K, V> {
  readonly row: BucketKey<K>;
  readonly chunk: Chunk<V>;
  readonly at: number;
  readonly timestamp: number;
  /** Its index among all records of its key and stretch of time, in the order of arrival. */
  readonly ordinal: number;
}

/**
 * Twice a window plus one moment. A record then looks into at most two stretches of the other side, and half
 * of all records into one. Longer stretches would save look-ups, but keep records longer.
 */
const bucketMs = ({ beforeMs, afterMs }: JoinWindow): number => 2 * (beforeMs + afterMs) + 1;

const NONE: readonly [] = [];

/** The store of a {@link SideBuffer}. */
export function sideStore<K, V>(
  name: string,
  window: JoinWindow,
  key: Serde<K>,
  value: Serde<V>,
): StoreSpec<BucketKey<K>, Chunk<V>> {
  const { beforeMs, afterMs, retentionMs } = window;
  const lengthMs = bucketMs(window);
  return {
    name,
    kind: 'buffer',
    key: bucketKeySerde(key, lengthMs),
    value: chunkSerde(value),
    items: chunkItems(value),
    // In a shifted window, a waiting record may be older than records that can still match. Its row stays
    // while another record of the row may start to wait, so that each keeps a unique ordinal.
    ttlMs: Math.max(retentionMs, beforeMs, afterMs),
    bornAt: ({ start }) => start + lengthMs - 1,
  };
}

/**
 * The records of one side of a join, kept for the other side, by key and stretch of time. The rows that a
 * record looks up are therefore known from the record alone. A row holds at most 32 records, fewer if they
 * are large. New records go into chunk 0. A full chunk is stored under the next number, and a new chunk 0
 * lists its span. It is read again only for a match.
 */
export class SideBuffer<K, V> {
  readonly #store: OperatorStore<BucketKey<K>, Chunk<V>>;
  readonly #serde: Serde<V>;
  readonly #bucketMs: number;
  readonly #retentionMs: number;

  constructor(store: OperatorStore<BucketKey<K>, Chunk<V>>, window: JoinWindow, value: Serde<V>) {
    this.#store = store;
    this.#serde = value;
    this.#bucketMs = bucketMs(window);
    this.#retentionMs = window.retentionMs;
  }

  get store(): OperatorStore<BucketKey<K>, Chunk<V>> {
    return this.#store;
  }

  /** The row that a record is put into. */
  rowOf(key: K, timestamp: number): BucketKey<K> {
    return new BucketKey(key, timestamp - (timestamp % this.#bucketMs), 0);
  }

  /** The rows that cover the time between two moments, both included. */
  rowsWithin(key: K, from: number, to: number): readonly BucketKey<K>[] {
    const rows: BucketKey<K>[] = [];
    const first = Math.max(0, from);
    for (let start = first - (first % this.#bucketMs); start <= to; start += this.#bucketMs)
      rows.push(new BucketKey(key, start, 0));
    return rows;
  }

  /** Whether a record of this timestamp can match a later record. */
  keeps(timestamp: number): boolean {
    return timestamp > this.#store.streamTime - this.#retentionMs;
  }

  /**
   * The records between two moments that are not too old to match, by timestamp, then in the order of
   * arrival. Returns a promise only if full chunks have to be read from disk.
   */
  find(
    rows: readonly BucketKey<K>[],
    from: number,
    to: number,
  ): readonly Match<K, V>[] | Promise<readonly Match<K, V>[]> {
    const first = Math.max(from, this.#store.streamTime - this.#retentionMs + 1);
    const found: Match<K, V>[] = [];
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as BucketKey<K>;
      const chunk = this.#store.get(row);
      if (chunk === null) continue;
      if (chunk.full.length > 0) return this.#findInFull(rows, first, to);
      collect(found, row, chunk, first, to);
    }
    return inOrder(found);
  }

  #findInFull(
    rows: readonly BucketKey<K>[],
    from: number,
    to: number,
  ): readonly Match<K, V>[] | Promise<readonly Match<K, V>[]> {
    const all = rows.flatMap((row) => {
      const wanted: BucketKey<K>[] = [];
      (this.#store.get(row)?.full ?? []).forEach(({ low, high }, i) => {
        if (low <= to && high >= from) wanted.push(new BucketKey(row.key, row.start, i + 1));
      });
      return [...wanted, row];
    });
    const collectAll = (): readonly Match<K, V>[] => {
      const found: Match<K, V>[] = [];
      for (const row of all) {
        const chunk = this.#store.get(row);
        if (chunk !== null) collect(found, row, chunk, from, to);
      }
      return inOrder(found);
    };
    const reading = this.#store.loadAll(all);
    return reading ? reading.then(collectAll) : collectAll();
  }

  /** Throws if the serde cannot encode the value of a record to be put. */
  check(value: V): void {
    checkEncodes(this.#serde, value);
  }

  /** Puts a record with a checked value; returns its ordinal in its row. */
  put(row: BucketKey<K>, timestamp: number, value: V, waits: boolean): number {
    const chunk = this.#store.get(row);
    if (chunk?.isFull) {
      const full = [...chunk.full, chunk.span];
      this.#store.insert(new BucketKey(row.key, row.start, full.length), chunk.alone(), timestamp);
      this.#store.put(row, this.#first(full, timestamp, value, waits), timestamp);
      return full.length * CHUNK_RECORDS;
    }
    this.#store.put(
      row,
      chunk === null ? this.#first(NONE, timestamp, value, waits) : chunk.with(timestamp, value, waits),
      timestamp,
    );
    return chunk === null ? 0 : chunk.full.length * CHUNK_RECORDS + chunk.timestamps.length;
  }

  #first(full: Chunk<V>['full'], timestamp: number, value: V, waits: boolean): Chunk<V> {
    return new Chunk(this.#serde, { full, timestamps: [timestamp], waiting: waits ? 1 : 0, values: [value] });
  }

  /** Notes that these records no longer wait. */
  answered(matches: readonly Match<K, V>[]): void {
    const rows = new Map<Chunk<V>, { readonly row: BucketKey<K>; readonly timestamp: number; waiting: number }>();
    for (const { chunk, row, at, timestamp } of matches) {
      const changed = rows.get(chunk);
      if (changed) changed.waiting &= ~(1 << at);
      else rows.set(chunk, { row, timestamp, waiting: chunk.waiting & ~(1 << at) });
    }
    // This is the timestamp of a record that was put before, so it does not advance the store's time.
    for (const [chunk, { row, timestamp, waiting }] of rows) this.#store.put(row, chunk.marked(waiting), timestamp);
  }
}

function collect<K, V>(found: Match<K, V>[], row: BucketKey<K>, chunk: Chunk<V>, from: number, to: number): void {
  const { timestamps } = chunk;
  const before = (row.chunk === 0 ? chunk.full.length : row.chunk - 1) * CHUNK_RECORDS;
  for (let at = 0; at < timestamps.length; at++) {
    const timestamp = timestamps[at] as number;
    if (timestamp >= from && timestamp <= to) found.push({ row, chunk, at, timestamp, ordinal: before + at });
  }
}

/** Most records arrive in the order of their timestamps, and then there is nothing to sort. */
function inOrder<K, V>(found: Match<K, V>[]): readonly Match<K, V>[] {
  for (let i = 1; i < found.length; i++) {
    if ((found[i] as Match<K, V>).timestamp < (found[i - 1] as Match<K, V>).timestamp)
      return found.sort((a, b) => a.timestamp - b.timestamp);
  }
  return found;
}
