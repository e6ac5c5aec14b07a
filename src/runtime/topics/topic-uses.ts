import type { Graph, SubTopology } from '../../graph/graph.js';
import { changelogTopic, internalInputTopic, repartitionTopic } from '../../graph/naming.js';
import { ownPolicies } from '../../graph/own-policies.js';
import type { EngineConfig } from '../config/config.js';
import { owned, ownerOf } from './topic-owners.js';

/**
 * Records carry event times, which may be years before or after the broker's clock. By default, a broker
 * refuses records more than an hour ahead. A broker that stamps records itself would make them all happen
 * now.
 */
const EVENT_TIME = {
  'message.timestamp.type': 'CreateTime',
  'message.timestamp.after.max.ms': '9223372036854775807',
} as const;

/** For topics that are read once. Retention follows event time, too. */
export const LOG_CONFIG = { 'cleanup.policy': 'delete', 'retention.ms': '-1', ...EVENT_TIME } as const;

/**
 * Records of a changelog must outlive any plausible outage: only then is the value before a skipped one
 * certain to exist.
 */
export const MIN_COMPACTION_LAG_MS = 86_400_000;

const CHANGELOG_CONFIG = {
  'cleanup.policy': 'compact',
  'min.compaction.lag.ms': String(MIN_COMPACTION_LAG_MS),
  ...EVENT_TIME,
} as const;

/** The last entry about each thing stays for ever. */
export const LEDGER_CONFIG = { 'cleanup.policy': 'compact', ...EVENT_TIME } as const;

/**
 * Processed records are deleted (see purge.ts), and a broker deletes whole segments: with the size of Kafka
 * Streams, instead of 1 GiB.
 */
export const REPARTITION_CONFIG = { ...LOG_CONFIG, 'segment.bytes': String(50 * 1024 * 1024) } as const;

/** A topic, and how the engine uses it. */
export interface TopicUse {
  readonly name: string;
  readonly operations: readonly ('Read' | 'Write')[];
}

/** A topic that the engine creates for itself. */
export interface InternalTopic extends TopicUse {
  readonly config: Readonly<Record<string, string>>;
  /** For a changelog or an internal input, which has one partition for each task. */
  readonly subTopology?: SubTopology;
  /** Any number of partitions is allowed. */
  readonly anyWidth?: true;
}

/** The source and sink topics of a topology; a topic that is both appears twice. */
export const neededTopics = (graph: Graph): readonly TopicUse[] =>
  graph.nodes.flatMap((node): TopicUse[] => {
    if (node.kind === 'source') return [{ name: node.topic, operations: ['Read'] }];
    return node.kind === 'sink' && node.topic !== null ? [{ name: node.topic, operations: ['Write'] }] : [];
  });

/** The topics of global tables: read by every process, and by no task. */
export const globalTopics = (graph: Graph): readonly TopicUse[] =>
  graph.nodes.flatMap((node) => (node.kind === 'globalTable' ? [{ name: node.topic, operations: ['Read'] }] : []));

/** Repartition topics and changelogs; also the dead letter topic, if anything may be written to it. */
export function internalTopics(graph: Graph, config: EngineConfig): readonly InternalTopic[] {
  const { deadLetterTopic } = config;
  const { prefix } = config.version;
  const owner = ownerOf(config.applicationId, config.version);
  const repartitions = graph.nodes.flatMap((node): InternalTopic[] =>
    node.kind === 'repartition'
      ? [
          {
            name: repartitionTopic(prefix, node.name),
            operations: ['Read', 'Write'],
            config: owned(REPARTITION_CONFIG, owner),
          },
        ]
      : [],
  );
  const changelogs = graph.subTopologies.flatMap((subTopology) =>
    subTopology.stores.map(
      (store): InternalTopic => ({
        name: changelogTopic(prefix, store),
        operations: ['Read', 'Write'],
        config: owned(CHANGELOG_CONFIG, owner),
        subTopology,
      }),
    ),
  );
  const inputs = graph.subTopologies.flatMap((subTopology) =>
    (subTopology.internalInputs ?? []).map(
      (input): InternalTopic => ({
        name: internalInputTopic(prefix, input),
        operations: ['Read', 'Write'],
        // Kept for as long as the sources are: a replay reads it.
        config: owned(LOG_CONFIG, owner),
        subTopology,
      }),
    ),
  );
  const deadLetters: InternalTopic = {
    name: deadLetterTopic,
    operations: ['Write'],
    config: LOG_CONFIG,
    anyWidth: true,
  };
  return [...repartitions, ...changelogs, ...inputs, ...(usesDeadLetters(config, graph) ? [deadLetters] : [])];
}

/** Whether records that fail may become dead letters. */
export const writesLetters = (config: EngineConfig, graph: Graph): boolean =>
  [...Object.values(config.policies), ...ownPolicies(graph)].some(({ then }) => then === 'deadLetter');

/**
 * Operators may send dead letters themselves. So the topic is unnecessary only for a stateless topology
 * without such a policy.
 */
const usesDeadLetters = (config: EngineConfig, graph: Graph): boolean =>
  writesLetters(config, graph) || graph.nodes.some((node) => node.kind === 'processor');
