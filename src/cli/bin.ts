#!/usr/bin/env node
import { systemClock } from '../runtime/config/system.js';
import { main } from './main.js';
import type { Io, StopSignal } from './terminal/io.js';

const closed = new AbortController();
for (const output of [process.stdout, process.stderr]) {
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    closed.abort();
  });
}

const io: Io = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  cwd: process.cwd(),
  env: process.env,
  clock: systemClock,
  colours: !process.env.NO_COLOR,
  outputClosed: closed.signal,
  exitNow: (code) => process.exit(code),
  onSignal(listener) {
    const signals: readonly StopSignal[] = ['SIGINT', 'SIGTERM'];
    for (const signal of signals) process.on(signal, listener);
    return () => {
      for (const signal of signals) process.off(signal, listener);
    };
  },
};

const code = await main(process.argv.slice(2), io);
// A topology file may have left timers or connections open, which would keep the process alive.
await new Promise((resolve) => process.stdout.write('', resolve));
await new Promise((resolve) => process.stderr.write('', resolve));
process.exit(code);
