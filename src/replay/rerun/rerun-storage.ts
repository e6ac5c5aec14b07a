import { rm } from 'node:fs/promises';
import type { OpenDatabase } from '../../model/database.js';
import { memoryDatabases } from '../../state/database/memory.js';
import { openRocksDatabase } from '../../state/database/rocksdb.js';
import { diskIdentityFiles, type IdentityFiles, memoryIdentityFiles } from '../../state/directory/identity-files.js';
import { LinkedDatabases } from './linked-databases.js';
import { temporaryDirectory } from './temporary.js';

/** The storage of a rerun's stores while it runs. */
export interface RerunStorage {
  /** The state directory. */
  readonly root: string;
  readonly openDatabase: OpenDatabase;
  readonly files: IdentityFiles;
  /** Its databases, if they can be copied by links: on disk. */
  readonly databases: LinkedDatabases | undefined;
  /** Removes everything. */
  remove(): Promise<void>;
}

/** RocksDB in a temporary directory: memory is bounded, for any amount of state. */
export async function diskStorage(parent?: string): Promise<RerunStorage> {
  const root = await temporaryDirectory('shadow', parent);
  const databases = new LinkedDatabases(openRocksDatabase);
  return {
    root,
    openDatabase: databases.open,
    files: diskIdentityFiles,
    databases,
    remove: () => rm(root, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/** For slices with state that is sure to fit. */
export function memoryStorage(): RerunStorage {
  return {
    root: 'shadow',
    openDatabase: memoryDatabases(),
    files: memoryIdentityFiles(),
    databases: undefined,
    remove: async () => undefined,
  };
}
