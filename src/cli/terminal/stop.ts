import type { Clock } from '../../model/ports.js';
import { type ExitCode, exitCodeOfSignal } from './exit-codes.js';
import { type Io, type StopSignal, write } from './io.js';

/**
 * Stops a command from outside: gracefully at the first SIGINT or SIGTERM, at once at the second. A closed
 * output pipe (EPIPE) also stops it gracefully.
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
      void write(io.stderr, 'stopping; signal again to end at once\n');
      this.#controller.abort();
    });
    io.outputClosed.addEventListener('abort', onClosed, { once: true });
    if (io.outputClosed.aborted) onClosed();
    this.#release = () => {
      off();
      io.outputClosed.removeEventListener('abort', onClosed);
    };
  }

  /** Aborted when the command must end. */
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

  /** Resolves when the command must end; at once if it was already stopped. */
  requestedOnce(): Promise<void> {
    return new Promise((resolve) => {
      if (this.requested) return resolve();
      this.signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /**
   * Waits for work, but no longer than this many milliseconds after the command was asked to end. Returns
   * undefined then; unfinished work ends with the process.
   */
  async within<T>(work: Promise<T>, clock: Clock, ms: number): Promise<T | undefined> {
    let cancel = (): void => undefined;
    const over = this.requestedOnce().then(
      () =>
        new Promise<undefined>((resolve) => {
          cancel = clock.after(ms, () => resolve(undefined));
        }),
    );
    try {
      return await Promise.race([work, over]);
    } finally {
      cancel();
    }
  }

  /** Restores the default behaviour of signals. */
  release(): void {
    this.#release();
  }
}
