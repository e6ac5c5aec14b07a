import { type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';

const LOG = /^\d+\.log$/;
/** Windows syncs only what may be written. */
const FLAGS = process.platform === 'win32' ? 'r+' : 'r';

/**
 * Puts the write-ahead logs of a database on the disk. RocksDB hands them to the operating system, and its
 * binding cannot ask for more. There are several while a full memtable is made a table: a log goes when its
 * table is there.
 */
export class SyncedFiles {
  readonly #directory: string;
  /** The newest log, which is on the disk under its name. */
  #newest: { readonly name: string; readonly file: FileHandle } | undefined;
  #trusted = true;
  /** How long the logs are on the disk, by their names: those that were there when the newest came. */
  readonly lengths = new Map<string, number>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * A write failed: part of it may be in a log, which RocksDB counts as whole. No length is known any more.
   */
  distrust(): void {
    this.#trusted = false;
    this.lengths.clear();
  }

  /** Everything that was written; `log` took the last write, and is that long. */
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

  /** What came before is in logs that are full, and were perhaps never synced. */
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
    // Without its name a new file is not found after a power failure.
    if (process.platform !== 'win32') await synced(this.#directory);
    this.#newest = { name: newest, file };
  }
}

/**
 * Returns when the disk has what was written to a file, or the names in a directory: its length, undefined if
 * it is gone.
 */
async function synced(path: string): Promise<number | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, FLAGS);
  } catch (error) {
    // A log whose table is on the disk.
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
