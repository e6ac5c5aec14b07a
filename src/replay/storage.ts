import { rm } from 'node:fs/promises';
import type { OpenDatabase } from '../model/database.js';
import { diskIdentityFiles, type IdentityFiles, memoryIdentityFiles } from '../state/identity-files.js';
import { memoryDatabases } from '../state/memory.js';
import { openRocksDatabase } from '../state/rocksdb.js';
import { LinkedDatabases } from './linked-databases.js';
import { temporaryDirectory } from './temporary.js';

/** Where the stores of a shadow run are, while it runs. */
export interface ShadowStorage {
  /** The state directory. */
  readonly root: string;
  readonly openDatabase: OpenDatabase;
  readonly files: IdentityFiles;
  /** Its databases, where they can be copied by links: on disk. */
  readonly databases: LinkedDatabases | undefined;
  /** Removes all of it. */
  remove(): Promise<void>;
}

/** RocksDB in a temporary directory: memory is bounded, however much state there is. */
export async function diskStorage(parent?: string): Promise<ShadowStorage> {
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

/** For slices whose state surely fits. */
export function memoryStorage(): ShadowStorage {
  return {
    root: 'shadow',
    openDatabase: memoryDatabases(),
    files: memoryIdentityFiles(),
    databases: undefined,
    remove: async () => undefined,
  };
}
