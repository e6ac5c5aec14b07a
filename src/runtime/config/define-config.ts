import type { Duration } from '../../model/duration.js';
import type { Guarantee } from './config.js';
import type { ErrorPolicies } from './policy.js';

/**
 * Settings that commands take from a configuration, if the command line and the environment do not say
 * otherwise.
 */
export interface MillraceSettings {
  /** `embedded:DIRECTORY` or `kafka://HOST:PORT`. A relative directory is relative to the configuration. */
  readonly broker?: string;
  /** The properties file of the Kafka connection. */
  readonly kafkaConfig?: string;
  /** The directory of the stores, relative to the configuration. */
  readonly state?: string;
  /** The address or directory of the schema registry. */
  readonly schemaRegistry?: string;
  readonly registerSchemas?: boolean;
  readonly guarantee?: Guarantee;
  readonly from?: 'earliest' | 'latest';
  /** Partitions of topics that are created. */
  readonly partitions?: number;
  readonly onError?: ErrorPolicies;
  /** Memory for cached rows: `64MB`. */
  readonly cache?: string;
  /** The maximum number of records in a batch. */
  readonly batch?: number;
  readonly commitEvery?: Duration;
  readonly sessionTimeout?: Duration;
  readonly stopTimeout?: Duration;
  /** How often commands that look back write a snapshot: a number of records, or a duration. */
  readonly snapshotEvery?: number | Duration;
  /** Whether types are checked while a topology is loaded. */
  readonly check?: boolean;
}

/**
 * An application of a project, with settings of its own. Commands find it by its name in the place of a file.
 */
export interface ConfiguredApplication extends MillraceSettings {
  /** The application id. */
  readonly name: string;
  /** The file of its topology, relative to the configuration. */
  readonly file: string;
}

/** The content of `millrace.config.ts`, `.js` or `.json`. */
export interface MillraceConfig extends MillraceSettings {
  readonly applications?: readonly ConfiguredApplication[];
}

/**
 * Types a configuration. The command line finds the file in the directory of the topology, or the nearest one
 * above.
 *
 * ```ts
 * // millrace.config.ts
 * import { defineConfig } from 'millrace';
 *
 * export default defineConfig({
 *   broker: 'embedded:.millrace/broker',
 *   onError: { deserialize: 'deadLetter' },
 *   applications: [{ name: 'orders', file: 'src/orders.ts' }],
 * });
 * ```
 */
export const defineConfig = (config: MillraceConfig): MillraceConfig => config;
