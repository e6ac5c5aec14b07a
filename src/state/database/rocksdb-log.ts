import { readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';

const MAX_BYTES = 1024 * 1024;
/** Number of reads and writes between two checks of the file. */
const INTERVAL_CALLS = 1_000;

/**
 * RocksDB logs its activity to a file in the directory of the database (`LOG`), megabytes a day, and renames
 * it at each opening. The binding has no option for that. So this class removes the files of earlier
 * openings, and empties the file whenever it has grown beyond 1 MB. The file is for diagnosis only: nothing
 * depends on it, so errors are ignored.
 */
export class BoundLog {
  readonly #directory: string;
  #calls = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async forgetOld(): Promise<void> {
    const old = (await readdir(this.#directory).catch(() => [])).filter((name) => name.startsWith('LOG.old.'));
    await Promise.all(old.map((name) => rm(join(this.#directory, name), { force: true }).catch(ignore)));
  }

  /** Called after each read or write. */
  called(): void {
    this.#calls++;
    if (this.#calls % INTERVAL_CALLS === 0) void this.#bound();
  }

  /** RocksDB continues to write at its old position; the part before it takes no space. */
  async #bound(): Promise<void> {
    const path = join(this.#directory, 'LOG');
    const { size = 0, blocks = 0 } = await stat(path).catch(() => ({ size: 0, blocks: 0 }));
    // Where files have no holes (Windows) there is no block count.
    if ((blocks > 0 ? blocks * 512 : size) > MAX_BYTES) await truncate(path, 0).catch(ignore);
  }
}

function ignore(): void {}
