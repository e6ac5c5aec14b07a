import type { Readable, Writable } from 'node:stream';
import { styleText } from 'node:util';
import type { Clock } from '../../model/ports.js';
import { plainLayout } from '../../model/text/plain-text.js';
import { PROCESS_MARK } from '../../runtime/config/system.js';

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
 * Marks the beginning of a sequence of our own until it is written. Foreign text may contain any sequence,
 * also the same one, but never this mark: it is different in each process.
 */
const OWN = `\u001b${PROCESS_MARK}`;
/** The sequences that we write: a colour, and the restart of a line. */
const OWN_SEQUENCE = /^(?:\[\d{1,3}m|\r)/;
const ESCAPE = '\u001b';
const ERASED = '\r\u001b[K';

/** Moves to the beginning of the line, and erases the line. */
export const ERASE_LINE = `${OWN}\r`;

/** Own sequences as a terminal expects them; all other text is plain. */
function terminalText(text: string): string {
  const [first = '', ...others] = text.split(OWN);
  const shown = others.map((part) => {
    const sequence = OWN_SEQUENCE.exec(part)?.[0] ?? '';
    return (sequence === '\r' ? ERASED : ESCAPE + sequence) + plainLayout(part.slice(sequence.length));
  });
  return plainLayout(first) + shown.join('');
}

/**
 * Writes, and waits if the reader is slower than the writer. All output to the terminal goes through this
 * function: it escapes control characters and sequences that foreign text may contain. Bytes are written
 * unchanged, but as text to a terminal.
 */
export function write(output: Output, text: string | Uint8Array): Promise<void> | undefined {
  const shown = typeof text === 'string' || output.isTTY ? terminalText(text.toString()) : text;
  if (output.destroyed || output.write(shown) || output.destroyed) return undefined;
  return new Promise((resolve) => {
    const done = (): void => {
      output.off('drain', done).off('close', done).off('error', done);
      resolve();
    };
    output.on('drain', done).on('close', done).on('error', done);
  });
}

/** Text in a colour, for {@link write}, if the output is a terminal. */
export function coloured(io: Io, output: Output, format: Parameters<typeof styleText>[0], text: string): string {
  if (!io.colours || !output.isTTY) return text;
  const [begin = '', end = ''] = styleText(format, ' ', { validateStream: false }).split(' ');
  return begin.replaceAll(ESCAPE, OWN) + text + end.replaceAll(ESCAPE, OWN);
}
