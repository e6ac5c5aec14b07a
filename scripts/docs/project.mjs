// A temporary project of a user, in which the code of the documentation is type-checked and run. `millrace` in it is this checkout.
import { spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../ensure-built.mjs';

/** What the documentation may import besides millrace and Node. */
const PACKAGES = ['rxjs', 'kafkajs', 'valibot', 'mocha', 'fast-check', 'tsx', '@types/node', '@types/mocha'];
const NOT_COPIED = new Set(['node_modules', '.millrace', '.git', 'dist', 'build']);

export const TSX = pathToFileURL(join(root, 'node_modules', 'tsx', 'dist', 'loader.mjs')).href;
export const MOCHA = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
const TSC = join(root, 'node_modules', '@typescript', 'native', 'bin', 'tsc');

/**
 * A new project with copies of some files or folders of the repository (`[from, to]`). It is the folder `name` of a new directory, so that what it finds beside itself (`../other`) can be copied, too.
 */
export function makeProject(copies = [], name = 'project') {
  const project = join(realpathSync(mkdtempSync(join(tmpdir(), 'millrace-docs-'))), name);
  mkdirSync(project);
  for (const [from, to] of copies) {
    const source = join(root, from);
    if (existsSync(source))
      cpSync(source, join(project, to), {
        recursive: true,
        filter: (path) => path === source || !NOT_COPIED.has(basename(path)),
      });
  }
  const write = (file, text) => {
    mkdirSync(dirname(join(project, file)), { recursive: true });
    writeFileSync(join(project, file), text);
  };
  write('package.json', JSON.stringify({ name: 'documentation', private: true, type: 'module' }));
  const link = (module, target) => {
    mkdirSync(dirname(join(project, 'node_modules', module)), { recursive: true });
    symlinkSync(target, join(project, 'node_modules', module), 'junction');
  };
  link('millrace', root);
  for (const module of PACKAGES)
    if (existsSync(join(root, 'node_modules', module))) link(module, join(root, 'node_modules', module));
  const program = (name, line) => {
    const bin = join('node_modules', '.bin', name);
    write(bin, `#!/bin/sh\nexec ${line} "$@"\n`);
    chmodSync(join(project, bin), 0o755);
  };
  program('millrace', `"${process.execPath}" "${join(root, 'dist', 'cli', 'bin.js')}"`);
  // npm's own takes as long to find the program as that takes to run.
  program('npx', '');
  return project;
}

/** Removes a project and what is beside it. */
export function removeProject(project) {
  rmSync(dirname(project), { recursive: true, force: true, maxRetries: 5 });
}

/** Type-checks files of the project together; the messages by file, and under '' those that belong to none of them. */
export async function typeCheck(project, files) {
  const compilerOptions = {
    target: 'ES2023',
    lib: ['ES2023'],
    module: 'NodeNext',
    moduleDetection: 'force',
    types: ['node', 'mocha'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    noEmit: true,
  };
  const config = 'tsconfig.docs.json';
  writeFileSync(join(project, config), JSON.stringify({ compilerOptions, files }));
  const { code, stdout, stderr } = await execute(process.execPath, [TSC, '-p', config, '--pretty', 'false'], {
    cwd: project,
  });
  const messages = new Map();
  const add = (file, message) => messages.set(file, [...(messages.get(file) ?? []), message]);
  for (const line of stdout.split('\n')) {
    const match = /^(.+?)\((\d+),\d+\): error (.*)$/.exec(line);
    if (match && files.includes(match[1])) add(match[1], { line: Number(match[2]), text: match[3] });
    else if (/\berror TS/.test(line)) add('', { line: 0, text: line });
    else if (/^\s+\S/.test(line)) [...messages.values()].at(-1)?.push({ line: 0, text: line });
  }
  if (code !== 0 && messages.size === 0) add('', { line: 0, text: `tsc ended with ${code}: ${stderr}` });
  return messages;
}

/** Runs a command to its end, or to its limit; then ends whatever it started and left behind. */
export function execute(command, args, { cwd, limitMs = 60_000, env: more = {} }) {
  return new Promise((resolve) => {
    const env = {
      ...process.env,
      ...more,
      CI: 'true',
      NO_COLOR: '1',
      PATH: join(cwd, 'node_modules', '.bin') + delimiter + process.env.PATH,
    };
    delete env.FORCE_COLOR;
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    let timedOut = false;
    child.stdout.setEncoding('utf8').on('data', (chunk) => (stdout += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk) => (stderr += chunk));
    const endGroup = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // Nothing of the group is left.
      }
    };
    const timer = setTimeout(() => {
      timedOut = true;
      endGroup();
    }, limitMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve({ code: -1, stdout, stderr: stderr + error.message, timedOut });
    });
    child.on('exit', endGroup);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr, timedOut });
    });
  });
}
