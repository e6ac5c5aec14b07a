import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** `import … from './x.js'`, `export … from`, `import('./x')`, `require('./x')`. */
const SPECIFIER = /(?:from|import|require)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g;
const EXTENSIONS = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json'];

/**
 * Identifies the code of a topology: a digest of its file and of its relative imports, at any depth. Does not
 * include changes of installed packages.
 */
export function codeVersion(file: string): string {
  const seen = new Set<string>();
  const hash = createHash('sha256');
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = readFileSync(path, 'utf8');
    hash.update(`${text.length}:${text}`);
    for (const [, specifier = ''] of text.matchAll(SPECIFIER)) {
      const imported = find(resolve(dirname(path), specifier));
      if (imported !== undefined) visit(imported);
    }
  };
  visit(file);
  return hash.digest('hex').slice(0, 16);
}

/**
 * Resolves an imported file: by its own name, without an extension, or TypeScript by the name of its compiled
 * file.
 */
function find(path: string): string | undefined {
  const isFile = (each: string): boolean => existsSync(each) && statSync(each).isFile();
  const source = path.replace(/\.([mc]?)js$/, '.$1ts');
  return [
    path,
    source,
    ...EXTENSIONS.map((extension) => path + extension),
    ...EXTENSIONS.map((extension) => resolve(path, `index${extension}`)),
  ].find(isFile);
}
