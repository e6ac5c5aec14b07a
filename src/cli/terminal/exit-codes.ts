import { type ErrorCode, isStreamsError } from '../../model/errors.js';

/** The exit codes of `millrace`. The help and docs/cli.md show this table. */
export const EXIT_CODES = {
  0: 'done, or stopped cleanly by the first SIGINT or SIGTERM',
  1: 'the topology, a record or a line of input failed, or what was looked for is not there',
  2: 'the command line is wrong',
  3: 'the broker, the state or the schema registry cannot be used',
  130: 'ended by SIGINT before the work was done (produce, run --until-idle), or at once by the second signal',
  143: 'the same by SIGTERM',
} as const;

export type ExitCode = keyof typeof EXIT_CODES;

const USAGE: readonly ErrorCode[] = ['USAGE', 'CONFIG_INVALID', 'BROKER_UNKNOWN_SCHEME', 'STORE_UNKNOWN'];

/** Broker, state and schema registry: problems for the operator, not for the author of the topology. */
const UNUSABLE: readonly ErrorCode[] = [
  'STATE_LOCKED',
  'STATE_MISMATCH',
  'STATE_IO',
  'STATE_CORRUPT',
  'STATE_UNSUPPORTED',
  'BROKER_UNAVAILABLE',
  'BROKER_UNAUTHENTICATED',
  'BROKER_UNAUTHORIZED',
  'BROKER_CLOSED',
  'TOPIC_UNKNOWN',
  'TOPIC_EXISTS',
  'TOPIC_MISMATCH',
  'OFFSET_OUT_OF_RANGE',
  'LOG_CORRUPT',
  'PRODUCE_FAILED',
  'PRODUCER_FENCED',
  'TRANSACTION_INVALID',
  'GROUP_FENCED',
  'INSTANCE_FENCED',
  'APPLICATION_RUNNING',
  'RESET_UNFINISHED',
  'GENERATION_CHANGED',
  'PROMOTION_UNFINISHED',
  'REGISTRY_UNAVAILABLE',
  'REGISTRY_UNAUTHORIZED',
];

export function exitCodeOf(error: unknown): ExitCode {
  if (!isStreamsError(error)) return 1;
  if (USAGE.includes(error.code)) return 2;
  return UNUSABLE.includes(error.code) ? 3 : 1;
}

/** 128 plus the number of the signal, as in shells. */
export const exitCodeOfSignal = (signal: 'SIGINT' | 'SIGTERM'): ExitCode => (signal === 'SIGINT' ? 130 : 143);

export function exitCodeHelp(): string {
  const rows = Object.entries(EXIT_CODES).map(([code, meaning]) => `  ${code.padEnd(5)}${meaning}`);
  return `\nExit codes:\n${rows.join('\n')}`;
}
