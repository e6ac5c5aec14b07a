import { type Command, Option } from '@commander-js/extra-typings';
import { type Duration, durationMs } from '../../model/duration.js';
import { show } from '../../model/text/show.js';
import { type Moment, parseMoment, type SnapshotEvery } from '../../replay/index.js';
import { brokerUrl, DEFAULT_BROKER, KAFKA_CONFIG } from '../options/broker-url.js';
import { DEFAULT_STATE, errorPolicies, type Parse, size, wholeNumber } from '../options/options.js';
import { SCHEMA_REGISTRY } from '../options/schema-registry.js';
import { withOptions } from '../options/with-options.js';
import { usage } from '../terminal/usage.js';
import { APP, ON_ERROR, ON_ERROR_HELP } from './past.js';

const MOMENT_HELP = `
A moment is earliest, latest, an ISO date (2026-03-01T12:00:00Z; without an offset it is UTC), time:ISO, ago:2h, or
offset:TOPIC:PARTITION=OFFSET, with more of them after commas. Up to a time means: each partition up to its first later record.
Up to an offset means: the records before it; other partitions go as far as the order of timestamps has come by then.`;

/** For commands with a `--key` option. */
export const KEY_HELP = `
Write a key as it is printed, as JSON: 5, "9007199254740993" for a bigint, {"base64":"AP8A"} for bytes, {"id":7}. Text may also
be written without quotes. See docs/ids.md.`;

/** For commands that show rows. */
export const WINDOWS_HELP = `
In a window store, each window is a row with the key {"key":…,"start":…,"end":…}. --key selects all windows of a key, or one
window, written as it is printed. A session that grows or is merged counts as deleted, because the resulting session has another
start or end.`;

const SNAPSHOT_EVERY = [
  '--snapshot-every <records|duration>',
  'write a snapshot of the state after this many records (100000), or this much event time (1d); later commands begin there',
  snapshotEvery,
] as const;

/** Output formats. */
const FORMATS = ['text', 'json'] as const;
export type OutputFormat = (typeof FORMATS)[number];

/** `--format`, of a command that prints for people or for programs. */
export const formatOption = () =>
  new Option('--format <format>', 'the output format').choices(FORMATS).default('text' as const);

const effectsOption = () =>
  new Option('--effects <what>', 'calls with outcomes that are gone stay pending (default: an error)').choices([
    'pending',
  ] as const);

export const pastMoment =
  (name: string): Parse<Moment> =>
  (text) =>
    parseMoment(text, name);

const addHistory = (command: Command) =>
  command
    .option(...APP)
    .option('--broker <url>', 'the broker of the topics', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option(...SCHEMA_REGISTRY)
    .option(ON_ERROR, ON_ERROR_HELP, errorPolicies)
    .addOption(effectsOption())
    .option('--cache <size>', 'memory for cached rows (default: 32MB)', size('--cache'))
    .addHelpText('after', MOMENT_HELP);

const addPast = (command: Command) =>
  addHistory(command)
    .option('--state <directory>', 'the directory of the state and of the snapshots', DEFAULT_STATE)
    .option(...SNAPSHOT_EVERY);

const addState = (command: Command) =>
  command
    .option('--partition <number>', 'show this partition only (default: all)', wholeNumber('--partition', 0))
    .option(...APP)
    .option('--state <directory>', 'the directory of the state', DEFAULT_STATE)
    .option(...SCHEMA_REGISTRY)
    .option(
      '--as-of <moment>',
      'the state at this moment, reconstructed from the topics (default: as it is)',
      pastMoment('--as-of'),
    )
    .option('--broker <url>', 'the broker of the topics, for --as-of', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option(...SNAPSHOT_EVERY)
    .option(ON_ERROR, ON_ERROR_HELP, errorPolicies)
    .addOption(effectsOption())
    .option('--cache <size>', 'memory for cached rows (default: 32MB)', size('--cache'))
    .addHelpText('after', MOMENT_HELP);

/**
 * Adds the options of commands that replay the history: application, broker, registry, and policies for
 * failing records.
 */
export const withHistoryOptions = withOptions(addHistory);

/** Adds these and the snapshot options: all of `LookBackOptions`. */
export const withPastOptions = withOptions(addPast);

/**
 * Adds the options of commands that show stores, current or past: all of `StateSelection` except the store.
 */
export const withStateOptions = withOptions(addState);

/** `100000` or `1d`. */
function snapshotEvery(text: string): SnapshotEvery {
  const records = Number(text);
  if (/^\d+$/.test(text) && records > 0) return { records };
  try {
    const ms = durationMs(text as Duration);
    if (ms > 0) return { ms };
  } catch {
    // Reported below.
  }
  throw usage('cannot read --snapshot-every', show(text), 'a number of records, or a time such as 1d');
}
