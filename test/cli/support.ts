import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectFile, temporaryDirectory } from '../support/project.js';
import { type Result, Shell } from './shell.js';

export type { Result } from './shell.js';

export interface ProjectOptions {
  /** `type` of its package.json. Default `module`. */
  readonly type?: 'module' | 'commonjs';
  /** The TypeScript that is installed in it. Default: none, so that types are not checked. */
  readonly typescript?: 'native' | 'old';
}

type Fixture = 'esm-project' | 'cjs-project' | 'bad';

/** A directory in which millrace is run. */
export class WorkingDirectory {
  readonly #shell: Shell | undefined;
  readonly #children: ChildProcess[] = [];

  /** Without a shell each command line is run by a process of its own. */
  constructor(
    readonly directory: string,
    shell?: Shell,
  ) {
    this.#shell = shell;
  }

  path(relative: string): string {
    return join(this.directory, relative);
  }

  write(relative: string, text: string | Buffer): void {
    writeFileSync(this.path(relative), text);
  }

  /** Runs millrace to its end. Arguments are separated by blanks, or by `|` where one contains blanks. */
  millrace(args: string, input?: string | Buffer): Promise<Result> {
    if (this.#shell) return this.#shell.run({ cwd: this.directory, args: split(args), input });
    const running = this.start(args);
    running.child.stdin?.end(input ?? '');
    return running.ended;
  }

  /** Runs millrace to its end, and expects that to be a good one: what it printed. */
  async output(args: string, input?: string | Buffer): Promise<string> {
    const { code, stdout, stderr } = await this.millrace(args, input);
    assert.equal(code, 0, `millrace ${args} ended with ${code}:\n${stderr}`);
    return stdout;
  }

  /** What it printed, as JSON lines. */
  async lines(args: string, input?: string | Buffer): Promise<any[]> {
    return jsonLines(await this.output(args, input));
  }

  /** Starts millrace, always as a process of its own. */
  start(args: string, variables: NodeJS.ProcessEnv = {}): Running {
    const env = { ...process.env, NO_COLOR: '1', ...variables };
    const program = [projectFile('dist/cli/bin.js'), ...split(args)];
    const child = spawn(process.execPath, program, { cwd: this.directory, env });
    this.#children.push(child);
    return new Running(child);
  }

  /** Ends what a failed test left behind. */
  end(): void {
    for (const child of this.#children) if (child.exitCode === null) child.kill('SIGKILL');
  }
}

/** A copy of a fixture in a directory of its own, with millrace installed: what a user has. */
export class Project extends WorkingDirectory {
  constructor(fixture: Fixture, options: ProjectOptions = {}, shell?: Shell) {
    super(temporaryDirectory(), shell);
    cpSync(projectFile(`test/fixtures/${fixture}`), this.directory, { recursive: true });
    this.write('package.json', JSON.stringify({ private: true, type: options.type ?? 'module' }));
    mkdirSync(this.path('node_modules'));
    symlinkSync(projectFile('.'), this.path('node_modules/millrace'));
    if (options.typescript) {
      const installed = options.typescript === 'native' ? '@typescript/native' : 'typescript';
      symlinkSync(projectFile(`node_modules/${installed}`), this.path('node_modules/typescript'));
    }
  }
}

const split = (args: string): readonly string[] =>
  args.includes('|') ? args.split('|') : args.split(' ').filter((arg) => arg !== '');

export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Result>;
  readonly #output = { stdout: '', stderr: '' };
  #waiting: (() => void)[] = [];

  constructor(child: ChildProcess) {
    this.child = child;
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        this.#output[name] += text;
        for (const look of this.#waiting) look();
      });
    }
    // Writing to a child that has ended is no matter of the test.
    child.stdin?.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      child.on('close', (code) => resolve({ code, ...this.#output }));
    });
  }

  /** Resolves when that text was written. */
  async until(text: string): Promise<void> {
    const seen = (): boolean => this.#output.stderr.includes(text) || this.#output.stdout.includes(text);
    const written = new Promise<void>((resolve) => {
      const look = (): void => {
        if (!seen()) return;
        this.#waiting = this.#waiting.filter((other) => other !== look);
        resolve();
      };
      this.#waiting.push(look);
      look();
    });
    await Promise.race([written, this.ended]);
    assert.ok(seen(), `it ended without writing "${text}":\n${this.#output.stderr}`);
  }
}

export const jsonLines = (text: string): any[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

/**
 * Projects of the test that runs, ended after it. `inShell`: their command lines run in one process for the whole suite. For tests of what commands do, not of how a program starts and ends; a topology file must not change once it is loaded.
 */
export function useProjects({ inShell = false } = {}): (fixture: Fixture, options?: ProjectOptions) => Project {
  const made: Project[] = [];
  let shell: Shell | undefined;
  if (inShell) {
    before(() => {
      shell = new Shell();
    });
    after(() => shell?.end());
  }
  afterEach(() => {
    for (const project of made.splice(0)) project.end();
  });
  return (fixture, options) => {
    const project = new Project(fixture, options, shell);
    made.push(project);
    return project;
  };
}

/** Runs a mocha test of a project, in TypeScript. */
export function runTest(file: string): { readonly stdout: string } {
  const mocha = projectFile('node_modules/mocha/bin/mocha.js');
  const loader = pathToFileURL(projectFile('node_modules/tsx/dist/loader.mjs')).href;
  const args = ['--import', loader, mocha, '--no-config', '--timeout', '20000', file];
  const env = { ...process.env, NO_COLOR: '1', TSX_TSCONFIG_PATH: undefined };
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: dirname(file), encoding: 'utf8', env });
  return { stdout: stdout + stderr };
}
