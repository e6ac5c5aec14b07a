import { mkdir, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * State, logs and snapshots hold what is in the topics: they are for the user who runs the application, and
 * nobody else.
 */
const PRIVATE_DIRECTORY = 0o700;
const PRIVATE_FILE = 0o600;
const FOR_ALL = 0o666;

/**
 * Makes a directory, with those above it that are not there, which only this user may enter. One that is
 * there is left as it is.
 */
export async function makePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: PRIVATE_DIRECTORY });
}

/**
 * Writes a file that only this user may read, and that is not there yet: in a directory that nobody else
 * knows.
 */
export async function writePrivately(path: string, bytes: string | Uint8Array): Promise<void> {
  await writeFile(path, bytes, { mode: PRIVATE_FILE, flag: 'wx' });
}

/**
 * Replaces a file, or creates it with the (private) directories above it. Afterwards it is on disk; after a
 * crash it has the old bytes or the new. It is written in a directory beside it that is made for it, under a
 * name that nobody can guess, and then renamed: a symbolic link in its place is replaced, never followed.
 * `shared`: others may read it, as the umask says.
 *
 * Cost: two fsyncs. A crash in between leaves a directory `<name>.tmp-<six characters>`, which may be
 * deleted.
 */
export async function writeFileAtomically(
  path: string,
  text: string | Uint8Array,
  { shared = false }: { readonly shared?: boolean } = {},
): Promise<void> {
  const directory = dirname(path);
  await (shared ? mkdir(directory, { recursive: true }) : makePrivateDirectory(directory));
  const own = await mkdtemp(`${path}.tmp-`);
  try {
    const file = await open(join(own, 'new'), 'wx', shared ? FOR_ALL : PRIVATE_FILE);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(join(own, 'new'), path);
  } finally {
    await rm(own, { recursive: true, force: true }).catch(() => undefined);
  }
  await syncDirectory(directory);
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
