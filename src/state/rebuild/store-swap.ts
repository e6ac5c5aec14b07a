import type { Database } from '../../model/database.js';
import type { StoreSpec } from '../contract.js';
import { CHECKPOINT_KEY, type Checkpoint, decodeCheckpoint, EMPTY_CHECKPOINT } from '../directory/checkpoint.js';
import {
  identityPath,
  openTaskDirectory,
  type TaskDirectory,
  type TaskDirectoryOptions,
} from '../directory/directory.js';
import { assignIds, formatIdentity, type Identity, parseIdentity, type StoreIdentity } from '../directory/identity.js';
import { diskIdentityFiles, type IdentityFiles } from '../directory/identity-files.js';
import { copyStore, removeStore, type StoreBytes } from '../rows/store-bytes.js';

/** Users cannot give a store such a name. */
const FRESH = '~new';
const OLD = '~old';

export interface StoreSwapOptions extends Omit<TaskDirectoryOptions, 'identity'> {
  readonly topology: string;
  readonly spec: StoreSpec;
}

/** Called with the number of entries that were copied or removed. */
export type Moved = (entries: number) => void;

/**
 * Replaces the rows of one store in the database of its task. The directory is locked as long as this is
 * open.
 *
 * | step | in `identity.json` | in the database | a crash after it |
 * |---|---|---|---|
 * | copy | `NAME~new` has its own number | the new rows under that number | the old store is as it was; a repeated copy begins from nothing |
 * | swap | `NAME` has the new number, `NAME~old` the old one: one atomic write | – | the new store is whole; the old rows do no harm |
 * | clean | both names are gone | the old rows are gone | nothing: the swap is whole |
 *
 * Rows are on disk before the identity that names them is written, and removed from disk before their number
 * is free again.
 */
export class StoreSwap {
  readonly directory: string;
  /** What the task's database contains. */
  readonly checkpoint: Checkpoint;
  readonly #database: Database;
  readonly #name: string;
  readonly #path: string;
  readonly #files: IdentityFiles;
  #identity: Identity;

  private constructor(
    { directory, database }: TaskDirectory,
    parts: {
      readonly name: string;
      readonly path: string;
      readonly files: IdentityFiles;
      readonly identity: Identity;
      readonly checkpoint: Checkpoint;
    },
  ) {
    this.directory = directory;
    this.#database = database;
    this.#name = parts.name;
    this.#path = parts.path;
    this.#files = parts.files;
    this.#identity = parts.identity;
    this.checkpoint = parts.checkpoint;
  }

  /** Errors: STATE_LOCKED, STATE_MISMATCH, STATE_CORRUPT, STATE_IO: see {@link openTaskDirectory}. */
  static async open(options: StoreSwapOptions): Promise<StoreSwap> {
    const { root, applicationId, taskId, topology, spec, files = diskIdentityFiles } = options;
    const opened = await openTaskDirectory({ ...options, identity: { topology, stores: [spec] } });
    try {
      const path = identityPath(root, applicationId, taskId);
      const identity = parseIdentity((await files.read(path)) ?? '', path);
      const [bytes] = await opened.database.getMany([CHECKPOINT_KEY]);
      const checkpoint = bytes === undefined ? EMPTY_CHECKPOINT : decodeCheckpoint(bytes, opened.directory);
      return new StoreSwap(opened, { name: spec.name, path, files, identity, checkpoint });
    } catch (error) {
      await opened.database.close().catch(() => undefined);
      throw error;
    }
  }

  /** The store as the application has it. */
  get store(): StoreBytes {
    return this.#bytes(this.#name);
  }

  /** An earlier swap is done and not cleaned up. */
  get swapped(): boolean {
    return this.#identity.stores.has(this.#name + OLD);
  }

  async copy(from: StoreBytes, moved: Moved): Promise<void> {
    const { kind, key, value, formats } = this.#known(this.#name);
    const fresh = { name: this.#name + FRESH, kind, key: { name: key }, value: { name: value } };
    const stores = new Map(assignIds(this.#identity.stores, [fresh], this.#path));
    // Rows of a changelog are as old as the store: they may have any format that it ever had.
    if (formats) stores.set(fresh.name, { ...(stores.get(fresh.name) as StoreIdentity), formats });
    await this.#write(stores);
    // The remains of an interrupted copy.
    await removeStore(this.#bytes(fresh.name), () => undefined);
    await copyStore(from, this.#bytes(fresh.name), moved);
  }

  async swap(): Promise<void> {
    const stores = new Map(this.#identity.stores);
    stores.set(this.#name + OLD, this.#known(this.#name));
    stores.set(this.#name, this.#known(this.#name + FRESH));
    stores.delete(this.#name + FRESH);
    await this.#write(stores);
  }

  /** Removes the old rows, and those of an unused copy. */
  async clean(moved: Moved): Promise<void> {
    const stores = new Map(this.#identity.stores);
    for (const name of [this.#name + OLD, this.#name + FRESH]) {
      if (!stores.delete(name)) continue;
      await removeStore(this.#bytes(name), moved);
    }
    if (stores.size < this.#identity.stores.size) await this.#write(stores);
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  #known(name: string): StoreIdentity {
    return this.#identity.stores.get(name) as StoreIdentity;
  }

  #bytes(name: string): StoreBytes {
    return { database: this.#database, storeId: this.#known(name).id };
  }

  async #write(stores: Identity['stores']): Promise<void> {
    const identity = { ...this.#identity, stores };
    await this.#files.writeAtomically(this.#path, formatIdentity(identity));
    this.#identity = identity;
  }
}
