import type { Readable, Writable } from 'node:stream';
import { styleText } from 'node:util';
import { plainLayout } from '../model/plain-text.js';
import type { Clock } from '../model/ports.js';

export type StopSignal = 'SIGINT' | 'SIGTERM';

/** The environment that the process passes to the commands. */
export interface Io {
  readonly stdin: Readable;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Base of paths on the command line. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** Whether colours are allowed: `NO_COLOR` is not set. They are used on terminals only. */
  readonly colours: boolean;
  /**
   * Calls the listener for each signal until the returned function is called; meanwhile a signal does not end
   * the process.
   */
  onSignal(listener: (signal: StopSignal) => void): () => void;
  /** Aborted when the reader of standard output has closed it (`millrace consume … | head`). */
  readonly outputClosed: AbortSignal;
  /** Ends the process at once. */
  exitNow(code: number): void;
}

export interface Output extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/**
 * Writes, and waits if the reader is slower than the writer. All output to the terminal goes through this
 * function: it removes control characters that foreign text may contain. Bytes are written unchanged, but as
 * text to a terminal.
 */
export function write(output: Output, text: string | Uint8Array): Promise<void> | undefined {
  const shown = typeof text === 'string' || output.isTTY ? plainLayout(text.toString()) : text;
  if (output.destroyed || output.write(shown) || output.destroyed) return undefined;
  return new Promise((resolve) => {
    const done = (): void => {
      output.off('drain', done).off('close', done).off('error', done);
      resolve();
    };
    output.on('drain', done).on('close', done).on('error', done);
  });
}

/** Text in a colour, if the output is a terminal. */
export function coloured(io: Io, output: Output, format: Parameters<typeof styleText>[0], text: string): string {
  return io.colours && output.isTTY ? styleText(format, text, { validateStream: false }) : text;
}
