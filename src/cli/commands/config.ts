import Table from 'cli-table3';
import { applySettings } from '../config/settings.js';
import { formatOption } from '../past/past-options.js';
import { write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';
import { toJson } from '../terminal/show.js';
import { withRunOptions } from './run.js';

const HELP = `
An option of the command line counts before the variable MILLRACE_<OPTION> (MILLRACE_COMMIT_EVERY for --commit-every), and
that before the configuration: millrace.config.ts, .js or .json, in the directory of the file or the nearest one above.
Relative directories of a configuration are relative to it.

Example:
  $ millrace config topology.ts`;

/** `millrace config [FILE]`: shows which options count for `millrace run`, and where each comes from. */
export function addConfig(program: Program): void {
  const command = withRunOptions(
    program.parent
      .command('config')
      .description('show which options count for a topology, and where they come from')
      .argument('[file]', 'the file that exports the topology, or the name of a configured application')
      .addOption(formatOption()),
  ).addHelpText('after', HELP);
  command.action((_file, { format }) =>
    program.act(async (io) => {
      const settings = (await applySettings(command as never, io)).filter(({ option }) => option !== '--format');
      if (format === 'json') {
        for (const setting of settings) await write(io.stdout, `${toJson(setting)}\n`);
        return 0;
      }
      const table = new Table({ head: ['option', 'value', 'from'], style: { head: [], border: [] } });
      for (const { option, value, source, where } of settings) {
        if (value === undefined) continue;
        table.push([option, typeof value === 'string' ? value : toJson(value), where ?? source]);
      }
      await write(io.stdout, `${table.toString()}\n`);
      return 0;
    }),
  );
}
