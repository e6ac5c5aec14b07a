import { Option } from '@commander-js/extra-typings';
import { brokerUrl, DEFAULT_BROKER, KAFKA_CONFIG } from '../broker-url.js';
import { DEFAULT_STATE, duration, errorPolicies, inputFiles, several, size, wholeNumber } from '../options.js';
import type { Program } from '../program.js';
import { runTopology } from '../run-topology.js';
import { SCHEMA_REGISTRY } from '../schema-registry.js';

const EXAMPLES = `
The first SIGINT or SIGTERM finishes what is in hand, commits and ends, within --stop-timeout, with exit code 0 (with --until-idle: 130 or
143, if work was left); the second ends at once. What could not be finished is not committed, and done again at the next start.

A Kafka cluster that is away, at the start or later, is waited for, with a warning for each attempt; a login that is refused is not.

Types are checked first if TypeScript is installed in the project, while the file is loaded: for a small file 0.1 s with
TypeScript 7, 0.5 s with older ones. --no-check leaves it out.

--input files are read before the application starts, so that a run over files is the same each time; with --from latest,
and from standard input (-), while it runs. Each run reads them again.

--print writes records as JSON lines, decoded as the topology says; nothing else is written to standard output.

Policies of --on-error for the steps deserialize, process and produce: fail, skip, deadLetter, or retry:TIMES:PAUSE:POLICY.

With --shadow it is an application of its own, APP-shadow, with its own stores and internal topics: outputs (dead letters, too) go to
topics APP-shadow-TOPIC, and no effect is called. The live application may run, and is not touched; on the embedded broker, which is for
one process, it is stopped. When all is read, outputs are compared, and the result is printed; with --until-idle the exit code is 1 if they
differ. Stopped, a shadow goes on where it was; --fresh begins anew, as it must when the code has changed.

Examples:
  $ millrace run topology.ts
  $ millrace run new-version.ts --shadow --fresh --until-idle --broker kafka://broker-1:9092
  $ millrace run topology.ts --input payments=payments.jsonl --input-key account --print balances --until-idle
  $ millrace run topology.ts --broker kafka://broker-1:9092,broker-2:9092 --kafka-config client.properties
  $ millrace run topology.ts --on-error deserialize=deadLetter --on-error process=retry:3:100ms:skip`;

/** `millrace run FILE`: runs a topology in this process. */
export function addRun(program: Program): void {
  program.parent
    .command('run')
    .description('run a topology')
    .argument('<file>', 'the file that exports the topology')
    .option('--app <id>', "names the application, its internal topics and its state (default: the topology's name)")
    .option('--broker <url>', 'where the topics are', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option('--state <directory>', 'where the stores are kept', DEFAULT_STATE)
    .option('--input <topic=file>', 'send the JSON lines of a file to a topic; may be given several times', inputFiles)
    .option('--input-key <field>', 'take the keys of --input from this field (default: no key)')
    .option('--input-timestamp <field>', 'take the times of --input from this field (default: now)')
    .option('--print <topic>', 'print what is written to a topic; may be given several times', several)
    .option('--until-idle', 'end when everything is read and committed')
    .addOption(
      new Option('--guarantee <guarantee>', 'what a crash may do to results')
        .choices(['exactly_once', 'at_least_once'] as const)
        .default('exactly_once' as const),
    )
    .option(
      '--partitions <number>',
      'create missing topics with that many partitions (default: 1 on the embedded broker; on Kafka they must exist unless this is given)',
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
    .option('--batch <records>', 'records that go through a task together (default: 1000)', wholeNumber('--batch', 1))
    .option(
      '--commit-every <duration>',
      'at most this long between two commits (default: 100ms, under at_least_once 1s)',
      duration('--commit-every'),
    )
    .option(
      '--instance-id <name>',
      'names this process among those of the application: restarted within --session-timeout, it keeps its tasks without a rebalance',
    )
    .option(
      '--session-timeout <duration>',
      'without a sign of life for so long, the process loses its tasks (default: 10s)',
      duration('--session-timeout'),
    )
    .option(
      '--stop-timeout <duration>',
      'how long a stop may take; calls that are not begun by half of it are left for the next start (default: 20s)',
      duration('--stop-timeout'),
    )
    .option('--cache <size>', 'memory for cached rows (default: 32MB)', size('--cache'))
    .option(...SCHEMA_REGISTRY)
    .option(
      '--register-schemas',
      'register the schemas of what is written, where the schema registry lacks them (default: they must be there)',
    )
    .option('--shadow', 'run beside the live application, from the beginning, and compare what both write: see below')
    .option('--fresh', 'with --shadow: remove what an earlier shadow has left first')
    .option('--check', 'look for type errors first', true)
    .option('--no-check', 'do not')
    .addHelpText('after', EXAMPLES)
    .action((file, options) => program.act((io, { verbose }) => runTopology(file, { ...options, verbose }, io)));
}
