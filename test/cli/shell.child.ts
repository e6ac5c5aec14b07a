/** Runs command lines one after the other, each as a process would: for tests with so many that starting one for each would be all they do. */
import { main } from '#src/cli/main.js';
import { testIo } from './test-io.js';

process.on('message', ({ args, cwd }: { args: readonly string[]; cwd: string }) => {
  const io = testIo({ cwd });
  void main(args, io).then((code) => process.send?.({ code, stdout: io.output(), stderr: io.errors() }));
});
process.on('disconnect', () => process.exit(0));
