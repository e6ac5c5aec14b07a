import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../model/errors.js';

/**
 * The paths of this copy of millrace, compiled and in source maps: stack frames in them are not the user's.
 */
const COMPILED = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const OWN = [COMPILED, join(dirname(COMPILED), 'src')];

const inside = (path: string, ...below: string[]): boolean =>
  OWN.some((directory) => path.startsWith(join(directory, ...below) + sep));

/**
 * The end of a stack line: `:12:5`, perhaps in brackets. The code finds the path before it without a regular
 * expression, in linear time: error messages are part of a stack, and may contain foreign text.
 */
const END = /:(\d{1,9}):(\d{1,9})\)?$/;
const MAX_LINE = 4_096;
const PATH = /^(?:file:\/\/)?(?:\/|[A-Za-z]:[\\/])/;

/** The file of a stack line, with row and column; undefined if the line is not a frame, or has no file. */
function frameOf(
  line: string,
): { readonly location: string; readonly row: string; readonly column: string } | undefined {
  if (line.length > MAX_LINE || !line.startsWith('at ')) return undefined;
  const end = END.exec(line);
  if (!end) return undefined;
  const [, row = '', column = ''] = end;
  const head = line.slice('at '.length, end.index);
  const bracket = head.lastIndexOf(' (');
  const location = bracket < 0 ? head.replace(/^async /, '') : head.slice(bracket + ' ('.length);
  return PATH.test(location) ? { location, row, column } : undefined;
}

/**
 * The message of an error, and the frames of its stack. The message may repeat foreign text, so a line of it
 * may look like a frame: only lines after the message are frames.
 */
export function stackOf(error: Error): { readonly head: string; readonly frames: readonly string[] } {
  const message = messageOf(error);
  const stack = typeof error.stack === 'string' ? error.stack : message;
  const lines = stack.split('\n');
  const before = lines.slice(0, lines.findLastIndex((line) => !/^\s+at /.test(line)) + 1).join('\n').length;
  const found = stack.indexOf(message);
  const head = stack.slice(0, Math.max(before, found < 0 ? 0 : found + message.length));
  return { head, frames: stack.slice(head.length).split('\n').slice(1) };
}

/**
 * Where in the user's own files an error comes from (`/project/topology.ts:12:5`): the first user frame of
 * the error or of its causes, innermost cause first.
 */
export function placeInUserFile(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const inner = placeInUserFile(error.cause);
  if (inner !== undefined) return inner;
  for (const line of stackOf(error).frames) {
    const frame = frameOf(line.trim());
    if (!frame) continue;
    const { location, row, column } = frame;
    const path = toPath(location);
    // A frame of the command line: its callers are not user code.
    if (inside(path, 'cli')) return undefined;
    if (inside(path) || path.includes(`${sep}node_modules${sep}`)) continue;
    return `${path}:${row}:${column}`;
  }
  return undefined;
}

/** Frames name ES modules by URL, with the query that a loader added. */
function toPath(location: string): string {
  if (!location.startsWith('file://')) return location.replace(/\?.*$/, '');
  const url = new URL(location);
  url.search = '';
  return fileURLToPath(url);
}
