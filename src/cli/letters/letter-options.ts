import { type Command, Option } from '@commander-js/extra-typings';
import type { LetterState } from '../../letters/index.js';
import type { Moment } from '../../replay/index.js';
import { type BrokerOptions, brokerUrl, DEFAULT_BROKER, KAFKA_CONFIG } from '../options/broker-url.js';
import { type RegistrySelection, SCHEMA_REGISTRY } from '../options/schema-registry.js';
import { withOptions } from '../options/with-options.js';
import { APP } from '../past/past.js';
import { pastMoment } from '../past/past-options.js';

/** Whose letters, and where they are. */
export interface LetterSource extends BrokerOptions, RegistrySelection {
  readonly app?: string | undefined;
  readonly deadLetterTopic?: string | undefined;
}

/** Which of them, on the command line. */
export interface LetterChoice {
  readonly where?: string | undefined;
  readonly operator?: string | undefined;
  readonly code?: string | undefined;
  readonly key?: string | undefined;
  readonly since?: Moment | undefined;
  readonly until?: Moment | undefined;
}

const STATES: readonly (LetterState['name'] | 'all')[] = ['open', 'discarded', 'requested', 'redriven', 'all'];

export const FILE_HELP = 'the file that exports the topology; without it, name the application with --app';
export const ID_HELP = 'PARTITION@OFFSET, as the list shows it: 0@17';
export const JSON_HELP = 'print lines of JSON';

export const FILTER_HELP = `
--where takes an expression of id, key, value, headers, origin, operator, code, message, attempt, foreign, shortened, time,
timestamp and state, or a file with a function of them as its default export. Keys and values are as the topology decodes
them; without FILE, they are JSON or text.

The time of a letter is the timestamp of its record, unless the topic stamps what is written to it. A moment is an ISO date
(2026-03-01T12:00:00Z; without an offset it is UTC), time:ISO, ago:2h, earliest or latest.`;

const addSource = (command: Command) =>
  command
    .option(...APP)
    .option('--broker <url>', 'the broker of the topics', brokerUrl, DEFAULT_BROKER)
    .option(...KAFKA_CONFIG)
    .option('--dead-letter-topic <topic>', 'the topic with the letters (default: APP-dead-letter)')
    .option(...SCHEMA_REGISTRY);

const addChoice = (command: Command) =>
  command
    .option('--where <expression|file>', "letters for which this holds, for example 'value.amount > 100'")
    .option('--operator <name>', 'letters that this operator, source or sink gave up')
    .option('--code <code>', 'letters with this error code')
    .option('--key <key>', 'letters with this key: text, or JSON as keys are printed')
    .option('--since <moment>', 'letters of this moment or later', pastMoment('--since'))
    .option('--until <moment>', 'letters of this moment or earlier', pastMoment('--until'));

/** Adds the options that say whose letters: all of {@link LetterSource}. */
export const withLetterSource = withOptions(addSource);

/** Adds the options that say which letters: all of {@link LetterChoice}. */
export const withLetterChoice = withOptions(addChoice);

/** Not `--state`: that is the directory of the state, also in the configuration. */
export const statusOption = () =>
  new Option('--status <status>', 'open, or settled letters, or all').choices(STATES).default('open' as const);
