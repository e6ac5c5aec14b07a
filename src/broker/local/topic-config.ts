import { StreamsError } from '../../model/errors.js';
import { ownOf } from '../../model/own.js';
import { show } from '../../model/text/show.js';
import { DELETE_RETENTION_MS, type TopicSpec } from '../port.js';

/** Kafka's limit: the name with `-<partition>` must fit into a file name. */
const MAX_NAME_LENGTH = 249;
const NAME = /^[a-zA-Z0-9._-]+$/;

/** More partitions than any local use needs, but few enough that a typing error does not fill the memory. */
const MAX_PARTITIONS = 100_000;

const POLICIES = ['delete', 'compact', 'compact,delete', 'delete,compact'];

/** Kafka's default for `max.message.bytes`: 1 MiB and the batch's overhead. */
const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588;

const INTEGER_MINIMUM: Readonly<Record<string, number>> = {
  'retention.ms': -1,
  'retention.bytes': -1,
  'delete.retention.ms': 0,
  'min.compaction.lag.ms': 0,
  'max.message.bytes': 0,
};

/** 64-bit numbers; the highest one means that there is no limit. */
const TIMESTAMP_LIMITS = new Set(['message.timestamp.after.max.ms', 'message.timestamp.before.max.ms']);

/** Accepted, stored and described, but without effect in a log that has one copy and no segments. */
const WITHOUT_EFFECT = new Set([
  'compression.type',
  'compression.gzip.level',
  'compression.lz4.level',
  'compression.zstd.level',
  'file.delete.delay.ms',
  'flush.messages',
  'flush.ms',
  'follower.replication.throttled.replicas',
  'index.interval.bytes',
  'leader.replication.throttled.replicas',
  'local.retention.bytes',
  'local.retention.ms',
  'max.compaction.lag.ms',
  'message.downconversion.enable',
  'message.format.version',
  'message.timestamp.difference.max.ms',
  'message.timestamp.type',
  'min.insync.replicas',
  'preallocate',
  'remote.storage.enable',
  'segment.bytes',
  'segment.index.bytes',
  'segment.jitter.ms',
  'segment.ms',
  'unclean.leader.election.enable',
]);

/** A topic's configuration as the local brokers apply it. -1 is Kafka's "without limit". */
export interface LogConfig {
  readonly compact: boolean;
  readonly delete: boolean;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly deleteRetentionMs: number;
  readonly minCompactionLagMs: number;
  readonly minCleanableDirtyRatio: number;
  readonly maxMessageBytes: number;
  /** How far a timestamp may be behind the clock, and how far ahead of it. */
  readonly timestampBeforeMs: number;
  readonly timestampAfterMs: number;
}

/**
 * The effective configuration. Unlike Kafka, a topic without these settings keeps everything (not 7 days) and
 * accepts any timestamp (not only up to an hour ahead). The reason is that a test sets its clock to any time.
 */
export function logConfig(config: Readonly<Record<string, string>>): LogConfig {
  const policy = config['cleanup.policy'] ?? 'delete';
  const number = (name: string, otherwise: number): number => {
    const value = ownOf(config, name);
    return value === undefined ? otherwise : Number(value);
  };
  const limit = (name: string): number => {
    const ms = number(name, Number.POSITIVE_INFINITY);
    return Number.isSafeInteger(ms) ? ms : Number.POSITIVE_INFINITY;
  };
  return {
    compact: policy.includes('compact'),
    delete: policy.includes('delete'),
    retentionMs: number('retention.ms', -1),
    retentionBytes: number('retention.bytes', -1),
    deleteRetentionMs: number('delete.retention.ms', DELETE_RETENTION_MS),
    minCompactionLagMs: number('min.compaction.lag.ms', 0),
    minCleanableDirtyRatio: number('min.cleanable.dirty.ratio', 0.5),
    maxMessageBytes: number('max.message.bytes', DEFAULT_MAX_MESSAGE_BYTES),
    timestampBeforeMs: limit('message.timestamp.before.max.ms'),
    timestampAfterMs: limit('message.timestamp.after.max.ms'),
  };
}

/**
 * Throws CONFIG_INVALID, naming the topic, for a name, partition count or configuration that Kafka would
 * refuse.
 */
export function checkTopic(spec: TopicSpec): void {
  const { name, partitions, config = {} } = spec;
  if (!NAME.test(name) || name.length > MAX_NAME_LENGTH || name === '.' || name === '..') {
    throw invalid(
      name,
      `the name ${show(name)}`,
      `1 to ${MAX_NAME_LENGTH} of the characters a-z, A-Z, 0-9, ".", "_" and "-", and neither "." nor ".."`,
    );
  }
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > MAX_PARTITIONS)
    throw invalid(name, `${partitions} partitions`, `1 to ${MAX_PARTITIONS}`);
  for (const [option, value] of Object.entries(config)) {
    const problem = configProblem(option, value);
    if (problem) throw invalid(name, `${option}=${show(value)}`, problem);
  }
}

function configProblem(option: string, value: string): string | undefined {
  if (option === 'cleanup.policy')
    return POLICIES.includes(value) ? undefined : '"delete", "compact" or "compact,delete"';
  if (option === 'min.cleanable.dirty.ratio') {
    return value.trim() !== '' && Number(value) >= 0 && Number(value) <= 1 ? undefined : 'a number from 0 to 1';
  }
  if (TIMESTAMP_LIMITS.has(option)) return /^\d+$/.test(value) ? undefined : 'a whole number from 0';
  const minimum = ownOf(INTEGER_MINIMUM, option);
  if (minimum !== undefined) {
    return /^-?\d+$/.test(value) && Number.isSafeInteger(Number(value)) && Number(value) >= minimum
      ? undefined
      : `a whole number from ${minimum}`;
  }
  return WITHOUT_EFFECT.has(option) ? undefined : "one of Kafka's topic configurations";
}

function invalid(name: string, saw: string, expected: string): StreamsError {
  return new StreamsError('CONFIG_INVALID', {
    what: 'cannot create a topic',
    at: show(name),
    saw,
    expected,
    action: 'Correct the topic and create it again.',
  });
}
