// The package as users get it: packs the tarball, and installs it into a project.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt, root } from '../ensure-built.mjs';

export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** npm takes from its cache what is there, and reports to nobody. */
export const NPM_ENV = {
  npm_config_prefer_offline: 'true',
  npm_config_audit: 'false',
  npm_config_fund: 'false',
};

/** Runs a command to its end; its output, or an error that contains it. */
export function output(command, args, { cwd = root } = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 180_000,
    env: { ...process.env, NO_COLOR: '1' },
    shell: process.platform === 'win32',
  });
  if (error || status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? `exit code ${status}`}\n${stdout}${stderr}`);
  return stdout;
}

/** Builds and packs. The path of the tarball, its size in bytes, and the paths of the files in it. */
export async function pack(directory) {
  ensureBuilt();
  // Loaded late: it needs the TypeScript API, which is there only once ensureBuilt has installed it.
  const { writeRequireTypes } = await import('./require-types.mjs');
  writeRequireTypes();
  const [packed] = JSON.parse(output('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', directory]));
  return { ...packed, tarball: join(directory, packed.filename), files: packed.files.map((file) => file.path) };
}

/** Makes a package.json of somebody who installs the package. */
export function makeUser(project, fields) {
  mkdirSync(project, { recursive: true });
  const { allowScripts } = manifest;
  writeFileSync(
    join(project, 'package.json'),
    `${JSON.stringify({ name: 'user', version: '1.0.0', private: true, allowScripts, ...fields }, null, 2)}\n`,
  );
}
