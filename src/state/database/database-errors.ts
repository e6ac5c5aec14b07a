import type { DatabaseContent } from '../../model/database.js';
import { messageOf, StreamsError } from '../../model/errors.js';
import { tooManyFiles } from './open-files.js';

const LOCKED =
  /lock hold by current process|LOCK: Resource temporarily unavailable|LOCK:.*being used by another process/i;
const TOO_MANY_FILES = /too many open files|EMFILE|ENFILE/i;
/**
 * RocksDB opens a file twice before it says this: the first attempt failed, and the second did not. It takes
 * that for direct I/O, which these databases never use. What passes so quickly is a lack of descriptors.
 */
const OPENED_AT_SECOND_TRY = /Direct I\/O is not supported by the specified DB/;
/** A missing file of RocksDB counts as damage: it never deletes one that it still needs. */
const DAMAGED =
  /corrupt|checksum|mismatch|magic number|too short|truncated|malformed|CURRENT file|bad (block|entry|record)|No such file or directory/i;
/** RocksDB wraps errors of the file system, and the code of the wrapper then says nothing. */
const ANSWER_OF_FILE_SYSTEM = /IO error:/;

/**
 * The error for a failure of the database or the file system, with the action to take. StreamsErrors pass
 * through. `content`: for a log, the action never deletes anything.
 */
export function databaseError(
  what: string,
  directory: string,
  cause: unknown,
  content: DatabaseContent = 'state',
): StreamsError {
  if (cause instanceof StreamsError) return cause;
  // The binding wraps RocksDB's error for a batch.
  const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const saw = messageOf(reason);
  // The directory's name could match the patterns, but has no meaning for the error.
  const said = saw.replaceAll(directory, '');
  if (LOCKED.test(said)) return databaseLocked(directory, saw, cause);
  if (TOO_MANY_FILES.test(said)) return tooManyFiles(what, directory, saw, cause);
  if (OPENED_AT_SECOND_TRY.test(said))
    return tooManyFiles(what, directory, `too many open files, a moment ago (RocksDB: ${saw})`, cause);
  const invalid = (reason as NodeJS.ErrnoException)?.code === 'EINVAL' && !ANSWER_OF_FILE_SYSTEM.test(said);
  if (invalid || DAMAGED.test(said)) return databaseDamaged(content, { what, at: directory, saw, cause });
  return new StreamsError('STATE_IO', {
    what,
    at: directory,
    saw,
    expected: 'a disk that can be read and written',
    action: 'Check free space, permissions and the disk, then start the task again.',
    cause,
  });
}

interface Damage {
  readonly what: string;
  readonly at: string;
  readonly saw: string;
  readonly expected?: string;
  readonly action?: string;
  readonly cause?: unknown;
}

/** Bytes differ from those that were written: in state, which can be rebuilt, or in a log, which cannot. */
export function databaseDamaged(content: DatabaseContent, damage: Damage): StreamsError {
  return content === 'log'
    ? new StreamsError('LOG_CORRUPT', {
        expected: 'the bytes that were written',
        action:
          'Stop the processes that use it and restore the directory from a copy. Keep the damaged files: they hold the topics themselves, which cannot be rebuilt.',
        ...damage,
      })
    : new StreamsError('STATE_CORRUPT', {
        expected: 'the bytes that were written',
        action: 'Stop the application, delete the directory and start again: the state is rebuilt from the changelog.',
        ...damage,
      });
}

export function databaseLocked(directory: string, saw: string, cause?: unknown): StreamsError {
  return new StreamsError('STATE_LOCKED', {
    what: 'cannot open the database',
    at: directory,
    saw,
    expected: 'a directory that no other process or engine has open',
    action: 'Stop the other process or engine that uses this directory, or give this one another state directory.',
    cause,
  });
}

export function databaseUnsupported(cause: unknown): StreamsError {
  const saw = messageOf(cause);
  if (TOO_MANY_FILES.test(saw)) return tooManyFiles('cannot load RocksDB', 'this process', saw, cause);
  return new StreamsError('STATE_UNSUPPORTED', {
    what: 'cannot load RocksDB',
    at: `${process.platform} ${process.arch}, Node ${process.version}`,
    saw,
    expected: 'Linux with glibc 2.34 or later, macOS or Windows, on x64 or arm64',
    action: /libatomic/.test(saw)
      ? 'Install libatomic: apt-get install libatomic1, or dnf install libatomic.'
      : 'Install again with `npm ci` on this machine; in a container, take an image with glibc (Debian, Ubuntu), not Alpine.',
    cause,
  });
}

export function databaseClosed(action: string, directory: string): StreamsError {
  return new StreamsError('STATE_IO', {
    what: `cannot ${action}`,
    at: directory,
    saw: 'a database that was closed',
    expected: 'an open one',
    action: 'Open the database again.',
  });
}

export function emptyKey(action: string, directory: string): StreamsError {
  return new StreamsError('STATE_IO', {
    what: `cannot ${action}`,
    at: directory,
    saw: 'an empty key',
    expected: 'a key of at least one byte',
    action: 'Put a prefix before the key: the stores of a task have one of two bytes.',
  });
}
