import { Readable, Writable } from 'node:stream';
import type { Io, StopSignal } from '#src/cli/terminal/io.js';
import { systemClock } from '#src/runtime/config/system.js';

export interface TestIo extends Io {
  /** As if the process got that signal. */
  signal(signal: StopSignal): void;
  output(): string;
  errors(): string;
  /** The code with which the process was to end at once. */
  readonly exited: number | undefined;
}

/** The edge of a process that is none: for what cannot be seen from outside, as a terminal or the moment of a signal. */
export function testIo(options: Partial<Io> & { readonly terminal?: boolean } = {}): TestIo {
  const { terminal = false, ...given } = options;
  const listeners = new Set<(signal: StopSignal) => void>();
  const texts = { stdout: '', stderr: '' };
  let exited: number | undefined;
  const collect = (name: keyof typeof texts): Writable & { isTTY: boolean; columns: number } =>
    Object.assign(
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          texts[name] += chunk.toString('utf8');
          done();
        },
      }),
      { isTTY: terminal, columns: 60 },
    );
  return {
    stdin: Readable.from([]),
    stdout: collect('stdout'),
    stderr: collect('stderr'),
    cwd: '/',
    env: {},
    clock: systemClock,
    colours: false,
    outputClosed: new AbortController().signal,
    exitNow: (code) => {
      exited = code;
    },
    onSignal(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    ...given,
    signal: (signal) => {
      for (const listener of listeners) listener(signal);
    },
    output: () => texts.stdout,
    errors: () => texts.stderr,
    get exited() {
      return exited;
    },
  };
}
