import type { Database, DatabaseWrite } from '../../model/database.js';
import { isStreamsError } from '../../model/errors.js';
import type { CacheBudget } from '../cache/cache-budget.js';
import type { StoreSpec } from '../contract.js';
import {
  CHECKPOINT_KEY,
  type Checkpoint,
  decodeCheckpoint,
  EMPTY_CHECKPOINT,
  encodeCheckpoint,
  type ReadLog,
} from '../directory/checkpoint.js';
import { openTaskDirectory, type TaskDirectory, type TaskDirectoryOptions } from '../directory/directory.js';
import { after, stamped } from '../layout.js';
import { GlobalStore } from './global-store.js';

/** The directory of the global tables. Names of tasks end in a partition number, so none has this name. */
export const GLOBAL_DIRECTORY = 'global';

/**
 * Number of directories for engines of one application that share a state directory: more than a machine will
 * run.
 */
const MAX_PLACES = 16;

export interface GlobalStateOptions extends Omit<TaskDirectoryOptions, 'identity' | 'taskId'> {
  readonly topology: string;
  readonly tables: readonly GlobalStoreSpec[];
  readonly budget: CacheBudget;
}

export interface GlobalStoreSpec {
  readonly topic: string;
  readonly spec: StoreSpec;
}

/** A row from the topic. Value null: the row is deleted. */
export interface GlobalChange {
  readonly store: string;
  readonly key: unknown;
  readonly value: Buffer | null;
  readonly timestamp: number;
}

/** The store contains everything before this offset. */
export interface GlobalPosition {
  readonly store: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly log: ReadLog;
}

/**
 * The name of a partition's position in the checkpoint. It includes the store, because a store may be
 * declared to follow another topic. No name contains a space.
 */
export const positionName = (store: string, topic: string, partition: number): string =>
  `${store} ${topic}[${partition}]`;

/** The positions of one store in a checkpoint's changelogs, by `topic[partition]`. */
export const positionsOf = (changelogs: Readonly<Record<string, number>>, store: string): Record<string, number> =>
  Object.fromEntries(
    Object.entries(changelogs).flatMap(([name, offset]) =>
      name.startsWith(`${store} `) ? [[name.slice(store.length + 1), offset]] : [],
    ),
  );

/**
 * All global tables of an engine: their stores in one database, and the position of each in its topic,
 * written in the same batch as the rows. The directory is like a task's; the topic positions take the place
 * of changelog positions.
 */
export class GlobalState {
  readonly directory: string;
  readonly #database: Database;
  readonly #stores = new Map<string, GlobalStore<unknown, unknown>>();
  #positions: Record<string, number>;
  /** The topic of each position. */
  #logs: ReadonlyMap<string, ReadLog>;
  /** The highest timestamp that each store has received. */
  readonly #times: Map<string, number>;

