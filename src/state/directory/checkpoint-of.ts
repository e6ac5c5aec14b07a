import { join } from 'node:path';
import type { OpenDatabase } from '../../model/database.js';
import { CHECKPOINT_KEY, type Checkpoint, decodeCheckpoint } from './checkpoint.js';

/**
 * The checkpoint in a task's directory. Undefined: it cannot be read, or another engine has it open.
 */
export async function checkpointOnDisk(
  openDatabase: OpenDatabase,
  { root, applicationId, taskId }: { readonly root: string; readonly applicationId: string; readonly taskId: string },
): Promise<Checkpoint | undefined> {
  const directory = join(root, applicationId, taskId);
  try {
    const database = await openDatabase(join(directory, 'db'));
    try {
      const [bytes] = await database.getMany([CHECKPOINT_KEY]);
      return bytes && decodeCheckpoint(bytes, directory);
    } finally {
      await database.close();
    }
  } catch {
    return undefined;
  }
}
