import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, extname, join, resolve, sep } from 'node:path';
import { nearest } from '../terminal/nearest.js';

export interface TypeProblem {
  /** `/project/topology.ts:12:5` */
  readonly where: string;
  readonly what: string;
}

export interface TypeCheck {
  /** Why types were not checked; undefined if they were. */
  readonly skipped?: string;
  readonly problems: readonly TypeProblem[];
}

/**
 * Settings for outputs and code style: none of them makes a topology wrong. Null removes the user's setting.
 */
const OVERRIDES = {
  noEmit: true,
  composite: false,
  incremental: false,
  emitDeclarationOnly: false,
  rootDir: null,
  outDir: null,
  declarationDir: null,
  tsBuildInfoFile: null,
  skipLibCheck: true,
  noUnusedLocals: false,
  noUnusedParameters: false,
};

/**
 * Checks the types of a topology file and its imports. It uses the TypeScript that is installed in the
 * project, and the nearest tsconfig.json. Any TypeScript version works, because it runs the compiler as a
 * program: version 7 has no other interface. The loader strips types without checking them, so only this
 * check finds type errors.
 *
 * Cost, for a file of a few lines: 0.1 s with TypeScript 7 and 0.5 s with 6, in a separate process. The cost
 * grows with the imports of the file. Skipped for JavaScript, and where TypeScript is not installed, as in
 * production.
 */
export async function checkTypes(path: string, signal: AbortSignal): Promise<TypeCheck> {
  if (!['.ts', '.mts', '.cts'].includes(extname(path))) return { skipped: 'the file is JavaScript', problems: [] };
  const compiler = await findCompiler(path);
  if (compiler === undefined) return { skipped: 'TypeScript is not installed in the project', problems: [] };
  const tsconfig = nearest(path, 'tsconfig.json');
  const directory = await temporaryDirectory(path);
  try {
    const config = join(directory, 'tsconfig.json');
    await writeFile(config, JSON.stringify(configFor(path, tsconfig)));
    const cwd = dirname(tsconfig ?? path);
    const { code, output } = await run(compiler, ['--project', config, '--pretty', 'false'], cwd, signal);
    const problems = parseProblems(output, cwd);
    if (code === 0 || problems.length > 0) return { problems };
    return { skipped: `TypeScript did not check it: ${output.trim().split('\n')[0] ?? `exit code ${code}`}`, problems };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function configFor(path: string, tsconfig: string | undefined): object {
  const project = { files: [path], include: [], references: [] };
  if (tsconfig !== undefined) return { ...project, extends: tsconfig, compilerOptions: OVERRIDES };
  const types = nearest(path, join('node_modules', '@types', 'node')) === undefined ? [] : ['node'];
  return { ...project, compilerOptions: { module: 'nodenext', target: 'es2023', strict: true, types, ...OVERRIDES } };
}

/**
 * Path of the compiler. Its package exports package.json in every version; nothing else is the same in all.
 */
async function findCompiler(path: string): Promise<string | undefined> {
  try {
    const manifest = createRequire(path).resolve('typescript/package.json');
    const { bin } = JSON.parse(await readFile(manifest, 'utf8')) as { bin: Readonly<Record<string, string>> };
    const program = bin.tsc ?? Object.values(bin)[0];
    return program === undefined ? undefined : resolve(dirname(manifest), program);
  } catch {
    return undefined;
  }
}

/**
 * Directory for temporary compiler settings: in the project's node_modules, because type packages are looked
 * up from there; in the system's temporary directory if node_modules is not writable.
 */
async function temporaryDirectory(path: string): Promise<string> {
  const modules = nearest(path, 'node_modules');
  if (modules !== undefined) {
    try {
      await mkdir(join(modules, '.cache'), { recursive: true });
      return await mkdtemp(join(modules, '.cache', 'millrace-'));
    } catch {
      // Read-only, as in a container.
    }
  }
  return mkdtemp(join(tmpdir(), 'millrace-'));
}

function run(
  program: string,
  args: readonly string[],
  cwd: string,
  signal: AbortSignal,
): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [program, ...args], { cwd, signal, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const append = (text: Buffer): void => {
      output += text.toString('utf8');
    };
    child.stdout.on('data', append);
    child.stderr.on('data', append);
    child.on('error', fail);
    child.on('close', (code) => done({ code, output }));
  });
}

/**
 * Parses `src/topology.ts(12,5): error TS2322: Type …` and the indented lines that follow it. Skips errors in
 * settings and in installed packages.
 */
function parseProblems(output: string, cwd: string): TypeProblem[] {
  const problems: { where: string; what: string }[] = [];
  let open = false;
  for (const line of output.split(/\r?\n/)) {
    const [, file, row, column, what] = /^(.+?)\((\d+),(\d+)\): error (TS\d+: .*)$/.exec(line) ?? [];
    if (file !== undefined && what !== undefined) {
      const path = resolve(cwd, file);
      open = !path.endsWith('.json') && !path.includes(`${sep}node_modules${sep}`);
      if (open) problems.push({ where: `${path}:${row}:${column}`, what });
    } else if (/^\s/.test(line) && open) {
      const last = problems.at(-1);
      if (last) last.what += `\n  ${line.trimEnd()}`;
    } else {
      open = false;
    }
  }
  return problems;
}
