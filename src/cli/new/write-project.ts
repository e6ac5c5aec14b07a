import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf, StreamsError } from '../../model/errors.js';
import { show } from '../../model/text/show.js';

/** What a clone of an empty repository has. */
const MAY_BE_THERE = ['.git'];
const MAX_SHOWN = 3;
/** Nothing is wrong with the directory. */
const MACHINE = ['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE'];

/** Whether the directory is there. USAGE if it is none, or has anything in it but a repository of git. */
function checkPlace(directory: string): boolean {
  const stats = attempt(directory, () => statSync(directory, { throwIfNoEntry: false }));
  if (stats === undefined) {
    const link = attempt(directory, () => lstatSync(directory, { throwIfNoEntry: false }));
    if (link) throw noPlace(directory, 'a symbolic link that leads nowhere');
    return false;
  }
  if (!stats.isDirectory()) throw noPlace(directory, 'a file');
  const entries = attempt(directory, () => readdirSync(directory)).filter((name) => !MAY_BE_THERE.includes(name));
  if (entries.length === 0) return true;
  const more = entries.length > MAX_SHOWN ? ` and ${entries.length - MAX_SHOWN} more` : '';
  throw noPlace(directory, `a directory with ${entries.sort().slice(0, MAX_SHOWN).map(show).join(', ')}${more}`);
}

/**
 * Writes the files of a project, by their paths in it, with the directories above it. All of them or none: a
 * failure leaves what was there. A directory that was not there appears with all of its files at once. A
 * crash before that leaves a directory `<name>.tmp-<six characters>` beside it, or `.tmp-<six characters>` in
 * one that was there, which may be deleted.
 *
 * Errors: USAGE for a directory that has anything in it but a repository of git, and for a place that cannot
 * be written to; STATE_IO if the disk is full or broken.
 */
export async function writeProject(directory: string, files: ReadonlyMap<string, string>): Promise<void> {
  const there = checkPlace(directory);
  const above = missingAbove(directory);
  const moved: string[] = [];
  let own: string | undefined;
  try {
    await mkdir(dirname(directory), { recursive: true });
    own = await mkdtemp(there ? join(directory, '.tmp-') : `${directory}.tmp-`);
    // mkdtemp makes it private; a project is for others as the umask says.
    const project = join(own, 'project');
    for (const [path, text] of files) {
      await mkdir(dirname(join(project, path)), { recursive: true });
      await writeFile(join(project, path), text, { flag: 'wx' });
    }
    if (there) await moveInto(directory, project, moved);
    else await rename(project, directory);
  } catch (error) {
    for (const path of moved) await remove(path);
    if (own !== undefined) await remove(own);
    // What somebody else has put something into stays.
    for (const path of above) await rmdir(path).catch(() => undefined);
    throw unwritable(directory, error);
  }
  await remove(own);
}

/** The directories above it that are not there, from the nearest on. */
function missingAbove(directory: string): readonly string[] {
  const above = dirname(directory);
  return above === directory || existsSync(above) ? [] : [above, ...missingAbove(above)];
}

/** Moves everything of one directory into another, and notes what has been moved. */
async function moveInto(directory: string, from: string, moved: string[]): Promise<void> {
  for (const name of await readdir(from)) {
    await rename(join(from, name), join(directory, name));
    moved.push(join(directory, name));
  }
}

const remove = (path: string): Promise<void> => rm(path, { recursive: true, force: true }).catch(() => undefined);

/** The result of a look at the disk, or why there is none. */
function attempt<T>(directory: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    throw unwritable(directory, error);
  }
}

const noPlace = (directory: string, saw: string): StreamsError =>
  new StreamsError('USAGE', {
    what: 'cannot make a project',
    at: directory,
    saw,
    expected: 'a new or an empty directory',
    action: 'Choose another one; nothing was written.',
  });

function unwritable(directory: string, cause: unknown): StreamsError {
  const { code = '' } = cause as NodeJS.ErrnoException;
  const isMachine = MACHINE.includes(code);
  return new StreamsError(isMachine ? 'STATE_IO' : 'USAGE', {
    what: 'cannot make a project',
    at: directory,
    saw: messageOf(cause),
    expected: isMachine ? 'a disk with room' : 'a place that this user may write to',
    action: isMachine ? 'Make room, then try again; nothing was left.' : 'Choose another one; nothing was left.',
    cause,
  });
}
