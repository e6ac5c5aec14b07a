import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { projectFile } from '../support/project.js';
import { jsonLines, type Project, type Result } from './support.js';

/** One process that runs command lines, for a whole file of tests. */
export class Shell {
  readonly #child: ChildProcess = fork(projectFile('build/test/cli/shell.child.js'), { stdio: 'inherit' });

  /** Runs millrace in the directory of a project; arguments are separated by blanks, or by `|` where one contains blanks. */
  async millrace({ directory }: Project, args: string): Promise<Result> {
    const argv = args.includes('|') ? args.split('|') : args.split(' ').filter((arg) => arg !== '');
    this.#child.send({ args: argv, cwd: directory });
    const [result] = await once(this.#child, 'message');
    return result as Result;
  }

  /** The same, and expects that to be a good one: what it printed. */
  async output(project: Project, args: string): Promise<string> {
    const { code, stdout, stderr } = await this.millrace(project, args);
    assert.equal(code, 0, `millrace ${args} ended with ${code}:\n${stderr}`);
    return stdout;
  }

  async lines(project: Project, args: string): Promise<any[]> {
    return jsonLines(await this.output(project, args));
  }

  end(): void {
    this.#child.disconnect();
  }
}
