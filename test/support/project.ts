import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's folder: where the package.json of millrace is, seen from the compiled file in build/. */
export const projectRoot = findRoot(dirname(fileURLToPath(import.meta.url)));

function findRoot(directory: string): string {
  const manifest = join(directory, 'package.json');
  if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === 'millrace') return directory;
  const parent = dirname(directory);
  if (parent === directory) throw new Error('no package.json of millrace above the compiled tests');
  return findRoot(parent);
}

/** The absolute path of a file of the repository: `projectFile('schemas/payment.avsc')`. */
export function projectFile(relative: string): string {
  return resolve(projectRoot, relative);
}

let inTest = false;
const testDirectories: string[] = [];
const runDirectories: string[] = [];

// Root hooks: registered once, when the first test file imports this one. Mocha runs the root's beforeEach before and
// its afterEach after those of the suites, so that a suite can still close what it opened in the directory.
beforeEach(() => {
  // A command that ran in this process names the tsconfig of a project that is gone by now.
  delete process.env.TSX_TSCONFIG_PATH;
  inTest = true;
});
afterEach(() => {
  inTest = false;
  removeAll(testDirectories);
});
after(() => removeAll(runDirectories));

function removeAll(directories: string[]): void {
  // A database may still be writing its last file while it closes: hence the retries.
  for (const directory of directories.splice(0))
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

/**
 * A new directory in the system's temporary folder. Made in a test or a `beforeEach`, it is removed after that test;
 * made in a `before`, after the run. Mocha's `this` may be given, for symmetry with other helpers; it is not needed.
 *
 * ```ts
 * it('keeps what was committed', async () => {
 *   const database = await openDatabase(temporaryDirectory());
 * });
 * ```
 */
export function temporaryDirectory(_context?: Mocha.Context): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-'));
  (inTest ? testDirectories : runDirectories).push(directory);
  return directory;
}
