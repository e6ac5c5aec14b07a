import type { Duration } from '../../model/duration.js';
import type { EngineOptions, Guarantee } from '../../runtime/config/config.js';
import type { ErrorPolicies } from '../../runtime/config/policy.js';
import type { BrokerOptions } from './broker-url.js';
import type { ShadowOptions } from './check-shadow.js';
import type { InputFile } from './options.js';
import type { RegistrySelection } from './schema-registry.js';

/** The options of `millrace run`. */
export interface RunOptions extends BrokerOptions, RegistrySelection, ShadowOptions {
  readonly app?: string | undefined;
  readonly state: string;
  readonly input?: readonly InputFile[] | undefined;
  readonly inputKey?: string | undefined;
  readonly inputTimestamp?: string | undefined;
  readonly print?: readonly string[] | undefined;
  readonly untilIdle?: true | undefined;
  readonly wait?: Duration | undefined;
  readonly guarantee: Guarantee;
  readonly partitions?: number | undefined;
  readonly onError?: ErrorPolicies | undefined;
  readonly from: 'earliest' | 'latest';
  readonly batch?: number | undefined;
  readonly commitEvery?: Duration | undefined;
  readonly cache?: number | undefined;
  readonly instanceId?: string | undefined;
  readonly sessionTimeout?: Duration | undefined;
  readonly stopTimeout?: Duration | undefined;
  readonly registerSchemas?: true | undefined;
  readonly check: boolean;
  readonly verbose: boolean;
}

/** What of it is for the engine. */
export function engineOptionsOf(options: RunOptions, createsTopics: boolean): EngineOptions {
  const chosen: { -readonly [Name in keyof EngineOptions]: EngineOptions[Name] } = {
    guarantee: options.guarantee,
    startFrom: options.from,
  };
  if (options.app !== undefined) chosen.applicationId = options.app;
  if (options.commitEvery !== undefined) chosen.commitEvery = options.commitEvery;
  if (options.batch !== undefined) chosen.batchRecords = options.batch;
  if (options.cache !== undefined) chosen.cacheBytes = options.cache;
  if (options.onError !== undefined) chosen.onError = options.onError;
  if (options.instanceId !== undefined) chosen.instanceId = options.instanceId;
  if (options.sessionTimeout !== undefined) chosen.sessionTimeout = options.sessionTimeout;
  if (options.stopTimeout !== undefined) chosen.stopTimeout = options.stopTimeout;
  if (createsTopics) chosen.createTopics = options.partitions ?? 1;
  return chosen;
}
