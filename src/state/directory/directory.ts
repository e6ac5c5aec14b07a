import { join } from 'node:path';
import type { Database, OpenDatabase } from '../../model/database.js';
import { checkName } from '../../model/names.js';
import { databaseError } from '../database/database-errors.js';
import {
  assignIds,
  checkOwner,
  type DeclaredStore,
  damaged,
  formatIdentity,
  type Identity,
  parseIdentity,
  type StoreIdentity,
} from './identity.js';
import { diskIdentityFiles, type IdentityFiles } from './identity-files.js';

export interface TaskDirectoryOptions {
  /** The state directory of the process. */
  readonly root: string;
  readonly applicationId: string;
  readonly taskId: string;
  readonly openDatabase: OpenDatabase;
  readonly identity: {
    readonly topology: string;
    readonly stores: readonly DeclaredStore[];
  };
  /** Default: files on disk. Memory databases use {@link memoryIdentityFiles}. */
  readonly files?: IdentityFiles;
}

export interface TaskDirectory {
  /** `<root>/<applicationId>/<taskId>`: the directory to delete to have the state rebuilt. */
  readonly directory: string;
  /** The task's database, open and locked. The caller that opened the directory closes it. */
  readonly database: Database;
  /** The directory was never opened before: the database is empty. */
  readonly isNew: boolean;
  /**
   * The key prefix of each declared store, from 1 to 65535; the same at every opening. 0 is for the task
   * itself.
   */
  readonly storeIds: ReadonlyMap<string, number>;
}

/** The file that identifies the owner of a directory. A directory without it is no task directory. */
export const identityPath = (root: string, applicationId: string, taskId: string): string =>
  join(root, applicationId, taskId, 'identity.json');

/**
 * Opens (creates) the directory of a task: `identity.json`, which identifies its owner, and the database in
 * `db`.
 *
 * The database is opened first: its lock is the lock of the directory, so no other process reads or writes
 * the identity meanwhile. Then
 * 1. a new directory gets its identity, written before the first entry can be;
 * 2. an existing one must belong to the same application, topology and task, and its stores must have the
 *    same kinds and serdes;
 * 3. new stores get the next ids, and new formats of a store are noted; the identity is replaced before they
 *    are used. If that fails, the old one is still there.
 *
 * If any step fails the database is closed again. Cost: one small file read, and two fsyncs when stores are
 * new.
 *
 * Errors: STATE_LOCKED, STATE_MISMATCH (another owner, a changed store, a newer format), STATE_CORRUPT
 * (damaged identity, or none next to a database with entries), STATE_IO, CONFIG_INVALID (an id that is not a
 * safe file name).
 */
export async function openTaskDirectory(options: TaskDirectoryOptions): Promise<TaskDirectory> {
  checkName('application id', options.applicationId);
  checkName('task id', options.taskId);
  const directory = join(options.root, options.applicationId, options.taskId);
  const database = await options.openDatabase(join(directory, 'db'));
  try {
    return { directory, database, ...(await identify(options, directory, database)) };
  } catch (error) {
    // The first error is the relevant one; an error from closing would only hide it.
    await database.close().catch(() => undefined);
    throw databaseError('cannot read or write the identity of the state', directory, error);
  }
}

async function identify(
  options: TaskDirectoryOptions,
  directory: string,
  database: Database,
): Promise<Pick<TaskDirectory, 'isNew' | 'storeIds'>> {
  const { files = diskIdentityFiles, identity } = options;
  const path = identityPath(options.root, options.applicationId, options.taskId);
  const owner = { application: options.applicationId, topology: identity.topology, task: options.taskId };
  const text = await files.read(path);
  const found: Identity = text === null ? { ...owner, stores: new Map() } : parseIdentity(text, path);
  checkOwner(found, owner, path);
  // Without the file, the owners of the prefixes are unknown; new ids could give one store the entries of
  // another.
  if (text === null && !(await isEmpty(database))) throw damaged(path, 'no file next to a database with entries');

  const stores = assignIds(found.stores, identity.stores, path);
  const identified = formatIdentity({ ...owner, stores });
  if (text !== identified) await files.writeAtomically(path, identified);
  const storeIds = new Map(identity.stores.map(({ name }) => [name, (stores.get(name) as StoreIdentity).id]));
  return { isNew: text === null, storeIds };
}

async function isEmpty(database: Database): Promise<boolean> {
  for await (const chunk of database.scan({ limit: 1 })) if (chunk.length > 0) return false;
  return true;
}
