import { isStreamsError } from '../../model/errors.js';
import type { SourcePosition } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import { type Moment, trace } from '../../replay/index.js';
import { KeyForms } from '../past/key-forms.js';
import { type LookBackOptions, lookBack } from '../past/past.js';
import { formatOption, KEY_HELP, type OutputFormat, pastMoment, withPastOptions } from '../past/past-options.js';
import { traceText } from '../past/show-past.js';
import { parseSourceKey } from '../past/store-key.js';
import { type Io, write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';
import { reportError } from '../terminal/report-error.js';
import { toJson } from '../terminal/show.js';
import { usage } from '../terminal/usage.js';

interface Options extends LookBackOptions {
  readonly at?: SourcePosition | undefined;
  readonly key?: string | undefined;
  readonly until?: Moment | undefined;
  readonly format: OutputFormat;
}

const EXAMPLES = `${KEY_HELP}
Examples:
  $ millrace trace topology.ts --at payments:0:42
  $ millrace trace topology.ts --key card-7 --until 2026-03-01`;

/** `millrace trace FILE`: shows the path of a record step by step. */
export function addTrace(program: Program): void {
  withPastOptions(
    program.parent
      .command('trace')
      .description(
        'follow records through the operators, with the rows that they read and wrote; exit code 1 if there is no such record',
      )
      .argument('<file>', 'the file that exports the topology')
      .option('--at <topic:partition:offset>', 'the record; also as events are shown: payments[0]@42', position)
      .option('--key <key>', 'all source records with this key')
      .option('--until <moment>', 'with --key: look up to this moment (default: latest)', pastMoment('--until'))
      .addOption(formatOption()),
  )
    .addHelpText('after', EXAMPLES)
    .action((file, options) => program.act((io, { verbose }) => follow(file, options, io, verbose)));
}

/** `TOPIC:P:OFFSET`, or `TOPIC[P]@OFFSET` as events are shown. */
function position(text: string): SourcePosition {
  const [, topic = '', partition = '', offset = ''] =
    /^([^:\s]+):(\d+):(\d+)$/.exec(text) ?? /^([^:[\s]+)\[(\d+)\]@(\d+)$/.exec(text) ?? [];
  if (topic !== '') return { topic, partition: Number(partition), offset: Number(offset) };
  throw usage('cannot read --at', show(text), 'TOPIC:PARTITION:OFFSET, for example payments:0:42, or payments[0]@42');
}

async function follow(file: string, options: Options, io: Io, verbose: boolean): Promise<number> {
  try {
    return await followed(file, options, io);
  } catch (error) {
    // For other commands an offset that is gone means that the broker cannot serve them.
    if (options.at === undefined || !isStreamsError(error) || error.code !== 'OFFSET_OUT_OF_RANGE') throw error;
    await reportError(io, error, verbose);
    return 1;
  }
}

function followed(file: string, options: Options, io: Io): Promise<number> {
  return lookBack(file, options, io, async ({ topology, past, say }) => {
    const { at, key, until, format } = options;
    if ((at === undefined) === (key === undefined))
      throw usage(
        'cannot tell which record to follow',
        at ? 'both --at and --key' : 'neither --at nor --key',
        'one of them',
      );
    let found = 0;
    const which = { ...(at && { at }), ...(key !== undefined && { key: await parseSourceKey(topology, past, key) }) };
    const forms = await KeyForms.of(topology, past);
    for await (const seen of trace(topology, { ...past, ...which, ...(until && { until }) })) {
      const way = forms.trace(seen);
      await write(io.stdout, format === 'json' ? `${toJson(way)}\n` : `${found > 0 ? '\n' : ''}${traceText(way)}\n`);
      found++;
      if (io.outputClosed.aborted) return 0;
    }
    if (found > 0) return 0;
    say(`no record has the key ${key}`);
    return 1;
  });
}
