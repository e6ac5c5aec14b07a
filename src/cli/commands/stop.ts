import { DEFAULT_STATE } from '../options/options.js';
import { APP } from '../past/past.js';
import { withRunning } from '../run/running.js';
import { write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';

/** `millrace stop FILE`: stops the processes of a running application in order. */
export function addStop(program: Program): void {
  program.parent
    .command('stop')
    .description('stop the processes of a running application on this machine, as SIGTERM does')
    .argument('<file>', 'the file that exports the topology')
    .option(...APP)
    .option('--state <directory>', 'the directory of the stores', DEFAULT_STATE)
    .addHelpText('after', '\nExample:\n  $ millrace stop topology.ts')
    .action((file, options) =>
      program.act((io) =>
        withRunning(file, options, io, async (processes) => {
          await Promise.all(
            processes.map(async (process) => {
              await process.stop();
              await write(io.stderr, `process ${process.info.pid} has stopped ${process.info.applicationId}\n`);
            }),
          );
          return 0;
        }),
      ),
    );
}
