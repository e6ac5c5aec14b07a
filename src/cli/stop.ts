import { type ExitCode, exitCodeOfSignal } from './exit-codes.js';
import { type Io, type StopSignal, write } from './io.js';

/**
 * How a command is stopped from outside: by a first SIGINT or SIGTERM it ends in order, by a second at once.
 * That nobody reads its output any more ends it in order, too.
 */
export class Stop {
  readonly #controller = new AbortController();
  readonly #release: () => void;
  #signal: StopSignal | undefined;

  constructor(io: Io) {
    const onClosed = (): void => this.#controller.abort();
    const off = io.onSignal((signal) => {
      if (this.#signal) return io.exitNow(exitCodeOfSignal(signal));
      this.#signal = signal;
      void write(io.stderr, 'stopping; once more to end at once\n');
      this.#controller.abort();
    });
    io.outputClosed.addEventListener('abort', onClosed, { once: true });
    if (io.outputClosed.aborted) onClosed();
    this.#release = () => {
      off();
      io.outputClosed.removeEventListener('abort', onClosed);
    };
  }

  /** Aborted when the command is to end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get requested(): boolean {
    return this.#controller.signal.aborted;
  }

  /** For a command that was stopped before its work was done. */
  get exitCode(): ExitCode {
    return this.#signal === undefined ? 0 : exitCodeOfSignal(this.#signal);
  }

  /** Resolves when the command is to end; immediately if it is to already. */
  requestedOnce(): Promise<void> {
    return new Promise((resolve) => {
      if (this.requested) return resolve();
      this.signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** From here on signals do what they do by default. */
  release(): void {
    this.#release();
  }
}
