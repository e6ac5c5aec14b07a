import type { Graph, SubTopology } from '../graph/graph.js';
import { changelogTopic, repartitionTopic } from '../graph/naming.js';
import type { EngineConfig } from './config.js';
import { owned, ownerOf } from './topic-owners.js';

/**
 * Records carry the time of their event, which may lie years back or ahead of the broker's clock: a broker
 * refuses by default what is more than an hour ahead, and one that stamps records itself would have all of
 * them happen now.
 */
const EVENT_TIME = {
  'message.timestamp.type': 'CreateTime',
  'message.timestamp.after.max.ms': '9223372036854775807',
} as const;

/** Of topics that are read once. Retention goes by event time, too. */
export const LOG_CONFIG = { 'cleanup.policy': 'delete', 'retention.ms': '-1', ...EVENT_TIME } as const;

/**
 * A changelog's records must outlive any plausible outage: only then is the value before a skipped one surely
 * still there.
 */
export const MIN_COMPACTION_LAG_MS = 86_400_000;

const CHANGELOG_CONFIG = {
  'cleanup.policy': 'compact',
  'min.compaction.lag.ms': String(MIN_COMPACTION_LAG_MS),
  ...EVENT_TIME,
} as const;

/**
 * What is processed is deleted (see purge.ts), and a broker deletes whole segments: of a size as in Kafka
 * Streams, instead of 1 GiB.
 */
export const REPARTITION_CONFIG = { ...LOG_CONFIG, 'segment.bytes': String(50 * 1024 * 1024) } as const;

/** A topic, and what the engine does with it. */
export interface TopicUse {
  readonly name: string;
  readonly operations: readonly ('Read' | 'Write')[];
}

/** A topic that the engine makes for itself. */
export interface InternalTopic extends TopicUse {
  readonly config: Readonly<Record<string, string>>;
  /** Of a changelog, which is as wide as it has tasks. */
  readonly subTopology?: SubTopology;
  /** Any number of partitions will do. */
  readonly anyWidth?: true;
}

/** The source and sink topics of a topology; one that is both is in there twice. */
export const neededTopics = (graph: Graph): readonly TopicUse[] =>
  graph.nodes.flatMap((node): TopicUse[] => {
    if (node.kind === 'source') return [{ name: node.topic, operations: ['Read'] }];
    return node.kind === 'sink' && node.topic !== null ? [{ name: node.topic, operations: ['Write'] }] : [];
  });

/** The topics of global tables: read by every process, and by no task. */
export const globalTopics = (graph: Graph): readonly TopicUse[] =>
  graph.nodes.flatMap((node) => (node.kind === 'globalTable' ? [{ name: node.topic, operations: ['Read'] }] : []));

/** Repartition topics, changelogs and the dead letter topic, if anything may be written there. */
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
  const deadLetters: InternalTopic = {
    name: deadLetterTopic,
    operations: ['Write'],
    config: LOG_CONFIG,
    anyWidth: true,
  };
  return [...repartitions, ...changelogs, ...(usesDeadLetters(config, graph) ? [deadLetters] : [])];
}

/**
 * Operators may send dead letters on their own, so only a topology that is all stateless and has no such
 * policy needs no topic.
 */
const usesDeadLetters = (config: EngineConfig, graph: Graph): boolean =>
  Object.values(config.policies).some(({ then }) => then === 'deadLetter') ||
  graph.nodes.some((node) => node.kind === 'processor');
