import type { Broker } from '../broker/port.js';
import { deadLetterTopic } from '../graph/naming.js';
import type { OpenDatabase } from '../model/database.js';
import { type Duration, durationMs, positiveMs } from '../model/duration.js';
import { StreamsError } from '../model/errors.js';
import { isName, NAME_RULE } from '../model/names.js';
import { type Clock, type Logger, silentLogger } from '../model/ports.js';
import { show } from '../model/show.js';
import type { SchemaRegistry } from '../serdes/registry/port.js';
import type { CacheBudget } from '../state/cache-budget.js';
import type { IdentityFiles } from '../state/identity-files.js';
import { type ApplicationVersion, firstVersion } from './application-version.js';
import type { EffectGate } from './effects.js';
import { type ErrorPolicies, type PolicyName, type ResolvedPolicy, resolvePolicy } from './policy.js';

/**
 * The numbered steps of a commit, and the moment before it. The same numbers stand in commit.ts,
 * docs/guarantees.md and the crash tests.
 */
export type CommitStep = '1 settle' | '2 log' | '3 offsets' | '4 apply';

export type Guarantee = 'at_least_once' | 'exactly_once';

/** What a user may choose. */
export interface EngineOptions {
  /** Names the consumer group, the internal topics and the state. Default: the topology's name. */
  readonly applicationId?: string;
  /** Default `exactly_once`. */
  readonly guarantee?: Guarantee;
  /**
   * Where the application begins in topics of which it has read nothing. Default `earliest`. `latest`: where
   * they end when its first task begins, in all partitions together, committed before a record is read, so
   * that a restart passes nothing over. Partitions that appear later begin at their start, and so do its own
   * internal topics.
   */
  readonly startFrom?: 'earliest' | 'latest';
  /**
   * At most this long between two commits of a task. Default `100ms` under exactly_once, `1s` under
   * at_least_once.
   */
  readonly commitEvery?: Duration;
  /** At most this many records between two commits of a task. Default 20,000. */
  readonly commitRecords?: number;
  /** Records that go through a task together. Results do not depend on it. Default 1,000. */
  readonly batchRecords?: number;
  /**
   * Memory for cached rows, for all tasks that this application has in the process. Default: 32 MB, which all
   * applications of the process share.
   */
  readonly cacheBytes?: number;
  /**
   * Memory for records that are read and wait for their turn, for all tasks that this application has in the
   * process, 128 KiB each at least. Default: 64 MB.
   */
  readonly inputBufferBytes?: number;
  readonly onError?: ErrorPolicies;
  /**
   * Whether `effect` calls the outside world. `silent`: each call counts as made, and is not. A function
   * decides call by call. Default `live`.
   */
  readonly effects?: 'live' | 'silent' | EffectGate;
  /** Default `<application>-dead-letter`. */
  readonly deadLetterTopic?: string;
  /**
   * Names this process among those of the application, so that it can be restarted without a rebalance: it
   * keeps its tasks for `sessionTimeout` after it has stopped. Each process needs another one. Default: none;
   * a process that stops gives its tasks away at once.
   */
  readonly instanceId?: string;
  /**
   * After so long without a sign of life a process loses its tasks. Default `10s`; the brokers bound it (on
   * Kafka 6 s to 30 min by default).
   */
  readonly sessionTimeout?: Duration;
  /**
   * How long a stop may take. A batch in hand is finished if half of the time is enough for it; else its
   * calls that were not begun are left for the next start, which does all of the batch again. Default `20s`.
   */
  readonly stopTimeout?: Duration;
  /** Create source and sink topics that do not exist, with that many partitions. Default: they must exist. */
  readonly createTopics?: number;
  /**
   * Register the schemas of what the topology writes, where the schema registry does not have them. Default:
   * they must be there.
   */
  readonly registerSchemas?: boolean;
}

/** What the edge of the process passes in. */
export interface EnginePorts {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly openDatabase: OpenDatabase;
  readonly stateDirectory: string;
  readonly logger?: Logger;
  /** Asked for when a serde first needs it. Default: there is none. */
  readonly schemaRegistry?: () => Promise<SchemaRegistry>;
  /** Shared with other engines. Default: a budget of its own, of `cacheBytes`. */
  readonly cache?: CacheBudget;
  /** Where the identity of the state lies, if not on disk. */
  readonly identityFiles?: IdentityFiles;
  /** Called after each commit step: a crash test throws here. */
  readonly afterStep?: (step: CommitStep, taskId: string) => void | Promise<void>;
}

/** Of the process, for all applications that bring none of their own. */
export const DEFAULT_CACHE_BYTES = 32 * 1024 * 1024;
/** Of sixteen tasks each has as much as a broker sends of some partitions at once. */
const DEFAULT_INPUT_BUFFER_BYTES = 64 * 1024 * 1024;

