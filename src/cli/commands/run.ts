import { type Command, Option } from '@commander-js/extra-typings';
import { brokerUrl, DEFAULT_BROKER, KAFKA_CONFIG } from '../options/broker-url.js';
import { DEFAULT_STATE, duration, errorPolicies, inputFiles, several, size, wholeNumber } from '../options/options.js';
import { SCHEMA_REGISTRY } from '../options/schema-registry.js';
import { withOptions } from '../options/with-options.js';
import { runTopology } from '../run/run-topology.js';
import type { Program } from '../terminal/program.js';

const EXAMPLES = `
The first SIGINT or SIGTERM finishes the current batches, commits and ends within --stop-timeout, with exit code 0 (with
--until-idle and unfinished work: 130 or 143). The second signal ends the process at once. Unfinished work is not committed,
and is repeated at the next start.

If a Kafka cluster is unreachable, at the start or later, the command waits for it and logs a warning for each attempt. It does
not retry a refused login.

If TypeScript is installed in the project, types are checked while the file is loaded: for a small file in 0.1 s with
TypeScript 7, in 0.5 s with older versions. --no-check skips this.

--input files are read before the application starts, so that a run over files gives the same result each time. With --from
latest, and from standard input (-), they are read while it runs. Each run reads them again.

--print writes records as JSON lines, decoded as the topology defines; nothing else is written to standard output.

Policies of --on-error for the steps deserialize, process and produce: fail, skip, deadLetter, or retry:TIMES:PAUSE:POLICY.

--shadow runs a separate application, APP-shadow, with its own stores and internal topics. Its outputs and dead letters go to
topics APP-shadow-TOPIC, and it calls no effect. The live application may run, and is not affected. When everything is read,
the command compares the outputs and prints the result;
with --until-idle the exit code is 1 if they differ. A stopped shadow continues where it was. --fresh starts from the
beginning, which is necessary when the code has changed.

Examples:
  $ millrace run topology.ts
  $ millrace run new-version.ts --shadow --fresh --until-idle --broker kafka://broker-1:9092
  $ millrace run topology.ts --input payments=payments.jsonl --input-key account --print balances --until-idle
  $ millrace run topology.ts --broker kafka://broker-1:9092,broker-2:9092 --kafka-config client.properties
  $ millrace run topology.ts --on-error deserialize=deadLetter --on-error process=retry:3:100ms:skip`;

/** `millrace run FILE`: runs a topology in this process. */
export function addRun(program: Program): void {
  withRunOptions(
    program.parent
      .command('run')
      .description('run a topology')
      .argument('<file>', 'the file that exports the topology, or the name of a configured application'),
  )
    .addHelpText('after', EXAMPLES)
    .action((file, options) => program.act((io, { verbose }) => runTopology(file, { ...options, verbose }, io)));
}

/** Adds the options of `run`. */
export const withRunOptions = withOptions((command: Command) =>
  command
    .option('--app <id>', "names the application, its internal topics and its state (default: the topology's name)")
    .option('--broker <url>', 'the broker of the topics', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option('--state <directory>', 'the directory of the stores', DEFAULT_STATE)
    .option('--input <topic=file>', 'send the JSON lines of a file to a topic; may be given several times', inputFiles)
    .option('--input-key <field>', 'take the keys of --input from this field (default: no key)')
    .option('--input-timestamp <field>', 'take the times of --input from this field (default: now)')
    .option('--print <topic>', 'print the records that are written to a topic; may be given several times', several)
    .option('--until-idle', 'end when everything is read and committed')
    .option(
      '--wait <duration>',
      'end with exit code 3 if the cluster cannot be reached for this time at the start (default: with --until-idle 2m, else for ever)',
      duration('--wait'),
    )
    .addOption(
      new Option('--guarantee <guarantee>', 'the guarantee for results after a crash')
        .choices(['exactly_once', 'at_least_once'] as const)
        .default('exactly_once' as const),
    )
    .option(
      '--partitions <number>',
      'create missing topics with this many partitions (default: 1 on the embedded broker; on Kafka, topics must exist without this option)',
      wholeNumber('--partitions', 1),
    )
    .option(
      '--on-error <step=policy>',
      'what to do with a record that fails (default: fail); may be given several times',
      errorPolicies,
    )
    .addOption(
      new Option('--from <where>', 'where to begin in topics that the application has not read')
        .choices(['earliest', 'latest'] as const)
        .default('earliest' as const),
    )
    .option('--batch <records>', 'maximum number of records in a batch (default: 1000)', wholeNumber('--batch', 1))
    .option(
      '--commit-every <duration>',
      'maximum time between two commits (default: 100ms, with at_least_once 1s)',
      duration('--commit-every'),
    )
    .option(
      '--instance-id <name>',
      'a name for this process that is unique in the application: after a restart within --session-timeout it keeps its tasks without a rebalance',
    )
    .option(
      '--session-timeout <duration>',
      'the process loses its tasks after this time without a heartbeat (default: 10s)',
      duration('--session-timeout'),
    )
    .option(
      '--stop-timeout <duration>',
      'maximum time for a stop; calls that have not begun after half of it wait for the next start (default: 20s)',
      duration('--stop-timeout'),
    )
    .option('--cache <size>', 'memory for cached rows (default: 32MB)', size('--cache'))
    .option(...SCHEMA_REGISTRY)
    .option(
      '--register-schemas',
      'register the schemas of written records that the schema registry lacks (default: they must be there)',
    )
    .option(
      '--shadow',
      'run beside the live application, from the beginning, and compare the outputs of both: see below',
    )
    .option('--fresh', 'with --shadow: first remove the remains of an earlier shadow')
    .option('--check', 'check for type errors first', true)
    .option('--no-check', 'do not check types'),
);
