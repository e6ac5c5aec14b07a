import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { makePrivateDirectory } from '../../files/write.js';

/** `millrace-<what>-<machine>-<process>-<when it began>-<six characters>`. */
const NAME = /^millrace-(?:shadow|verify)-([0-9a-f]{8})-(\d+)-(\d+)-\w{6}$/;

const UNKNOWN = '0';

/**
 * Makes a directory for temporary data of a replay. The caller removes it. This function also removes
 * directories in the same place that killed processes have left. The name identifies the owner: a machine
 * (two containers are two machines), a process id, and the start time of the process, because process ids are
 * reused. Directories of other machines stay.
 */
export async function temporaryDirectory(what: 'shadow' | 'verify', parent: string = tmpdir()): Promise<string> {
  await makePrivateDirectory(parent);
  const machine = await thisMachine();
  for (const name of await readdir(parent)) {
    const [, of, pid = '', began = UNKNOWN] = NAME.exec(name) ?? [];
    if (of !== machine || !(await isGone(Number(pid), began))) continue;
    // Perhaps it belongs to another user; it does no harm.
    await rm(join(parent, name), { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
  }
  const own = `${machine}-${process.pid}-${await beginningOf(process.pid)}`;
  return mkdtemp(join(parent, `millrace-${what}-${own}-`));
}

/** Identifies the scope in which process ids are unique. */
async function thisMachine(): Promise<string> {
  const numbers = await readlink('/proc/self/ns/pid').catch(() => '');
  return createHash('sha256').update(`${hostname()} ${numbers}`).digest('hex').slice(0, 8);
}

/** Whether the process has ended, even if its id has been reused. */
async function isGone(pid: number, began: string): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Other codes mean that the process exists and belongs to another user.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return true;
  }
  const now = await beginningOf(pid);
  return began !== UNKNOWN && now !== UNKNOWN && now !== began;
}

/** Start time of a process in the system's own unit; `0` if the system does not provide it. */
async function beginningOf(pid: number): Promise<string> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The 20th field after the program name, which may contain spaces and brackets.
  return status.slice(status.lastIndexOf(')') + 2).split(' ')[19] ?? UNKNOWN;
}