  private constructor(
    { directory, database, storeIds }: TaskDirectory,
    options: GlobalStateOptions,
    { changelogs: read, logs, streamTimes }: Checkpoint,
  ) {
    this.directory = directory;
    this.#database = database;
    for (const { spec } of options.tables) {
      const storeId = storeIds.get(spec.name) as number;
      this.#stores.set(spec.name, new GlobalStore({ spec, storeId, database, budget: options.budget }));
    }
    // Forgets the positions of topics that a store no longer follows; otherwise the store would seem up to
    // date when it follows the topic again.
    const followed = options.tables.map(({ topic, spec }) => `${spec.name} ${topic}[`);
    this.#positions = Object.fromEntries(
      Object.entries(read).filter(([name]) => followed.some((prefix) => name.startsWith(prefix))),
    );
    this.#logs = logs;
    this.#times = new Map(Object.entries(streamTimes));
  }

  /**
   * Opens `<root>/<application>/global`; or `global.2` and so on, if another engine of the application holds
   * the previous ones. Errors: STATE_LOCKED if all are held, STATE_MISMATCH, STATE_CORRUPT, STATE_IO: see
   * {@link openTaskDirectory}.
   */
  static async open(options: GlobalStateOptions): Promise<GlobalState> {
    for (let place = 1; ; place++) {
      const taskId = place === 1 ? GLOBAL_DIRECTORY : `${GLOBAL_DIRECTORY}.${place}`;
      try {
        return await GlobalState.#openPlace(taskId, options);
      } catch (error) {
        if (!isStreamsError(error) || error.code !== 'STATE_LOCKED' || place === MAX_PLACES) throw error;
      }
    }
  }

  static async #openPlace(taskId: string, options: GlobalStateOptions): Promise<GlobalState> {
    const { topology, tables } = options;
    // Rows are bytes of the topic, in any format, so there is no earlier format to compare with.
    const stores = tables.map(({ spec: { name, kind, key, value } }) => ({
      name,
      kind,
      key,
      value: { name: value.name },
    }));
    const identity = { topology, stores };
    const opened = await openTaskDirectory({ ...options, taskId, identity });
    try {
      const [bytes] = await opened.database.getMany([CHECKPOINT_KEY]);
      const checkpoint = bytes === undefined ? EMPTY_CHECKPOINT : decodeCheckpoint(bytes, opened.directory);
      const state = new GlobalState(opened, options, checkpoint);
      for (const name of state.#stores.keys())
        if (Object.keys(positionsOf(state.#positions, name)).length === 0) await state.clear(name);
      return state;
    } catch (error) {
      await opened.database.close().catch(() => undefined);
      throw error;
    }
  }

  store(name: string): GlobalStore<unknown, unknown> | undefined {
    return this.#stores.get(name);
  }

  /** What the stores contain. */
  get checkpoint(): Checkpoint {
    const names = new Set(Object.keys(this.#positions));
    const logs = new Map([...this.#logs].filter(([name]) => names.has(name)));
    return { sources: {}, changelogs: this.#positions, logs, streamTimes: Object.fromEntries(this.#times) };
  }

  /** The store's position in each partition; without partitions of which it has read nothing. */
  positions(store: string, topic: string): ReadonlyMap<number, number> {
    const named = Object.entries(positionsOf(this.#positions, store));
    return new Map(named.map(([name, offset]) => [Number(name.slice(topic.length + 1, -1)), offset]));
  }

  /**
   * Empties a store that has no readers yet, and forgets its positions. After an interruption it is done
   * again at the next opening, because the positions go first.
   */
  async clear(name: string): Promise<void> {
    const store = this.#stores.get(name) as GlobalStore<unknown, unknown>;
    this.#positions = Object.fromEntries(
      Object.entries(this.#positions).filter(([position]) => !position.startsWith(`${name} `)),
    );
    this.#times.delete(name);
    const { prefix } = store.codec;
    for await (const chunk of this.#database.scan({ gte: prefix, lt: after(prefix) }))
      await this.#write(chunk.map(([key]) => ({ key, value: null })));
    // Also if there was no row: positions that stay on disk would count for later rows.
    await this.#write([]);
  }

  /** Writes changes from the topics, and the positions, in one batch; then makes them visible to readers. */
  async apply(changes: readonly GlobalChange[], positions: readonly GlobalPosition[]): Promise<void> {
    const changed = new Map<GlobalStore<unknown, unknown>, Set<string>>();
    const writes: DatabaseWrite[] = [];
    for (const { store: name, key, value, timestamp } of changes) {
      const store = this.#stores.get(name) as GlobalStore<unknown, unknown>;
      const { id, databaseKey } = store.keyOf(key);
      if (timestamp > (this.#times.get(name) ?? Number.NEGATIVE_INFINITY)) this.#times.set(name, timestamp);
      writes.push({ key: databaseKey, value: value === null ? null : stamped(timestamp, value) });
      const ids = changed.get(store) ?? new Set();
      changed.set(store, ids.add(id));
    }
    const read = positions.map(({ store, topic, partition, offset }) => [
      positionName(store, topic, partition),
      offset,
    ]);
    this.#positions = { ...this.#positions, ...Object.fromEntries(read) };
    const logs = positions.map((at) => [positionName(at.store, at.topic, at.partition), at.log] as const);
    this.#logs = new Map([...this.#logs, ...logs]);
    await this.#write(writes);
    for (const [store, ids] of changed) store.changed(ids);
  }

  async close(): Promise<void> {
    for (const store of this.#stores.values()) store.close();
    await this.#database.close();
  }

  async #write(writes: readonly DatabaseWrite[]): Promise<void> {
    await this.#database.write([...writes, { key: CHECKPOINT_KEY, value: encodeCheckpoint(this.checkpoint) }]);
  }
}
