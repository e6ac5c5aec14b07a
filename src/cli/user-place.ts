import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * This copy of millrace, as it is compiled, and as its source maps name it: frames in it are not the user's.
 */
const COMPILED = dirname(dirname(fileURLToPath(import.meta.url)));
const OWN = [COMPILED, join(dirname(COMPILED), 'src')];

const inside = (path: string, ...below: string[]): boolean =>
  OWN.some((directory) => path.startsWith(join(directory, ...below) + sep));

/**
 * Where a line of a stack ends: `:12:5`, perhaps in brackets. What stands before it is looked for by hand, in
 * linear time: messages of errors are part of a stack, and repeat what others wrote.
 */
const END = /:(\d{1,9}):(\d{1,9})\)?$/;
const MAX_LINE = 4_096;
const PATH = /^(?:file:\/\/)?(?:\/|[A-Za-z]:[\\/])/;

/** The file that a line of a stack names, with row and column; undefined: it is no frame, or of no file. */
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
 * Where in the user's own files an error comes from (`/project/topology.ts:12:5`): the first such frame of it
 * or of what caused it, innermost cause first.
 */
export function placeInUserFile(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const inner = placeInUserFile(error.cause);
  if (inner !== undefined) return inner;
  for (const line of (error.stack ?? '').split('\n')) {
    const frame = frameOf(line.trim());
    if (!frame) continue;
    const { location, row, column } = frame;
    const path = toPath(location);
    // The command line: whoever called it is not the user's code.
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
