/** Runs command lines one after the other, each as a process would: for tests with so many that starting one for each would be all they do. */
import { Readable } from 'node:stream';
import { main } from '#src/cli/main.js';
import type { CommandLine, Result } from './shell.js';
import { testIo } from './test-io.js';

process.on('message', ({ args, cwd, input = '' }: CommandLine) => {
  // A buffer comes as bytes. Iterating over a text would give its characters.
  const io = testIo({ cwd, stdin: Readable.from([Buffer.from(input)]) });
  void main(args, io).then((code) => {
    const result: Result = { code, stdout: io.output(), stderr: io.errors() };
    process.send?.(result);
  });
});
process.on('disconnect', () => process.exit(0));
