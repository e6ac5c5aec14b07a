import { type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';

const LOG = /^\d+\.log$/;
/** Windows syncs only files that are open for writing. */
const FLAGS = process.platform === 'win32' ? 'r+' : 'r';

/**
 * Syncs the write-ahead logs of a database to disk. RocksDB passes them to the operating system, and its
 * binding has no function to sync them. There are several while a full memtable is written to a table: a log
 * is deleted when its table exists.
 */
export class SyncedFiles {
  readonly #directory: string;
  /** The newest log; its name is on disk, too. */
  #newest: { readonly name: string; readonly file: FileHandle } | undefined;
  #trusted = true;
  /** Synced length of each log, by name; includes the logs that existed when the newest one began. */
  readonly lengths = new Map<string, number>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * A write failed: part of it may be in a log, while RocksDB's size includes all of it. All lengths become
   * unknown.
   */
  distrust(): void {
    this.#trusted = false;
    this.lengths.clear();
  }

  /** Syncs everything that was written; `log` took the last write, and has that size. */
  async sync(log: { readonly path: string; readonly size: number }): Promise<void> {
    const name = basename(log.path);
    if (name === this.#newest?.name) await this.#newest.file.sync();
    else await this.#begin(name);
    if (this.#trusted) this.lengths.set(name, log.size);
  }

  async close(): Promise<void> {
    await this.#newest?.file.close();
    this.#newest = undefined;
  }

  /** Earlier writes are in full logs, which were perhaps never synced. */
  async #begin(newest: string): Promise<void> {
    await this.close();
    const names = (await readdir(this.#directory)).filter((name) => LOG.test(name) && name !== newest);
    for (const name of this.lengths.keys()) if (!names.includes(name)) this.lengths.delete(name);
    for (const name of names) {
      const length = await synced(join(this.#directory, name));
      if (length === undefined) this.lengths.delete(name);
      else if (this.#trusted) this.lengths.set(name, length);
    }
    const file = await open(join(this.#directory, newest), FLAGS);
    await file.sync();
    // Without its name on disk, a new file is not found after a power failure.
    if (process.platform !== 'win32') await synced(this.#directory);
    this.#newest = { name: newest, file };
  }
}

/** Syncs the content of a file, or the names in a directory; returns its length, undefined if it is gone. */
async function synced(path: string): Promise<number | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, FLAGS);
  } catch (error) {
    // The table of this log is on disk.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    await file.sync();
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}
