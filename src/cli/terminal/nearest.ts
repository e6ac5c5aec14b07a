import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The file or directory `name` next to a file, or in the nearest directory above that has one. */
export function nearest(file: string, name: string): string | undefined {
  for (let directory = dirname(file); ; directory = dirname(directory)) {
    const candidate = join(directory, name);
    if (existsSync(candidate)) return candidate;
    if (dirname(directory) === directory) return undefined;
  }
}
