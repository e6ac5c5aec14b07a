import { mkdir, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * State, logs and snapshots hold the content of topics: only the user that runs the application may read
 * them.
 */
const PRIVATE_DIRECTORY = 0o700;
const PRIVATE_FILE = 0o600;
const FOR_ALL = 0o666;

/**
 * Creates a directory, and its missing parents, that only this user may enter. An existing directory keeps
 * its permissions.
 */
export async function makePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: PRIVATE_DIRECTORY });
}

/**
 * Writes a new file that only this user may read. The path must be in a directory that other processes cannot
 * guess.
 */
export async function writePrivately(path: string, bytes: string | Uint8Array): Promise<void> {
  await writeFile(path, bytes, { mode: PRIVATE_FILE, flag: 'wx' });
}

/**
 * Replaces a file, or creates it together with its (private) parent directories. When it resolves, the file
 * is on disk; after a crash it has either the old bytes or the new ones. The bytes are written to a new
 * directory next to the file, with a name that cannot be guessed, and then renamed. A symbolic link at the
 * path is replaced, never followed. `shared`: other users may read the file, as far as the umask permits.
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
  // Windows cannot fsync directories; its file system orders the rename itself.
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
