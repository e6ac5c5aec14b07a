// Installs, prunes and builds, each only if needed: what `npm start` and `npm test` do first on a fresh clone.
// Only Node itself may be imported here: nothing is installed yet.
//
//   node scripts/ensure-built.mjs [--tests]
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a command with its output shown; throws if it does not exit with 0. */
function run(title, command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...options,
  });
  if (error || status !== 0)
    throw new Error(`${title} failed: ${error?.message ?? (signal ? `killed by ${signal}` : `exit code ${status}`)}`);
}

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/**
 * Why node_modules is not what the lockfile says; undefined if it is. Contents are compared, not times: git gives files
 * the time of the checkout, so that a newer lockfile may be the same one.
 */
export function whyInstall(directory = root) {
  const installed = join(directory, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return 'node_modules is missing';
  const wanted = readJson(join(directory, 'package-lock.json')).packages;
  const present = readJson(installed).packages;
  const ours = new Set(Object.keys(wanted['']?.optionalDependencies ?? {}).map((name) => `node_modules/${name}`));
  for (const [path, entry] of Object.entries(wanted)) {
    // "" is this package. What is optional to others is for other platforms; what is optional to users of this package is tested.
    if (path === '' || (entry.optional && !ours.has(path)) || entry.link) continue;
    if (present[path]?.version !== entry.version) {
      return `${path} is ${present[path]?.version ?? 'missing'}, the lockfile says ${entry.version}`;
    }
  }
  return undefined;
}

function filesUnder(directory) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The folder in `dist` with what only the tarball needs: scripts/package/require-types.mjs writes it, from the output of tsc. */
export const REQUIRE_TYPES = 'require';

/** Removes it if the output is newer. */
function dropOldRequireTypes() {
  const out = join(root, 'dist');
  const [first] = filesUnder(join(out, REQUIRE_TYPES));
  if (first && statSync(first).mtimeMs < statSync(join(out, '.tsbuildinfo')).mtimeMs)
    rmSync(join(out, REQUIRE_TYPES), { recursive: true });
}

const OUTPUT = /\.(?:d\.([mc]?)ts|([mc]?)js)(?:\.map)?$/;

/**
 * Removes compiled files whose source is gone: tsc leaves them, and a deleted test would live on. If the output of a source
 * is missing, the build information goes too: tsc believes it, not the disk, and would not write that output again.
 */
export function prune(outDirectory, sourceDirectory, { directory = root } = {}) {
  const out = join(directory, outDirectory);
  const removed = [];
  const compiled = new Set();
  for (const file of filesUnder(out)) {
    if (relative(out, file).startsWith(join(REQUIRE_TYPES, '/'))) continue;
    const match = OUTPUT.exec(file);
    if (!match) continue;
    const source = join(
      directory,
      sourceDirectory,
      `${relative(out, file).slice(0, -match[0].length)}.${match[1] ?? match[2]}ts`,
    );
    if (!existsSync(source)) removed.push(file);
    else if (/js$/.test(file)) compiled.add(source);
  }
  for (const file of removed) rmSync(file);
  const buildInfo = join(out, '.tsbuildinfo');
  if (existsSync(buildInfo)) {
    const known = readJson(buildInfo).fileNames ?? [];
    const ours = known
      .map((name) => join(out, name))
      .filter((name) => /(?<!\.d)\.[mc]?ts$/.test(name) && !name.includes('node_modules'));
    if (ours.some((source) => existsSync(source) && !compiled.has(source))) rmSync(buildInfo);
  }
  return removed.map((file) => relative(directory, file));
}

/** Makes `dist/` (and with `tests` also `build/`) agree with the sources. */
export function ensureBuilt({ tests = false } = {}) {
  const reason = whyInstall();
  if (reason) {
    console.error(`npm ci: ${reason}`);
    // npm is a .cmd file on Windows, which only a shell can start.
    run('npm ci', 'npm', ['ci'], { shell: process.platform === 'win32' });
  }
  const projects = [{ project: 'src', out: 'dist', source: 'src' }];
  if (tests) projects.push({ project: 'test', out: 'build', source: '.' });
  const tsc = join(root, 'node_modules', '@typescript', 'native', 'bin', 'tsc');
  for (const { project, out, source } of projects) {
    for (const file of prune(out, source)) console.error(`removed ${file}: its source is gone`);
    run(`tsc -p ${project}`, process.execPath, [tsc, '-p', project]);
  }
  dropOldRequireTypes();
}

/** True if that module is the program that was started. */
export function isMain(url) {
  return process.argv[1] !== undefined && statSync(process.argv[1]).ino === statSync(fileURLToPath(url)).ino;
}

if (isMain(import.meta.url)) {
  try {
    ensureBuilt({ tests: process.argv.includes('--tests') });
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
