import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A file or directory of that name beside a file, or in the nearest directory above it that has one. */
export function nearest(file: string, name: string): string | undefined {
  for (let directory = dirname(file); ; directory = dirname(directory)) {
    const candidate = join(directory, name);
    if (existsSync(candidate)) return candidate;
    if (dirname(directory) === directory) return undefined;
  }
}
