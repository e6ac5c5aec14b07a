import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Where identity files are kept: on disk, or in memory beside memory databases. */
export interface IdentityFiles {
  /** The text of a file, null if there is none. */
  read(path: string): Promise<string | null>;
  /** Replaces a file, or creates it with the directories above it. Afterwards it is on disk; after a crash it has the old text or the new. */
  writeAtomically(path: string, text: string): Promise<void>;
}

/** Identity files on disk. Writing one takes two fsyncs. */
export const diskIdentityFiles: IdentityFiles = {
  async read(path) {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  },

  async writeAtomically(path, text) {
    const directory = dirname(path);
    await mkdir(directory, { recursive: true });
    const temporary = `${path}.tmp`;
    try {
      await writeAndSync(temporary, text);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    await syncDirectory(directory);
  },
};

/** Identity files in memory, for tests: they stay until the returned object goes, over any number of openings. */
export function memoryIdentityFiles(): IdentityFiles {
  const texts = new Map<string, string>();
  return {
    read: async (path) => texts.get(path) ?? null,
    writeAtomically: async (path, text) => {
      texts.set(path, text);
    },
  };
}

async function writeAndSync(path: string, text: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(text, 'utf8');
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(directory: string): Promise<void> {
  // Windows has no fsync of directories; its file system orders the rename itself.
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
