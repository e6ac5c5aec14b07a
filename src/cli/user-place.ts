import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** This copy of millrace, as it is compiled, and as its source maps name it: frames in it are not the user's. */
const COMPILED = dirname(dirname(fileURLToPath(import.meta.url)));
const OWN = [COMPILED, join(dirname(COMPILED), 'src')];

const inside = (path: string, ...below: string[]): boolean =>
  OWN.some((directory) => path.startsWith(join(directory, ...below) + sep));

const FRAME = /(?:\(|at (?:async )?)((?:file:\/\/)?(?:\/|[A-Za-z]:[\\/])[^()]*?):(\d+):(\d+)\)?$/;

/** Where in the user's own files an error comes from (`/project/topology.ts:12:5`): the first such frame of it or of what caused it, innermost cause first. */
export function placeInUserFile(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const inner = placeInUserFile(error.cause);
  if (inner !== undefined) return inner;
  for (const line of (error.stack ?? '').split('\n')) {
    const match = FRAME.exec(line.trim());
    if (!match) continue;
    const [, location = '', row, column] = match;
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
