import type { ChunkKey } from '../../model/chunk.js';
import type { Database, DatabaseWrite } from '../../model/database.js';
import { StreamsError } from '../../model/errors.js';
import { ownOf } from '../../model/own.js';
import { show } from '../../model/text/show.js';
import type { VersionList } from '../../model/versions.js';
import type { CacheBudget } from '../cache/cache-budget.js';
import type { OperatorStore, StoreSpec } from '../contract.js';
import {
  CHECKPOINT_KEY,
  type Checkpoint,
  type CheckpointUpdate,
  decodeCheckpoint,
  EMPTY_CHECKPOINT,
  encodeCheckpoint,
} from '../directory/checkpoint.js';
import { openTaskDirectory, type TaskDirectory, type TaskDirectoryOptions } from '../directory/directory.js';
import type { Cause, ChangelogEntry } from '../rows/changelog-entry.js';
import { removeStore, type StoreBytes } from '../rows/store-bytes.js';
import { CachedStore } from './cached-store.js';
import { VersionedRows } from './versioned-rows.js';

/** Options of a task's store. */
export type StoreOptions = ConstructorParameters<typeof CachedStore<unknown, unknown>>[0];

export interface TaskStateOptions extends Omit<TaskDirectoryOptions, 'identity'> {
  readonly topology: string;
  readonly stores: readonly StoreSpec[];
  readonly budget: CacheBudget;
  /** Creates each store, for code that observes writes. Default: a plain store. */
  readonly createStore?: ((options: StoreOptions) => CachedStore<unknown, unknown>) | undefined;
}

const NO_LOGS: Checkpoint['logs'] = new Map();

/** The output of one commit: for the changelog of each store, and for the database. */
export interface StateCommit {
  readonly changelogs: ReadonlyMap<string, readonly ChangelogEntry[]>;
  readonly writes: DatabaseWrite[];
}

/**
 * All state of one task: its stores in one database, and the checkpoint that states what they contain.
 * Opening reads the checkpoint and no rows.
 */
export class TaskState {
  readonly directory: string;
  /** The cause of the current changes. The engine sets it before each record. */
  readonly cause: Cause = { topic: '', offset: -1, timestamp: 0 };
  readonly #database: Database;
  readonly #budget: CacheBudget;
  readonly #storeIds: ReadonlyMap<string, number>;
  readonly #specs: readonly StoreSpec[];
  /** Nothing was ever written to the database. */
  readonly #isNew: boolean;
  readonly #createStore: NonNullable<TaskStateOptions['createStore']>;
  readonly #stores = new Map<string, CachedStore<unknown, unknown>>();
  readonly #versioned = new Map<string, VersionedRows<unknown, unknown>>();
  #checkpoint: Checkpoint;
  /** Committed writes that wait for the next commit to reach the disk. */
  #postponed: DatabaseWrite[] = [];
  /** False if rows expire: expired rows are searched on disk, so each commit is written at once. */
  readonly #postpones: boolean;
  /** Most rows of the last commit were also changed before it, as far as the cache shows. */
  #repeats = false;
  /**
   * The commit has pages of long rows, which the next commit replaces: postponing would only keep them in
   * memory.
   */
  #hasPages = false;

  private constructor(
    { directory, database, isNew, storeIds }: TaskDirectory,
    options: TaskStateOptions,
    checkpoint: Checkpoint,
  ) {
    this.directory = directory;
    this.#database = database;
    this.#budget = options.budget;
    this.#storeIds = storeIds;
    this.#checkpoint = checkpoint;
    this.#postpones = options.stores.every(({ ttlMs }) => ttlMs === undefined);
    this.#specs = options.stores;
    this.#isNew = isNew;
    this.#createStore = options.createStore ?? ((store) => new CachedStore(store));
    for (const spec of options.stores) this.#create(spec);
    this.#connectVersions();
  }

