import type { Command } from '@commander-js/extra-typings';
import type { Io } from './io.js';

/** What a command is added to. */
export interface Program {
  readonly parent: Command;
  /** Runs the command; what it returns is the exit code. */
  act(run: (io: Io, options: { readonly verbose: boolean }) => Promise<number>): Promise<void>;
}
