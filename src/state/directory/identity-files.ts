import { readFile } from 'node:fs/promises';
import { writeFileAtomically } from '../../files/write.js';

/** Storage of identity files: on disk, or in memory for memory databases. */
export interface IdentityFiles {
  /** The text of a file, null if there is none. */
  read(path: string): Promise<string | null>;
  /**
   * Replaces a file, or creates it with the directories above it. Afterwards it is on disk; after a crash it
   * has the old text or the new.
   */
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

  writeAtomically: writeFileAtomically,
};

/**
 * Identity files in memory, for tests: they last as long as the returned object, over any number of openings.
 */
export function memoryIdentityFiles(): IdentityFiles {
  const texts = new Map<string, string>();
  return {
    read: async (path) => texts.get(path) ?? null,
    writeAtomically: async (path, text) => {
      texts.set(path, text);
    },
  };
}
