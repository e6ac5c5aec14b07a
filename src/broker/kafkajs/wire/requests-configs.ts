import { setOwn } from '../../../model/own.js';
import { type Compaction, DELETE_RETENTION_MS } from '../../port.js';
import type { BytesReader } from './bytes.js';
import type { Request } from './request.js';
import type { TopicResult } from './requests-topics.js';

/**
 * Requests for topic configuration. Versions are the newest that are not flexible: brokers 3.9 to 4.4 accept
 * them.
 */

export interface TopicConfig {
  readonly error: number;
  readonly name: string;
  /** Only the values that are set on the topic itself. */
  readonly config: Readonly<Record<string, string>>;
  /** All values in force for the topic, wherever they are set. */
  readonly inForce: ReadonlyMap<string, string>;
}

const TOPIC_RESOURCE = 2;
const SET_FOR_TOPIC = 1;

export const describeConfigsRequest = (topics: readonly string[]): Request<readonly TopicConfig[]> => ({
  apiKey: 32,
  apiVersion: 1,
  apiName: 'DescribeConfigs',
  write: (to) =>
    to
      .array(topics, (topic) =>
        to
          .int8(TOPIC_RESOURCE)
          .string(topic)
          .array(null, () => undefined),
      )
      .bool(false),
  read: (from) => {
    from.int32();
    return from.array(() => {
      const error = from.int16();
      from.string();
      from.int8();
      const name = from.text();
      return { error, name, ...readConfig(from) };
    });
  },
});

function readConfig(from: BytesReader): Pick<TopicConfig, 'config' | 'inForce'> {
  const config: Record<string, string> = {};
  const inForce = new Map<string, string>();
  from.array(() => {
    const [key, value] = [from.text(), from.string()];
    from.bool();
    const source = from.int8();
    from.bool();
    from.array(() => [from.string(), from.string(), from.int8()]);
    if (value === null) return;
    inForce.set(key, value);
    if (source === SET_FOR_TOPIC) setOwn(config, key, value);
  });
  return { config, inForce };
}

const SET = 0;

/** The compaction settings in a topic's configuration in force; undefined if the topic is not compacted. */
export function compactionIn(config: ReadonlyMap<string, string>): Compaction | undefined {
  if (!config.get('cleanup.policy')?.includes('compact')) return undefined;
  return {
    deleteRetentionMs: Number(config.get('delete.retention.ms') ?? DELETE_RETENTION_MS),
    minLagMs: Number(config.get('min.compaction.lag.ms') ?? 0),
  };
}

/** Changes the named settings only. Each topic has its own result. */
export const alterConfigsRequest = (
  topics: readonly { readonly name: string; readonly config?: Readonly<Record<string, string>> }[],
): Request<readonly TopicResult[]> => ({
  apiKey: 44,
  apiVersion: 0,
  apiName: 'IncrementalAlterConfigs',
  write: (to) =>
    to
      .array(topics, ({ name, config = {} }) =>
        to
          .int8(TOPIC_RESOURCE)
          .string(name)
          .array(Object.entries(config), ([option, value]) => to.string(option).int8(SET).string(value)),
      )
      .bool(false),
  read: (from) => {
    from.int32();
    return from.array(() => {
      const [error, message] = [from.int16(), from.string()];
      from.int8();
      return { name: from.text(), error, message };
    });
  },
});
