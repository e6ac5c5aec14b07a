import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/** What the name of a topology's file may end in. */
export const TOPOLOGY_EXTENSIONS: readonly string[] = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'];

/** The file of a topology on the command line, and the export that is meant. */
export interface TopologyFile {
  readonly path: string;
  /** Undefined: the default export. */
  readonly name: string | undefined;
}

/** `file.ts` or `file.ts#name`. A file whose own name has a # is found by it. */
export function topologyFile(text: string, cwd: string): TopologyFile {
  const whole = resolve(cwd, text);
  const at = text.lastIndexOf('#');
  if (at <= 0 || existsSync(whole)) return { path: whole, name: undefined };
  return { path: resolve(cwd, text.slice(0, at)), name: text.slice(at + 1) };
}
