import type { Command } from '@commander-js/extra-typings';
import type { Io } from './io.js';

/** The parent of a command. */
export interface Program {
  readonly parent: Command;
  /** Runs the command; its result is the exit code. */
  act(run: (io: Io, options: { readonly verbose: boolean }) => Promise<number>): Promise<void>;
}
