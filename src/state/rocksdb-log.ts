import { readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';

const MAX_BYTES = 1024 * 1024;
const INTERVAL_MS = 10 * 60_000;

const open = new Set<string>();
let timer: NodeJS.Timeout | undefined;

/**
 * RocksDB tells a file in the directory of the database (`LOG`) what it does, megabytes a day, and renames it at each opening. The binding has no option for that. So what earlier openings have told is removed here, and while the database is
 * open the file is emptied whenever it has grown beyond 1 MB. For diagnosis only: nothing depends on it, hence no errors.
 *
 * Returns what ends this.
 */
export async function boundLog(directory: string): Promise<() => void> {
  const old = (await readdir(directory).catch(() => [])).filter((name) => name.startsWith('LOG.old.'));
  await Promise.all(old.map((name) => rm(join(directory, name), { force: true }).catch(ignore)));
  open.add(directory);
  // One for the process, which it does not keep alive.
  timer ??= setInterval(() => void emptyLogs(), INTERVAL_MS).unref();
  return () => {
    open.delete(directory);
    if (open.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** Of all open databases. RocksDB goes on at the place where it was; what is before it takes no space. */
export async function emptyLogs(): Promise<void> {
  for (const directory of open) {
    const path = join(directory, 'LOG');
    const { size = 0, blocks = 0 } = await stat(path).catch(() => ({ size: 0, blocks: 0 }));
    // Where files have no holes (Windows) there are no blocks to count.
    if ((blocks > 0 ? blocks * 512 : size) > MAX_BYTES) await truncate(path, 0).catch(ignore);
  }
}

function ignore(): void {}
