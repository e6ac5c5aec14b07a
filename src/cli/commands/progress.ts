import { DEFAULT_STATE } from '../options/options.js';
import { APP } from '../past/past.js';
import { formatOption } from '../past/past-options.js';
import { withRunning } from '../run/running.js';
import { write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';
import { counted, formatCount } from '../terminal/rate.js';
import { toJson } from '../terminal/show.js';

/** `millrace progress FILE`: shows how far a running application is. */
export function addProgress(program: Program): void {
  program.parent
    .command('progress')
    .description('show how far the processes of a running application are on this machine')
    .argument('<file>', 'the file that exports the topology')
    .option(...APP)
    .option('--state <directory>', 'the directory of the stores', DEFAULT_STATE)
    .addOption(formatOption())
    .addHelpText('after', '\nExample:\n  $ millrace progress topology.ts --format json')
    .action((file, { format, ...options }) =>
      program.act((io) =>
        withRunning(file, options, io, async (processes) => {
          for (const process of processes) {
            const progress = await process.progress();
            const { pid } = process.info;
            const { phase, tasks, lag, restoreLeft, metrics } = progress;
            const restoring = restoreLeft > 0 ? `, ${counted(restoreLeft, 'record')} left to restore` : '';
            const text = `process ${pid}: ${phase}, ${counted(tasks, 'task')}, lag ${counted(lag, 'record')}${restoring}; ${formatCount(metrics.recordsIn)} in, ${formatCount(metrics.recordsOut)} out`;
            await write(io.stdout, `${format === 'json' ? toJson({ pid, ...progress }) : text}\n`);
          }
          return 0;
        }),
      ),
    );
}
