import { accessSync, constants, createReadStream, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf } from '../../model/errors.js';
import type { Io } from '../terminal/io.js';
import { usage } from '../terminal/usage.js';

/** About a thousand lines: enough for efficient writes, few enough to show progress. */
const CHUNK_BYTES = 256 * 1024;

export interface OpenedInput {
  /** Names the input in errors. */
  readonly at: string;
  /** Undefined for a pipe. */
  readonly size: number | undefined;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Errors: USAGE if a file cannot be read. Called before any work is done. */
export function checkInput(file: string, cwd: string): void {
  if (file !== '-') inspect(file, cwd);
}

/**
 * Opens a file, or standard input for `-`. The signal ends the reading. Errors: USAGE if it cannot be read.
 */
export function openInput(file: string, io: Io, signal: AbortSignal): OpenedInput {
  if (file === '-') {
    signal.addEventListener('abort', () => io.stdin.destroy(), { once: true });
    return { at: 'standard input', size: undefined, bytes: io.stdin };
  }
  const { path, size } = inspect(file, io.cwd);
  return { at: file, size, bytes: createReadStream(path, { signal, highWaterMark: CHUNK_BYTES }) };
}

function inspect(file: string, cwd: string): { readonly path: string; readonly size: number | undefined } {
  const path = resolve(cwd, file);
  try {
    accessSync(path, constants.R_OK);
    const stats = statSync(path);
    if (stats.isDirectory()) throw new Error('it is a directory');
    return { path, size: stats.isFile() ? stats.size : undefined };
  } catch (error) {
    const expected = 'a file with one JSON value per line, or - for standard input';
    throw usage(`cannot read the input ${file}`, messageOf(error), expected, 'Correct the path.');
  }
}
