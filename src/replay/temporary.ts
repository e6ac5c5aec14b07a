import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { makePrivateDirectory } from '../files/write.js';

/** `millrace-<what>-<machine>-<process>-<when it began>-<six characters>`. */
const NAME = /^millrace-(?:shadow|verify)-([0-9a-f]{8})-(\d+)-(\d+)-\w{6}$/;

const UNKNOWN = '0';

/**
 * Makes a directory for what is needed while this process looks into the past. Whoever made it removes it;
 * what processes that were killed have left in the same place is removed here, since nobody else would. Whose
 * a directory is stands in its name: a machine (two containers are two machines), and a process of it, with
 * its beginning, since numbers are given again. Those of other machines are left alone.
 */
export async function temporaryDirectory(what: 'shadow' | 'verify', parent: string = tmpdir()): Promise<string> {
  await makePrivateDirectory(parent);
  const machine = await thisMachine();
  for (const name of await readdir(parent)) {
    const [, of, pid = '', began = UNKNOWN] = NAME.exec(name) ?? [];
    if (of !== machine || !(await isGone(Number(pid), began))) continue;
    // Perhaps it is another user's: it is in nobody's way.
    await rm(join(parent, name), { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
  }
  const own = `${machine}-${process.pid}-${await beginningOf(process.pid)}`;
  return mkdtemp(join(parent, `millrace-${what}-${own}-`));
}

/** Where processes know each other by their numbers. */
async function thisMachine(): Promise<string> {
  const numbers = await readlink('/proc/self/ns/pid').catch(() => '');
  return createHash('sha256').update(`${hostname()} ${numbers}`).digest('hex').slice(0, 8);
}

/** Whether there is no such process any more, or only another of that number. */
async function isGone(pid: number, began: string): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Others say that it belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return true;
  }
  const now = await beginningOf(pid);
  return began !== UNKNOWN && now !== UNKNOWN && now !== began;
}

/** When a process began, in the words of the system, where it says so. */
async function beginningOf(pid: number): Promise<string> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // Behind the name of the program, which may hold blanks and brackets, it is the 20th field.
  return status.slice(status.lastIndexOf(')') + 2).split(' ')[19] ?? UNKNOWN;
}
