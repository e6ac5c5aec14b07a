// The versions of TypeScript and of @types/node that the declarations are checked with. They are no dependencies, so they are not in
// the lockfile: the folder of this machine for caches keeps them.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { output } from './tarball.mjs';

/** The oldest one that is supported, those in wide use, and the newest. */
export const TYPESCRIPT = ['5.4.5', '5.5.4', '5.7.3', '5.9.3', '6.0.3', '7.0.2'];
/** The oldest one that is supported, the one that millrace is developed with, and the newest. */
export const NODE_TYPES = ['20.5.0', '20.19.25', '26.6.7'];

const alias = (name, version) => `${name}-${version}`;
const PACKAGES = Object.fromEntries([
  ...TYPESCRIPT.map((version) => [alias('typescript', version), `npm:typescript@${version}`]),
  ...NODE_TYPES.map((version) => [alias('node-types', version), `npm:@types/node@${version}`]),
]);

function cacheFolder() {
  const caches =
    process.env.XDG_CACHE_HOME ||
    (process.platform === 'win32' && process.env.LOCALAPPDATA) ||
    join(homedir(), '.cache');
  return join(caches, 'millrace', 'check-types');
}

/** Installs them, unless an earlier run has. Where the compiler of a version is, and the folder of a version of @types/node. */
export function installCompilers() {
  const folder = cacheFolder();
  const name = createHash('sha256').update(JSON.stringify(PACKAGES)).digest('hex').slice(0, 16);
  const installed = join(folder, name);
  if (!existsSync(installed)) install(folder, installed);
  const modules = join(installed, 'node_modules');
  return {
    compiler: (version) => join(modules, alias('typescript', version), 'bin', 'tsc'),
    nodeTypes: (version) => join(modules, alias('node-types', version)),
  };
}

/** Renamed when it is whole: what an interrupted run leaves is never used. */
function install(folder, installed) {
  mkdirSync(folder, { recursive: true });
  const unfinished = mkdtempSync(join(folder, 'unfinished-'));
  try {
    writeFileSync(join(unfinished, 'package.json'), JSON.stringify({ private: true, dependencies: PACKAGES }));
    output('npm', ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: unfinished });
    if (!existsSync(installed)) renameSync(unfinished, installed);
  } catch (error) {
    const versions = `TypeScript ${TYPESCRIPT.join(', ')} and @types/node ${NODE_TYPES.join(', ')}`;
    throw new Error(
      `npm cannot install ${versions}.\nThis check needs the npm registry once; then ${folder} keeps them.\n${error.message}`,
    );
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}
