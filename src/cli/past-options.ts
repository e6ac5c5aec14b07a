import { type Command, Option, type OptionValues } from '@commander-js/extra-typings';
import { type Duration, durationMs } from '../model/duration.js';
import { show } from '../model/show.js';
import { type Moment, parseMoment, type SnapshotEvery } from '../replay/index.js';
import { brokerUrl, DEFAULT_BROKER, KAFKA_CONFIG } from './broker-url.js';
import { DEFAULT_STATE, errorPolicies, type Parse, size, wholeNumber } from './options.js';
import { APP, ON_ERROR, ON_ERROR_HELP } from './past.js';
import { SCHEMA_REGISTRY } from './schema-registry.js';
import { usage } from './usage.js';

const MOMENT_HELP = `
A moment is earliest, latest, an ISO date (2026-03-01T12:00:00Z; without an offset it is UTC), time:ISO, ago:2h, or
offset:TOPIC:PARTITION=OFFSET, with more after commas. Up to a time: each partition up to its first record that is later.
Up to an offset: the records before it; partitions that are not named go as far as the order of timestamps has come by then.`;

/** Of commands that are asked for a key. */
export const KEY_HELP = `
A key is typed as it is printed, as JSON: 5, "9007199254740993" for a bigint, {"base64":"AP8A"} for bytes, {"id":7}; text also without
its quotes. See docs/ids.md.`;

/** Of commands that show rows. */
export const WINDOWS_HELP = `
In a store of windows, each window is a row: its key is {"key":…,"start":…,"end":…}. --key names the key within them, for all of
its windows, or one of them as it is printed. A session that grows, or is merged into another, is gone: what it has become has
another start or end.`;

const SNAPSHOT_EVERY = [
  '--snapshot-every <records|duration>',
  'keep the state as of every so many records (100000), or whenever so much time has passed in them (1d): the next look begins there',
  snapshotEvery,
] as const;

/** How what is found is printed. */
const FORMATS = ['text', 'json'] as const;
export type OutputFormat = (typeof FORMATS)[number];

/** `--format`, of a command that prints for people or for programs. */
export const formatOption = () =>
  new Option('--format <format>', 'how to show it').choices(FORMATS).default('text' as const);

export const pastMoment =
  (name: string): Parse<Moment> =>
  (text) =>
    parseMoment(text, name);

/** What the options of a command that adds them are parsed to. */
type Added<Add extends (command: Command) => unknown> =
  ReturnType<Add> extends Command<[], infer Options, infer _Globals> ? Options : never;

/**
 * The command with more options. They are declared on a command of no arguments: with those of any command at
 * hand the compiler would work out each option for all that there could be, and come to no end.
 */
const withOptions =
  <Add extends (command: Command) => unknown>(add: Add) =>
  <Args extends unknown[], Options extends OptionValues, Globals extends OptionValues>(
    command: Command<Args, Options, Globals>,
  ): Command<Args, Options & Added<Add>, Globals> =>
    add(command as unknown as Command) as Command<Args, Options & Added<Add>, Globals>;

const addHistory = (command: Command) =>
  command
    .option(...APP)
    .option('--broker <url>', 'where the topics are', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option(...SCHEMA_REGISTRY)
    .option(ON_ERROR, ON_ERROR_HELP, errorPolicies)
    .option('--cache <size>', 'memory for cached rows (default: 32MB)', size('--cache'))
    .addHelpText('after', MOMENT_HELP);

const addPast = (command: Command) =>
  addHistory(command)
    .option('--state <directory>', 'where the application has its state, and its snapshots beside it', DEFAULT_STATE)
    .option(...SNAPSHOT_EVERY);

const addState = (command: Command) =>
  command
    .option('--partition <number>', 'look into this partition only (default: all)', wholeNumber('--partition', 0))
    .option(...APP)
    .option('--state <directory>', 'where the state is', DEFAULT_STATE)
    .option(...SCHEMA_REGISTRY)
    .option(
      '--as-of <moment>',
      'as it was then, reconstructed from the topics (default: as the stopped application left it)',
      pastMoment('--as-of'),
    )
    .option('--broker <url>', 'where the topics are, for --as-of', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option(...SNAPSHOT_EVERY)
    .option(ON_ERROR, ON_ERROR_HELP, errorPolicies)
    .option('--cache <size>', 'memory for cached rows (default: 32MB)', size('--cache'))
    .addHelpText('after', MOMENT_HELP);

/**
 * Adds to a command that runs the history again: whose and where it is, and what becomes of records in it
 * that fail.
 */
export const withHistoryOptions = withOptions(addHistory);

/**
 * The same for a command that begins with a snapshot where it can, and keeps some if it is told to: all of
 * `LookBackOptions`.
 */
export const withPastOptions = withOptions(addPast);

/** The same for a command that looks into stores, now or then: all of `StateSelection` but the store. */
export const withStateOptions = withOptions(addState);

/** `100000` or `1d`. */
function snapshotEvery(text: string): SnapshotEvery {
  const records = Number(text);
  if (/^\d+$/.test(text) && records > 0) return { records };
  try {
    const ms = durationMs(text as Duration);
    if (ms > 0) return { ms };
  } catch {
    // Said below.
  }
  throw usage('cannot read --snapshot-every', show(text), 'a number of records, or a time such as 1d');
}
