import type { Broker } from '../../broker/port.js';
import { deadLetterTopic } from '../../graph/naming.js';
import type { OpenDatabase } from '../../model/database.js';
import { type Duration, durationMs, positiveMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';
import { isName, NAME_RULE } from '../../model/names.js';
import type { ResolvedPolicy } from '../../model/policy/policy.js';
import { type Clock, type Logger, silentLogger } from '../../model/ports.js';
import { show } from '../../model/text/show.js';
import type { SchemaRegistry } from '../../serdes/registry/port.js';
import type { CacheBudget } from '../../state/cache/cache-budget.js';
import type { IdentityFiles } from '../../state/directory/identity-files.js';
import { type ApplicationVersion, firstVersion } from './application-version.js';
import type { EffectGate } from './effect-gate.js';
import type { KeptPolicies } from './kept-policies.js';
import type { LifeHooks } from './life-hooks.js';
import { type ErrorPolicies, POLICY_NAMES, type PolicyName, resolvePolicies } from './policy.js';

/** The numbered steps of a commit. commit.ts, docs/guarantees.md and the crash tests use the same numbers. */
export type CommitStep = '1 settle' | '2 log' | '3 offsets' | '4 apply';

export type Guarantee = 'at_least_once' | 'exactly_once';

/** The options of an application. */
export interface EngineOptions {
  /** Names the consumer group, the internal topics and the state directory. Default: the topology's name. */
  readonly applicationId?: string;
  /** Default `exactly_once`. */
  readonly guarantee?: Guarantee;
  /**
   * Where the application begins in topics of which it has read nothing. Default `earliest`.
   *
   * `latest` means the end of all partitions at the moment when the application's first task begins. These
   * offsets are committed before any record is read, so a restart skips nothing. Partitions that appear later
   * are read from their start, and so are the application's own internal topics.
   */
  readonly startFrom?: 'earliest' | 'latest';
  /**
   * Maximum time between two commits of a task. Default `100ms` under exactly_once, `1s` under at_least_once.
   */
  readonly commitEvery?: Duration;
  /** Maximum number of records between two commits of a task. Default 20,000. */
  readonly commitRecords?: number;
  /** Maximum number of records in a batch. Results do not depend on it. Default 1,000. */
  readonly batchRecords?: number;
  /**
   * Memory for cached rows, for all tasks of this application in the process. Default: 32 MB, which all
   * applications of the process share.
   */
  readonly cacheBytes?: number;
  /**
   * Memory for records that were read and wait to be processed, for all tasks of this application in the
   * process. Each task has at least 128 KiB. Default: 64 MB.
   */
  readonly inputBufferBytes?: number;
  /** What happens to a record that fails. An operator's own `onError` is stronger there. Default `fail`. */
  readonly onError?: ErrorPolicies;
  /**
   * Whether `effect` calls the outside world. `silent`: no call is made, and each counts as made. A function
   * decides for each call. Default `live`.
   */
  readonly effects?: 'live' | 'silent' | EffectGate;
  /** Default `<application>-dead-letter`. */
  readonly deadLetterTopic?: string;
  /**
   * Names this process within the application, so that it can restart without a rebalance: it keeps its tasks
   * for `sessionTimeout` after it has stopped. Each process needs a name of its own. Default: none; a process
   * that stops gives up its tasks at once.
   */
  readonly instanceId?: string;
  /**
   * A process that sends no heartbeat for this long loses its tasks. Default `10s`. The brokers limit it: on
   * Kafka to 6 s to 30 min by default.
   */
  readonly sessionTimeout?: Duration;
  /**
   * Maximum time for a stop. The current batch may use half of it to finish. After that, calls that have not
   * begun are left to the next start, which processes the whole batch again. Default `20s`.
   */
  readonly stopTimeout?: Duration;
  /**
   * Create source and sink topics that do not exist, with this number of partitions. Default: they must
   * exist.
   */
  readonly createTopics?: number;
  /**
   * Register the schemas of written topics that the schema registry does not have. Default: they must be
   * there.
   */
  readonly registerSchemas?: boolean;
}

/** The parts of the outside world that the engine uses. */
export interface EnginePorts {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly openDatabase: OpenDatabase;
  readonly stateDirectory: string;
  readonly logger?: Logger;
  readonly hooks?: LifeHooks;
  /** Called when a serde first needs it. Default: no registry. */
  readonly schemaRegistry?: () => Promise<SchemaRegistry>;
  /** Shared with other engines. Default: a budget of its own, of `cacheBytes`. */
  readonly cache?: CacheBudget;
  /** Where the identity of the state is stored, if not on disk. */
  readonly identityFiles?: IdentityFiles;
  /** Called after each commit step; crash tests throw here. */
  readonly afterStep?: (step: CommitStep, taskId: string) => void | Promise<void>;
}

/** Shared by all applications of the process that have no cache of their own. */
export const DEFAULT_CACHE_BYTES = 32 * 1024 * 1024;
export const DEFAULT_STOP_TIMEOUT = '20s';
/** With sixteen tasks, each has 4 MB: about what a broker sends of several partitions at once. */
const DEFAULT_INPUT_BUFFER_BYTES = 64 * 1024 * 1024;

export interface EngineConfig {
  readonly applicationId: string;
  /** Its prefix begins the names of internal topics and of the state directory. */
  readonly version: ApplicationVersion;
  /**
   * The name that seeds random numbers and names the subjects of internal topics in the schema registry.
   * Usually the application id. A shadow uses the name of the live application; a version with a prefix of
   * its own (`<id>-apart`) uses that prefix.
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
  /** The policies that a look back was given: they are stronger than those of operators. */
  readonly overrides: Readonly<Partial<Record<PolicyName, ResolvedPolicy>>>;
  /** What the committed offsets say of the policies: see kept-policies.ts. Undefined: nothing. */
  readonly kept: KeptPolicies | undefined;
  /** Whether the records are those of the past: an error then says how to look beyond its record. */
  readonly looksBack: boolean;
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
 * Directories that the tools create in the state directory, next to those of applications: see reset.ts and
 * rebuild-task.ts in replay/repair, and replay/versions/promotion.ts.
 */
const RESERVED: ReadonlySet<string> = new Set(['resets', 'promotions', 'rebuild']);

/** The suffixes of the groups of shadows and promotions: see replay/versions/shadow-status.ts. */
const OF_TOOLS = /^(.+)-(shadow|promotion)$/;

/** CONFIG_INVALID if the application would share its group with a tool of another application. */
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
    if (!POLICY_NAMES.some((name) => name === step))
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
    policies: resolvePolicies(onError),
    overrides: {},
    kept: undefined,
    looksBack: false,
    effects: effectGate(options.effects ?? 'live'),
    deadLetterTopic: deadLetters,
    createTopics: options.createTopics === undefined ? undefined : positive('createTopics', options.createTopics),
    registerSchemas: options.registerSchemas ?? false,
    instanceId,
    sessionMs: positiveMs(options.sessionTimeout ?? '10s', 'sessionTimeout'),
    stopMs: positiveMs(options.stopTimeout ?? DEFAULT_STOP_TIMEOUT, 'stopTimeout'),
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