  #create(spec: StoreSpec): CachedStore<unknown, unknown> {
    const storeId = this.#storeIds.get(spec.name) as number;
    const parts = { database: this.#database, budget: this.#budget, cause: this.cause };
    const store = this.#createStore({ spec, storeId, isNew: this.#isNew, ...parts });
    this.#stores.set(spec.name, store);
    return store;
  }

  #connectVersions(): void {
    for (const { name, history } of this.#specs) {
      const newest = this.#stores.get(name);
      const older = history && this.#stores.get(history.store);
      if (!newest || !older) continue;
      this.#versioned.set(
        name,
        new VersionedRows({
          newest,
          older: older as unknown as CachedStore<ChunkKey<unknown>, VersionList<unknown>>,
          historyMs: history.ms,
          cause: this.cause,
        }),
      );
    }
  }

  /** Errors: STATE_LOCKED, STATE_MISMATCH, STATE_CORRUPT, STATE_IO: see {@link openTaskDirectory}. */
  static async open(options: TaskStateOptions): Promise<TaskState> {
    const { topology, stores } = options;
    const opened = await openTaskDirectory({ ...options, identity: { topology, stores } });
    try {
      const [bytes] = await opened.database.getMany([CHECKPOINT_KEY]);
      const checkpoint = bytes === undefined ? EMPTY_CHECKPOINT : decodeCheckpoint(bytes, opened.directory);
      const state = new TaskState(opened, options, checkpoint);
      for (const [name, store] of state.#stores)
        await store.open(ownOf(checkpoint.streamTimes, name) ?? Number.NEGATIVE_INFINITY);
      return state;
    } catch (error) {
      await opened.database.close().catch(() => undefined);
      throw error;
    }
  }

  get checkpoint(): Checkpoint {
    return this.#checkpoint;
  }

  get stores(): Iterable<CachedStore<unknown, unknown>> {
    return this.#stores.values();
  }

  get dirtyRows(): number {
    let rows = 0;
    for (const store of this.#stores.values()) rows += store.dirtyRows;
    return rows;
  }

  store<K, V>(name: string): OperatorStore<K, V> {
    return (this.#versioned.get(name) ?? this.cached(name)) as unknown as OperatorStore<K, V>;
  }

  /** A store with the past of its rows; undefined if it keeps none. */
  versioned(name: string): VersionedRows<unknown, unknown> | undefined {
    return this.#versioned.get(name);
  }

  cached(name: string): CachedStore<unknown, unknown> {
    const store = this.#stores.get(name);
    if (store) return store;
    throw new StreamsError('STORE_UNKNOWN', {
      what: `there is no store ${show(name)} in this task`,
      at: this.directory,
      saw: [...this.#stores.keys()].join(', ') || 'no stores',
      action: 'Use the name of a store of this sub-topology.',
    });
  }

  /** A store as it is on disk, without uncommitted changes. */
  bytes(name: string): StoreBytes {
    return { database: this.#database, storeId: this.#storeIds.get(name) as number };
  }

  /** Whether committed writes are not on disk yet. */
  get postponed(): boolean {
    return this.#postponed.length > 0;
  }

  /**
   * Takes the changes since the last commit out of the stores. The caller must apply or postpone the result,
   * or close the state; no other commit may be being applied.
   */
  async prepare(): Promise<StateCommit> {
    // A row that has changed again since it was postponed is updated in place.
    const writes = this.#postponed;
    this.#postponed = [];
    const changelogs = new Map<string, readonly ChangelogEntry[]>();
    let rows = 0;
    let fresh = 0;
    this.#hasPages = false;
    for (const [name, store] of this.#stores) {
      await store.expire(writes);
      const entries: ChangelogEntry[] = [];
      fresh += store.drain(writes, entries);
      rows += entries.length;
      this.#hasPages ||= store.wrotePages;
      changelogs.set(name, entries);
    }
    this.#repeats = 2 * fresh < rows;
    return { changelogs, writes };
  }

  /**
   * Removes the rows of unused stores, and forgets their positions. After an interruption it must be done
   * again: the positions go first, and a store without one may hold useless rows.
   *
   * @param contained The source offsets of the checkpoint if no store keeps its rows.
   */
  async clear(stores: ReadonlySet<string>, contained: Checkpoint['sources'] = {}): Promise<void> {
    if (this.#isNew || stores.size === 0) return;
    const { sources, emptied, epochs } = this.#checkpoint;
    const kept = Object.entries(this.#checkpoint.changelogs).filter(([store]) => !stores.has(store));
    const logs = new Map([...this.#checkpoint.logs].filter(([store]) => !stores.has(store)));
    const times = Object.entries(this.#checkpoint.streamTimes).filter(([store]) => !stores.has(store));
    this.#checkpoint = {
      // The source data of the database is in its stores.
      sources: kept.length === 0 ? contained : sources,
      changelogs: Object.fromEntries(kept),
      logs,
      streamTimes: Object.fromEntries(times),
      ...(emptied !== undefined && { emptied }),
      ...(epochs && { epochs: Object.fromEntries(Object.entries(epochs).filter(([store]) => !stores.has(store))) }),
    };
    await this.#write([]);
    for (const name of stores) {
      const store = this.cached(name);
      store.close();
      await removeStore(this.bytes(name), () => undefined);
      await this.#create(store.spec).open(Number.NEGATIVE_INFINITY);
    }
    this.#connectVersions();
  }

  /** Removes everything that the database contains: rows, positions and times. */
  async clearAll(contained?: Checkpoint['sources']): Promise<void> {
    this.#checkpoint = EMPTY_CHECKPOINT;
    await this.clear(new Set(this.#stores.keys()), contained);
  }

  /** Writes a commit and its checkpoint in one batch. */
  async apply(writes: DatabaseWrite[], checkpoint: CheckpointUpdate, streamTime: number): Promise<void> {
    this.#reach(checkpoint, streamTime);
    await this.#write(writes);
  }

  /**
   * Lets a commit be written together with the next one: until then its rows are in memory and in the
   * changelog. Returns false if that is impossible, or would save nothing because other rows will change: the
   * commit must then be applied.
   */
  postpone(writes: DatabaseWrite[], checkpoint: CheckpointUpdate, streamTime: number): boolean {
    if (!this.#postpones || !this.#repeats || this.#hasPages) return false;
    this.#reach(checkpoint, streamTime);
    this.#postponed = writes;
    return true;
  }

  /** Writes the postponed commits. */
  async applyPostponed(): Promise<void> {
    const writes = this.#postponed;
    this.#postponed = [];
    if (writes.length > 0) await this.#write(writes);
  }

  #reach(checkpoint: CheckpointUpdate, streamTime: number): void {
    const times = Array.from(this.#stores, ([name, store]) => [name, store.streamTime] as const);
    const streamTimes = Object.fromEntries([['', streamTime], ...times]);
    this.#checkpoint = { logs: NO_LOGS, ...checkpoint, streamTimes };
  }

  async #write(writes: DatabaseWrite[]): Promise<void> {
    writes.push({ key: CHECKPOINT_KEY, value: encodeCheckpoint(this.#checkpoint) });
    await this.#database.write(writes);
    for (const store of this.#stores.values()) store.applied();
  }

  /**
   * Brings the caches back within the budget of the process. First each store gives up the same share of its
   * cache; then each evicts more while the budget is exceeded.
   */
  evict(): void {
    const { maxBytes, usedBytes } = this.#budget;
    const share = Math.min(1, maxBytes / usedBytes);
    for (const store of this.#stores.values()) store.evict(share);
    for (const store of this.#stores.values()) store.evict(0);
  }

  async close(): Promise<void> {
    for (const store of this.#stores.values()) store.close();
    await this.#database.close();
  }
}
