import sortedBTree from 'sorted-btree';
import type { Database, DatabaseEntry, DatabaseWrite, KeyRange, OpenDatabase } from '../../model/database.js';
import { databaseClosed, databaseLocked, emptyKey } from './database-errors.js';

// The package is CommonJS. In Node, an ES module finds its default export one level down; loaders with
// Babel's convention (tsx) differ.
const BTree = sortedBTree.default ?? (sortedBTree as unknown as typeof sortedBTree.default);
type Tree = sortedBTree.default<Buffer, Buffer>;

const SCAN_CHUNK_ENTRIES = 500;
const NO_KEY = Buffer.alloc(0);

/**
 * Databases in memory, for tests. They share one namespace, in which a directory is only a name. The content
 * survives closing, so a test can crash and start again; it lasts as long as the returned function.
 *
 * Cost: key and value are copied at each write and read, which take O(log n) each. A scan clones lazily:
 * O(1), and then one copy of each tree node (32 entries) that is written afterwards.
 *
 * Errors: STATE_LOCKED while the database of that name is open; STATE_IO when it is used after close.
 */
export function memoryDatabases(): OpenDatabase {
  const contents = new Map<string, Tree>();
  const open = new Set<string>();
  return async (directory) => {
    if (open.has(directory)) throw databaseLocked(directory, 'that it is open in this process');
    open.add(directory);
    const tree = contents.get(directory) ?? new BTree<Buffer, Buffer>(undefined, Buffer.compare);
    contents.set(directory, tree);
    return new MemoryDatabase(directory, tree, () => open.delete(directory));
  };
}

class MemoryDatabase implements Database {
  readonly #directory: string;
  readonly #tree: Tree;
  readonly #release: () => void;
  #closed = false;

  constructor(directory: string, tree: Tree, release: () => void) {
    this.#directory = directory;
    this.#tree = tree;
    this.#release = release;
  }

  async getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    this.#checkOpen('read');
    for (const key of keys) if (key.length === 0) throw emptyKey('read', this.#directory);
    return keys.map((key) => {
      const value = this.#tree.get(key);
      return value && Buffer.from(value);
    });
  }

  async write(writes: readonly DatabaseWrite[]): Promise<void> {
    this.#checkOpen('write');
    for (const { key } of writes) if (key.length === 0) throw emptyKey('write', this.#directory);
    for (const { key, value } of writes) {
      if (value === null) this.#tree.delete(key);
      else this.#tree.set(Buffer.from(key), Buffer.from(value));
    }
  }

  async *scan(range: KeyRange): AsyncGenerator<readonly DatabaseEntry[]> {
    this.#checkOpen('scan');
    let chunk: DatabaseEntry[] = [];
    let left = range.limit ?? Number.POSITIVE_INFINITY;
    for (const [key, value] of entries(this.#tree.clone(), range)) {
      if (left-- <= 0) break;
      chunk.push([Buffer.from(key), Buffer.from(value)]);
      if (chunk.length === SCAN_CHUNK_ENTRIES) {
        yield chunk;
        this.#checkOpen('scan');
        chunk = [];
      }
    }
    if (chunk.length > 0) yield chunk;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#release();
  }

  #checkOpen(action: string): void {
    if (this.#closed) throw databaseClosed(action, this.#directory);
  }
}

function* entries(tree: Tree, { gte = NO_KEY, lt, reverse }: KeyRange): Generator<readonly [Buffer, Buffer]> {
  // The tree skips its start only if it is exactly that key, which is what an exclusive bound needs.
  for (const entry of reverse ? tree.entriesReversed(lt, undefined, true) : tree.entries(gte)) {
    const [key] = entry;
    if (reverse ? Buffer.compare(key, gte) < 0 : lt && Buffer.compare(key, lt) >= 0) return;
    yield entry;
  }
}
