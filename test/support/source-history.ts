import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectFile, temporaryDirectory } from './project.js';

/** The example 05 as a user has it, and millrace as a program. */

/** A project as a user has it: the example copied, millrace installed. Returns its folder. */
export function sourceHistoryProject(): string {
  const directory = temporaryDirectory();
  const example = projectFile('topology-examples/05-source-history');
  for (const name of ['topology.ts', 'data']) cpSync(join(example, name), join(directory, name), { recursive: true });
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(projectFile('.'), join(directory, 'node_modules/millrace'));
  symlinkSync(projectFile('node_modules/rxjs'), join(directory, 'node_modules/rxjs'));
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }\n');
  return directory;
}

/** The program. */
export const bin = projectFile('dist/cli/bin.js');

export async function millrace(cwd: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [bin, ...args], { cwd, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

/** What git says of the history at its end. */
export function gitTotals(): { readonly files: number; readonly bytes: number } {
  const truth = readFileSync(projectFile('topology-examples/05-source-history/data/rxjs-src-truth.json'), 'utf8');
  const { files, bytes } = JSON.parse(truth).at(-1);
  return { files, bytes };
}

/** The file with the events, in the project's folder. */
const CHANGES = 'data/rxjs-src-changes.jsonl';

/** How many events there are: as many changes of the total have to come out. */
export const changesIn = (cwd: string): number => readFileSync(join(cwd, CHANGES), 'utf8').trim().split('\n').length;

/** Sends the events as a bad network would: out of order, and some of them twice. */
export const deliver = (cwd: string, seed: number, ...options: readonly string[]): Promise<string> => {
  const fields = ['--key', 'file', '--timestamp', 'authoredAt'];
  const disorder = ['--duplicate', '5%', '--shuffle', '500', '--seed', String(seed)];
  return millrace(cwd, 'produce', 'source-changes', CHANGES, ...fields, ...disorder, ...options);
};