export interface EngineConfig {
  readonly applicationId: string;
  /** Whose prefix names the internal topics and the state. */
  readonly version: ApplicationVersion;
  /**
   * The application whose name is in the subjects of internal topics, in the schema registry, and in whose
   * name random numbers are drawn: that of a shadow is the live one, that of one kept apart is its prefix.
   */
  readonly schemasOf: string;
  readonly guarantee: Guarantee;
  readonly startFrom: 'earliest' | 'latest';
  readonly commitMs: number;
  readonly commitRecords: number;
  readonly batchRecords: number;
  readonly cacheBytes: number;
  readonly inputBufferBytes: number;
  readonly policies: Readonly<Record<PolicyName, ResolvedPolicy>>;
  readonly effects: EffectGate;
  readonly deadLetterTopic: string;
  readonly createTopics: number | undefined;
  readonly registerSchemas: boolean;
  readonly instanceId: string | undefined;
  readonly sessionMs: number;
  readonly stopMs: number;
  readonly logger: Logger;
}

/**
 * Below the state directory, beside those of applications: see replay/reset.ts, promotion.ts,
 * rebuild-task.ts.
 */
const RESERVED: ReadonlySet<string> = new Set(['resets', 'promotions', 'rebuild']);

/**
 * How the groups of a shadow and of a promotion end, beside that of their application: see
 * replay/shadow-status.ts.
 */
const OF_TOOLS = /^(.+)-(shadow|promotion)$/;

/** CONFIG_INVALID for an application that would share its group with the tools of another one. */
export function checkApplicationId(applicationId: string): void {
  const [, other, what] = OF_TOOLS.exec(applicationId) ?? [];
  if (other !== undefined)
    throw invalid(
      'applicationId',
      applicationId,
      `another name: this is the group of the ${what} of an application ${other}`,
    );
}

/** Checks the options and fills in the defaults. CONFIG_INVALID names the option. */
export function resolveConfig(
  topologyName: string,
  options: EngineOptions,
  logger: Logger = silentLogger,
): EngineConfig {
  const {
    applicationId = topologyName,
    deadLetterTopic: deadLetters = deadLetterTopic(applicationId),
    guarantee = 'exactly_once',
    startFrom = 'earliest',
    onError = {},
  } = options;
  const { instanceId } = options;
  for (const [option, name] of [
    ['applicationId', applicationId],
    ['deadLetterTopic', deadLetters],
    ...(instanceId === undefined ? [] : [['instanceId', instanceId] as const]),
  ] as const) {
    if (!isName(name)) throw invalid(option, name, NAME_RULE);
  }
  if (RESERVED.has(applicationId))
    throw invalid(
      'applicationId',
      applicationId,
      `none of ${[...RESERVED].join(', ')}, which are directories of the state`,
    );
  if (!['at_least_once', 'exactly_once'].includes(guarantee))
    throw invalid('guarantee', guarantee, 'at_least_once or exactly_once');
  if (!['earliest', 'latest'].includes(startFrom)) throw invalid('startFrom', startFrom, 'earliest or latest');
  for (const step of Object.keys(onError)) {
    if (!['deserialize', 'process', 'produce'].includes(step))
      throw invalid('onError', step, 'the steps deserialize, process and produce');
  }
  return {
    applicationId,
    version: firstVersion(applicationId),
    schemasOf: applicationId,
    guarantee,
    startFrom,
    commitMs: durationMs(options.commitEvery ?? (guarantee === 'exactly_once' ? '100ms' : '1s'), 'commitEvery'),
    commitRecords: positive('commitRecords', options.commitRecords ?? 20_000),
    batchRecords: positive('batchRecords', options.batchRecords ?? 1_000),
    cacheBytes: positive('cacheBytes', options.cacheBytes ?? DEFAULT_CACHE_BYTES),
    inputBufferBytes: positive('inputBufferBytes', options.inputBufferBytes ?? DEFAULT_INPUT_BUFFER_BYTES),
    policies: {
      deserialize: resolvePolicy('deserialize', onError.deserialize),
      process: resolvePolicy('process', onError.process),
      produce: resolvePolicy('produce', onError.produce),
    },
    effects: effectGate(options.effects ?? 'live'),
    deadLetterTopic: deadLetters,
    createTopics: options.createTopics === undefined ? undefined : positive('createTopics', options.createTopics),
    registerSchemas: options.registerSchemas ?? false,
    instanceId,
    sessionMs: positiveMs(options.sessionTimeout ?? '10s', 'sessionTimeout'),
    stopMs: positiveMs(options.stopTimeout ?? '20s', 'stopTimeout'),
    logger,
  };
}

function effectGate(effects: NonNullable<EngineOptions['effects']>): EffectGate {
  if (typeof effects === 'function') return effects;
  if (effects !== 'live' && effects !== 'silent') throw invalid('effects', effects, 'live, silent or a function');
  return () => effects === 'live';
}

function positive(option: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value;
  throw invalid(option, value, 'a whole number of at least 1');
}

const invalid = (option: string, value: unknown, expected: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: `cannot use the option ${option}`,
    saw: show(value),
    expected,
    action: 'Correct the option.',
  });
