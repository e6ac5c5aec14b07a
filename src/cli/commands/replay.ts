import { type Moment, replay, ShadowTopics } from '../../replay/index.js';
import { elapsed, type LookBackOptions, lookBack, warnOfGaps } from '../past/past.js';
import { pastMoment, withPastOptions } from '../past/past-options.js';
import { ReplayLines } from '../past/replay-lines.js';
import { parseSourceKey } from '../past/store-key.js';
import { type Io, write } from '../terminal/io.js';
import type { Program } from '../terminal/program.js';
import { formatCount } from '../terminal/rate.js';
import { usage } from '../terminal/usage.js';

interface Options extends LookBackOptions {
  readonly from?: Moment | 'snapshot' | undefined;
  readonly until?: Moment | undefined;
  readonly key?: string | undefined;
  readonly out?: string | undefined;
  readonly shadowPrefix?: string | undefined;
}

const EXAMPLES = `
Records come in the order of their event times over all topics and partitions, into an empty database. Equal times are ordered
by topic, then by partition; records of a partition keep the order of their offsets. Outputs are printed as JSON lines, each
with the record that caused it. Nothing is written to the broker, and no offset is committed. Calls of effect are skipped
and listed. "Now" is the time of the records; what the wall clock brought is taken again.
No schema is registered. Schemas that the registry does not have can be replayed, but not with --shadow-prefix.
--from snapshot is for topics that have lost their beginning: it begins with the oldest snapshot that the topics can continue from.

Examples:
  $ millrace replay topology.ts --until 2026-03-01
  $ millrace replay topology.ts --from ago:2h --out outputs
  $ millrace replay topology.ts --key alice | jq .value
  $ millrace replay topology.ts --shadow-prefix check-`;

/** `millrace replay FILE`: replays a slice of the past. */
export function addReplay(program: Program): void {
  withPastOptions(
    program.parent
      .command('replay')
      .description('run a topology over a slice of the past, and print its outputs')
      .argument('<file>', 'the file that exports the topology')
      .option('--from <moment>', 'where to begin (default: earliest); snapshot: see below', from)
      .option('--until <moment>', 'where to end (default: latest)', pastMoment('--until'))
      .option('--key <key>', 'only source records with this key')
      .option('--out <directory>', 'write TOPIC.jsonl files to this directory instead of printing')
      .option('--shadow-prefix <prefix>', 'write to new topics PREFIX… of the broker instead of printing'),
  )
    .addHelpText('after', EXAMPLES)
    .action((file, options) => program.act((io) => run(file, options, io)));
}

const from = (text: string): Moment | 'snapshot' => (text === 'snapshot' ? text : pastMoment('--from')(text));

async function run(file: string, options: Options, io: Io): Promise<number> {
  const { out, shadowPrefix, key, until } = options;
  if (out !== undefined && shadowPrefix !== undefined)
    throw usage('cannot use --out and --shadow-prefix together', 'both', 'one of them');
  const began = io.clock.monotonic();
  return lookBack(file, options, io, async ({ topology, past, say }) => {
    if (options.from === 'snapshot' && !past.snapshots)
      throw usage('cannot use --from snapshot', 'no snapshots', `some in ${options.state}, made with --snapshot-every`);
    const shadow = shadowPrefix === undefined ? undefined : new ShadowTopics(past.broker, shadowPrefix);
    const lines = shadow ? undefined : await ReplayLines.open(topology, past, { directory: out, io });
    try {
      const report = await replay(topology, {
        ...past,
        // Other applications must be able to read records in topics.
        ...(shadow && { unregistered: 'fail' }),
        ...(options.from === 'snapshot' ? { fromSnapshot: true } : options.from && { from: options.from }),
        ...(until && { until }),
        ...(key !== undefined && { key: await parseSourceKey(topology, past, key) }),
        onOutput: (records) => (shadow ?? lines)?.write(records),
        onEffect: (effects) => lines?.silenced(effects),
      });
      warnOfGaps(report.gaps, say);
      if (report.beganWith > 0) say(`began with the snapshot after ${formatCount(report.beganWith)} records`);
      const written = Object.entries(report.outputs).map(([topic, count]) => `${formatCount(count)} to ${topic}`);
      for (const [node, calls] of Object.entries(report.effects)) say(`skipped ${formatCount(calls)} calls of ${node}`);
      say(
        `replayed ${formatCount(report.records)} records in ${elapsed(io, began)}; captured ${written.join(', ') || 'nothing'}`,
      );
      return 0;
    } finally {
      await shadow?.close();
      await lines?.close();
      await write(io.stdout, '');
    }
  });
}
