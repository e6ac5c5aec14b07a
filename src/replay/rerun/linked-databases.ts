import { copyFile, link, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory } from '../../files/write.js';
import type { Database, DatabaseEntry, DatabaseWrite, KeyRange, OpenDatabase } from '../../model/database.js';

/**
 * Files that are written once and never changed, so databases can share them. A database that is opened again
 * begins new ones.
 */
const SHARED = /\.(sst|log)$/;

/**
 * Databases that can be copied while in use, at the cost of a few file operations. The copy closes the
 * database, links its large files, copies the small ones, and opens it again. Users of the database notice
 * nothing, as long as no call is running.
 */
export class LinkedDatabases {
  readonly #openInner: OpenDatabase;
  readonly #open = new Map<string, LinkedDatabase>();

  constructor(openInner: OpenDatabase) {
    this.#openInner = openInner;
  }

  readonly open: OpenDatabase = async (directory) => {
    const inner = await this.#openInner(directory);
    const database = new LinkedDatabase(inner, () => this.#open.delete(directory));
    this.#open.set(directory, database);
    return database;
  };

  /** Copies an open database. The caller must not read or write it meanwhile. */
  async copy(directory: string, target: string): Promise<void> {
    const database = this.#open.get(directory);
    await database?.inner.close();
    try {
      await linkDirectory(directory, target);
    } finally {
      if (database) database.inner = await this.#openInner(directory);
    }
  }
}

class LinkedDatabase implements Database {
  inner: Database;
  readonly #onClose: () => void;

  constructor(inner: Database, onClose: () => void) {
    this.inner = inner;
    this.#onClose = onClose;
  }

  getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    return this.inner.getMany(keys);
  }

  write(writes: readonly DatabaseWrite[], options?: { readonly sync?: boolean }): Promise<void> {
    return this.inner.write(writes, options);
  }

  scan(range: KeyRange): AsyncIterable<readonly DatabaseEntry[]> {
    return this.inner.scan(range);
  }

  close(): Promise<void> {
    this.#onClose();
    return this.inner.close();
  }
}

/** Makes a second database with the same content. The first must not be open. */
export async function linkDirectory(from: string, to: string): Promise<void> {
  await makePrivateDirectory(to);
  for (const name of await readdir(from)) {
    if (name === 'LOCK') continue;
    const [source, target] = [join(from, name), join(to, name)];
    if (!SHARED.test(name)) await copyFile(source, target);
    // Another file system, or one without links.
    else await link(source, target).catch(() => copyFile(source, target));
  }
}
