import { readlinkSync } from 'node:fs';
import { StreamsError } from '../model/errors.js';

/**
 * Of a database: its tables, as `maxOpenFiles` of rocksdb.ts allows; lock, logs, list of tables, directory.
 */
export const MAX_OPEN_TABLES = 256;
const OTHER_FILES = 16;
/** Connections, libraries, and the files of the user's own code. */
const SPARE_FILES = 256;
/**
 * What is open is told of at most that many: a process that may have a million has not run out by our
 * databases.
 */
const MAX_LOOKED_AT = 65_536;

/**
 * The process may open no more files: STATE_IO, which says what is open, and how many files it should be
 * allowed. It needs no file itself to find that out.
 */
export function tooManyFiles(what: string, directory: string, saw: string, cause: unknown): StreamsError {
  const limit = softLimit();
  const { databases, tables } = openFiles(limit ?? 0);
  // One is being opened.
  const wanted = (databases + 1) * (MAX_OPEN_TABLES + OTHER_FILES) + SPARE_FILES;
  const enough = 2 ** Math.ceil(Math.log2(Math.max(wanted, (limit ?? 0) + 1)));
  const open =
    limit === undefined
      ? ''
      : `; this process may have ${limit}, and has ${databases} databases with ${tables} tables open`;
  return new StreamsError('STATE_IO', {
    what,
    at: directory,
    saw: `${saw}${open}`,
    expected: `room for ${OTHER_FILES} files of each database, and up to ${MAX_OPEN_TABLES} tables of it`,
    action: /in system|ENFILE/.test(saw)
      ? 'It is the machine that has no more: end what holds them, or raise fs.file-max (sysctl). The files on disk are as they should be.'
      : `Allow the process more open files and start it again; those on disk are as they should be. \`ulimit -n ${enough}\` (LimitNOFILE= of systemd, --ulimit nofile= of Docker) is enough, with a database for each task.`,
    cause,
  });
}

/** How many files the process may have open; undefined where nobody says (Windows). */
function softLimit(): number | undefined {
  const { userLimits } = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft?: unknown } };
  };
  const soft = Number(userLimits?.open_files?.soft);
  return Number.isSafeInteger(soft) && soft > 0 ? soft : undefined;
}

/** Counts by the links of Linux; elsewhere nothing is counted. */
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
    // That number is free.
    return '';
  }
}
