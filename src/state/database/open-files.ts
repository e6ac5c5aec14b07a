import { readlinkSync } from 'node:fs';
import { StreamsError } from '../../model/errors.js';

/**
 * Files of one database: tables up to `maxOpenFiles` of rocksdb.ts; besides these, lock, logs, list of
 * tables, directory.
 */
export const MAX_OPEN_TABLES = 256;
const OTHER_FILES = 16;
/** Connections, libraries, and the files of the user's own code. */
const SPARE_FILES = 256;
/**
 * Counts open files only up to this descriptor number: a process with a higher limit has not run out because
 * of our databases.
 */
const MAX_LOOKED_AT = 65_536;

/**
 * The error for a process that has reached its limit of open files: STATE_IO, with the number of open files
 * and a sufficient limit. Needs no file descriptor itself.
 */
export function tooManyFiles(what: string, directory: string, saw: string, cause: unknown): StreamsError {
  const limit = softLimit();
  const { databases, tables } = openFiles(limit ?? 0);
  // One is being opened.
  const needed = (databases + 1) * (MAX_OPEN_TABLES + OTHER_FILES) + SPARE_FILES;
  const enough = 2 ** Math.ceil(Math.log2(Math.max(needed, (limit ?? 0) + 1)));
  const open =
    limit === undefined
      ? ''
      : `; this process may open ${limit} files, and has ${databases} databases with ${tables} tables open`;
  return new StreamsError('STATE_IO', {
    what,
    at: directory,
    saw: `${saw}${open}`,
    expected: `room for ${OTHER_FILES} files and up to ${MAX_OPEN_TABLES} tables per database`,
    action: /in system|ENFILE/.test(saw)
      ? 'The whole machine has reached its limit: end processes that hold files, or raise fs.file-max (sysctl). The files on disk are intact.'
      : `Allow the process more open files and start it again; the files on disk are intact. \`ulimit -n ${enough}\` (LimitNOFILE= of systemd, --ulimit nofile= of Docker) is enough, with a database for each task.`,
    cause,
  });
}

/** The process's limit of open files; undefined where the system reports none (Windows). */
function softLimit(): number | undefined {
  const { userLimits } = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft?: unknown } };
  };
  const soft = Number(userLimits?.open_files?.soft);
  return Number.isSafeInteger(soft) && soft > 0 ? soft : undefined;
}

/** Counts the links in Linux's `/proc`; counts nothing on other systems. */
function openFiles(limit: number): { readonly databases: number; readonly tables: number } {
  let databases = 0;
  let tables = 0;
  if (process.platform === 'linux') {
    for (let file = 0; file < Math.min(limit, MAX_LOOKED_AT); file++) {
      const path = linkOf(file);
      if (path.endsWith('/LOCK')) databases++;
      else if (path.endsWith('.sst')) tables++;
    }
  }
  return { databases, tables };
}

function linkOf(file: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${file}`);
  } catch {
    // This descriptor is not in use.
    return '';
  }
}
