import { isNotReady, whenReady } from '../../model/not-ready.js';
import type { StoreSpec } from '../contract.js';
import { TIMESTAMP_BYTES } from '../layout.js';
import { isPaged, isPageKey } from '../rows/page-format.js';
import { RowCodec } from '../rows/row-codec.js';
import { RowLife } from '../rows/row-life.js';
import { pagesOf } from '../rows/row-pages.js';
import { type StoreBytes, type StoredRow, storedRows } from '../rows/store-bytes.js';
import type { LoggedRow } from '../store/restore-rows.js';

/** The differences between a rebuilt store and the old one. Expired rows count as absent. */
export interface StoreComparison {
  readonly equal: number;
  /** Only in the new one. */
  readonly added: number;
  /** With another value or timestamp. */
  readonly changed: number;
  /** Only in the old one. */
  readonly removed: number;
  /** Rows of the old store that its serdes cannot decode; they count as changed or removed. */
  readonly unreadable: number;
}

interface Pair {
  readonly key: Buffer;
  readonly old: Buffer | undefined;
  readonly fresh: Buffer | undefined;
}

const PAIRS_TOGETHER = 1_000;
/** A transaction of this size takes some milliseconds, and its records little memory. */
const LOGGED_TOGETHER = 2_000;

/**
 * Returns a function that reads a paged row as a whole. A row with a missing page stays as it is; its serde
 * cannot decode it.
 */
function inOnePiece(spec: StoreSpec, store: StoreBytes): (pair: Pair, side: 'old' | 'fresh') => Promise<Pair> {
  const codec = new RowCodec(spec, store.storeId);
  const pages = pagesOf(spec, codec, store.database);
  return async (pair, side) => {
    const row = pair[side];
    if (!pages || row === undefined || !isPaged(row)) return pair;
    const whole = await pages.tryToRead(await codec.readKey(pair.key), row);
    return whole ? { ...pair, [side]: codec.databaseValue(whole.value, row.readDoubleBE(0)) } : pair;
  };
}

/**
 * Compares two stores row by row, by their bytes, and checks that the serdes decode every row of the new one
 * (STATE_CORRUPT). Cost: one scan of each; memory for some thousand rows.
 */
export async function compareStores(options: {
  readonly spec: StoreSpec;
  readonly old: StoreBytes;
  readonly fresh: StoreBytes;
  /** Stream time of the store: rows that have expired by then are skipped. */
  readonly streamTime: number;
  /** Called with the number of rows compared. */
  readonly onRows: (rows: number) => void;
}): Promise<StoreComparison> {
  const { spec, old, fresh, streamTime, onRows } = options;
  const codec = new RowCodec(spec, fresh.storeId);
  const life = new RowLife(spec);
  const [oldInOnePiece, freshInOnePiece] = [inOnePiece(spec, old), inOnePiece(spec, fresh)];
  const found = { equal: 0, added: 0, changed: 0, removed: 0, unreadable: 0 };
  const seen = (key: Buffer, value: Buffer | undefined): Buffer | undefined => {
    if (value === undefined) return undefined;
    const decoded = codec.decodeKey(key);
    codec.decodeValue(value);
    return life.isOver(decoded, value.readDoubleBE(0), streamTime) ? undefined : value;
  };
  const seenOld = (key: Buffer, value: Buffer | undefined): Buffer | undefined => {
    try {
      return seen(key, value);
    } catch (error) {
      if (isNotReady(error)) throw error;
      found.unreadable++;
      return value;
    }
  };
  for await (const pairs of pairsOf(old, fresh)) {
    for (const stored of pairs) {
      if (spec.items && isPageKey(stored.key)) continue;
      // The pages of a row depend on when it was written.
      const pair = spec.items ? await freshInOnePiece(await oldInOnePiece(stored, 'old'), 'fresh') : stored;
      // Waits only for a schema that was not fetched before.
      let after = whenReady(() => seen(pair.key, pair.fresh));
      if (after instanceof Promise) after = await after;
      let before = whenReady(() => seenOld(pair.key, pair.old));
      if (before instanceof Promise) before = await before;
      if (before === undefined && after === undefined) continue;
      if (before === undefined) found.added++;
      else if (after === undefined) found.removed++;
      else found[before.equals(after) ? 'equal' : 'changed']++;
    }
    onRows(pairs.length);
  }
  return found;
}

/**
 * The changes that turn the first store into the second, some thousand rows at a time, in key order.
 * Deletions get the timestamp `deletedAt`.
 */
export async function* storeDifferences(
  from: StoreBytes,
  to: StoreBytes,
  deletedAt: number,
): AsyncGenerator<readonly LoggedRow[]> {
  let rows: LoggedRow[] = [];
  for await (const pairs of pairsOf(from, to)) {
    for (const { key, old, fresh } of pairs) {
      if (fresh === undefined) rows.push({ key, value: null, timestamp: deletedAt });
      else if (!old?.equals(fresh))
        rows.push({ key, value: fresh.subarray(TIMESTAMP_BYTES), timestamp: fresh.readDoubleBE(0) });
    }
    if (rows.length < LOGGED_TOGETHER) continue;
    yield rows;
    rows = [];
  }
  if (rows.length > 0) yield rows;
}

/** The rows of two stores in parallel, in key order. */
async function* pairsOf(old: StoreBytes, fresh: StoreBytes): AsyncGenerator<readonly Pair[]> {
  const [left, right] = [new Cursor(old), new Cursor(fresh)];
  try {
    for (let pairs: Pair[] = []; ; ) {
      if (left.spent) await left.fill();
      if (right.spent) await right.fill();
      const [x, y] = [left.row, right.row];
      const row = x ?? y;
      if (row === undefined) {
        if (pairs.length > 0) yield pairs;
        return;
      }
      const order = x === undefined ? 1 : y === undefined ? -1 : x.key.compare(y.key);
      const key = order > 0 ? (y as StoredRow).key : row.key;
      pairs.push({ key, old: order <= 0 ? x?.value : undefined, fresh: order >= 0 ? y?.value : undefined });
      if (order <= 0) left.step();
      if (order >= 0) right.step();
      if (pairs.length < PAIRS_TOGETHER) continue;
      yield pairs;
      pairs = [];
    }
  } finally {
    await left.close();
    await right.close();
  }
}

/** Reads a store row by row; waits only at the end of a chunk. */
class Cursor {
  readonly #chunks: AsyncGenerator<readonly StoredRow[]>;
  #chunk: readonly StoredRow[] = [];
  #at = 0;
  #ended = false;

  constructor(store: StoreBytes) {
    this.#chunks = storedRows(store);
  }

  get row(): StoredRow | undefined {
    return this.#chunk[this.#at];
  }

  get spent(): boolean {
    return this.#at >= this.#chunk.length && !this.#ended;
  }

  step(): void {
    this.#at++;
  }

  async fill(): Promise<void> {
    while (this.spent) {
      const { value, done } = await this.#chunks.next();
      this.#ended = done === true;
      this.#chunk = value ?? [];
      this.#at = 0;
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return(undefined);
  }
}
