import { resolve } from 'node:path';
import type { Database, OpenDatabase } from '../../model/database.js';

/** The databases that the tasks of an application have open, by directory. */
export class OpenDatabases {
  readonly #open = new Map<string, Database>();

  /** The same function, which notes what it opens. The databases themselves are unchanged. */
  noting(openDatabase: OpenDatabase): OpenDatabase {
    return async (directory, options) => {
      const database = await openDatabase(directory, options);
      const path = resolve(directory);
      this.#open.set(path, database);
      const close = database.close.bind(database);
      database.close = async () => {
        if (this.#open.get(path) === database) this.#open.delete(path);
        await close();
      };
      return database;
    };
  }

  get directories(): readonly string[] {
    return [...this.#open.keys()];
  }

  find(directory: string): Database | undefined {
    return this.#open.get(resolve(directory));
  }
}
