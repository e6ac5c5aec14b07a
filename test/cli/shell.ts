import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { projectFile } from '../support/project.js';

/** How a command line ended, and what it wrote. */
export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandLine {
  readonly cwd: string;
  readonly args: readonly string[];
  readonly input?: string | Buffer | undefined;
}

/** One process that runs command lines, one after the other, for a whole suite: what a module has once loaded it keeps. */
export class Shell {
  readonly #child: ChildProcess;
  #last: Promise<unknown> = Promise.resolve();

  constructor() {
    // What a topology that was loaded in this process has left there.
    const { TSX_TSCONFIG_PATH: _, ...env } = process.env;
    const script = projectFile('build/test/cli/shell.child.js');
    this.#child = fork(script, { stdio: 'inherit', serialization: 'advanced', env });
  }

  run(line: CommandLine): Promise<Result> {
    const running = this.#last.then(async () => {
      this.#child.send(line);
      const [result] = await once(this.#child, 'message');
      return result as Result;
    });
    this.#last = running.catch(() => undefined);
    return running;
  }

  end(): void {
    this.#child.disconnect();
  }
}
