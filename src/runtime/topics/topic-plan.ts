import type { TopicDescription, TopicSpec } from '../../broker/port.js';
import type { Graph, SubTopology } from '../../graph/graph.js';
import { repartitionTopic } from '../../graph/naming.js';
import { StreamsError } from '../../model/errors.js';
import type { EngineConfig } from '../config/config.js';
import { messageBytesFor, taking } from './message-bytes.js';
import { missingRights, unknown, wrongInternalTopics } from './topic-problems.js';
import {
  globalTopics,
  type InternalTopic,
  internalTopics,
  LOG_CONFIG,
  neededTopics,
  type TopicUse,
} from './topic-uses.js';

/** The topics that a broker has. */
export interface FoundTopics {
  readonly existing: ReadonlyMap<string, TopicDescription>;
  /** Topics that may not be described: whether they exist is unknown. */
  readonly hidden: readonly string[];
}

/** What must be done before tasks can run. */
export interface TopicPlan {
  /** The number of partitions of each topic, after missing ones were created. */
  readonly counts: ReadonlyMap<string, number>;
  readonly create: readonly TopicSpec[];
  readonly internal: readonly InternalTopic[];
  /** The minimum `max.message.bytes` of internal topics. */
  readonly bytes: number;
  /** The reasons why nothing may be done. */
  readonly problems: readonly StreamsError[];
}

/**
 * Plans the topics of a topology from the existing ones. It sends no requests and changes nothing. With
 * `createTopics`, missing source and sink topics are planned with this number of partitions.
 *
 * The problems are in this order:
 *
 * - TOPIC_UNKNOWN for missing source and sink topics.
 * - BROKER_UNAUTHORIZED for missing permissions.
 * - TOPIC_MISMATCH for sources with records that meet in one store and with different numbers of partitions.
 * - TOPIC_FOREIGN and TOPIC_MISMATCH for internal topics of another application, or with other settings.
 */
export function planTopics(graph: Graph, config: EngineConfig, { existing, hidden }: FoundTopics): TopicPlan {
  const { createTopics } = config;
  const { prefix } = config.version;
  const needed = neededTopics(graph);
  const global = globalTopics(graph);
  const missing = [...new Set([...needed, ...global].map(({ name }) => name))].filter(
    (name) => !existing.has(name) && !hidden.includes(name),
  );
  const problems: StreamsError[] = [];
  if (missing.length > 0 && createTopics === undefined) problems.push(unknown(missing));
  problems.push(...missingRights(topicUses(graph, config), existing, hidden));

  const countOf = ({ name }: TopicUse): readonly [string, number] => [
    name,
    existing.get(name)?.partitions ?? (missing.includes(name) ? createTopics : undefined) ?? UNKNOWN,
  ];
  const counts = new Map(needed.map(countOf));
  for (const [topic, count] of repartitionCounts(graph, prefix, counts)) counts.set(topic, count);
  problems.push(...notCoPartitioned(graph, prefix, counts));
  const internal = internalTopics(graph, config).map((topic) => ({
    ...topic,
    partitions: topic.subTopology
      ? widest(topic.subTopology, prefix, (name) => counts.get(name) ?? 0)
      : (counts.get(topic.name) ?? 1),
  }));
  problems.push(...wrongInternalTopics(internal, existing, config));

  const sources = graph.nodes.filter((node) => node.kind === 'source');
  const bytes = messageBytesFor(sources.map(({ topic }) => existing.get(topic)));
  const create = [
    ...missing.map((name) => ({ name, partitions: createTopics ?? UNKNOWN, config: LOG_CONFIG })),
    ...internal
      .filter(({ name }) => !existing.has(name) && !hidden.includes(name))
      .map((topic) => ({ ...topic, config: { ...topic.config, ...taking(bytes) } })),
  ]
    .filter(({ partitions }) => !Number.isNaN(partitions))
    .map(({ name, partitions, config: topicConfig }) => ({ name, partitions, config: topicConfig }));
  // Added last: global tables have no influence on what tasks read, or how many tasks there are.
  for (const [topic, count] of global.map(countOf)) counts.set(topic, count);
  for (const { name, partitions } of internal) counts.set(name, existing.get(name)?.partitions ?? partitions);
  return { counts, create, internal, bytes, problems };
}

/** All topics that an application uses, with the operations. */
export const topicUses = (graph: Graph, config: EngineConfig): readonly TopicUse[] => [
  ...neededTopics(graph),
  ...globalTopics(graph),
  ...internalTopics(graph, config),
];

/** The number of partitions of the widest topic that a sub-topology reads. */
export function widest(subTopology: SubTopology, prefix: string, countOf: (topic: string) => number): number {
  const names = [...subTopology.topics, ...subTopology.repartitions.map((name) => repartitionTopic(prefix, name))];
  return Math.max(...names.map(countOf));
}

/**
 * For a topic that does not exist or may not be described. Every maximum and comparison with it is unknown,
 * too.
 */
const UNKNOWN = Number.NaN;

/**
 * The number of partitions that the repartition declares; otherwise of its co-partitioned sources; otherwise
 * of the widest input of its writers.
 */
function repartitionCounts(graph: Graph, prefix: string, known: ReadonlyMap<string, number>): Map<string, number> {
  const counts = new Map<string, number>();
  const topicOf = (id: string): string => {
    const node = graph.nodes.find((other) => other.id === id);
    return node?.kind === 'source'
      ? node.topic
      : node?.kind === 'repartition'
        ? repartitionTopic(prefix, node.name)
        : '';
  };
  const countOf = (id: string): number | undefined => known.get(topicOf(id)) ?? counts.get(topicOf(id));
  const open = graph.nodes.filter((node) => node.kind === 'repartition');
  const writersOf = (id: string): readonly string[] =>
    graph.subTopologies
      .filter((sub) => graph.edges.some((edge) => edge.to === id && sub.nodes.includes(edge.from)))
      .flatMap((sub) => [
        ...sub.topics.map((topic) => `source ${topic}`),
        ...sub.repartitions.map((name) => `repartition ${name}`),
      ]);
  // Each round settles repartitions with settled inputs. Those left in a cycle get the number of the widest
  // topic.
  for (let round = 0; round <= open.length; round++) {
    for (const node of open) {
      if (node.kind !== 'repartition' || counts.has(topicOf(node.id))) continue;
      const partners = graph.coPartitioned.find((group) => group.includes(node.id))?.map(countOf) ?? [];
      const partner = partners.find((count) => count !== undefined);
      const inputs = writersOf(node.id)
        .filter((id) => id !== node.id)
        .map(countOf);
      const settled = inputs.every((count) => count !== undefined);
      const widest = Math.max(1, ...[...known.values()], ...inputs.filter((count) => count !== undefined));
      const count =
        node.partitions ??
        partner ??
        (settled ? Math.max(1, ...(inputs as number[])) : round === open.length ? widest : undefined);
      if (count !== undefined) counts.set(topicOf(node.id), count);
    }
  }
  return counts;
}

function notCoPartitioned(graph: Graph, prefix: string, counts: ReadonlyMap<string, number>): readonly StreamsError[] {
  const wrong = graph.coPartitioned.flatMap((group) => {
    const topics = group.map((id) => {
      const node = graph.nodes.find((other) => other.id === id);
      return node?.kind === 'source'
        ? node.topic
        : node?.kind === 'repartition'
          ? repartitionTopic(prefix, node.name)
          : id;
    });
    const known = topics.filter((topic) => !Number.isNaN(counts.get(topic)));
    return new Set(known.map((topic) => counts.get(topic))).size > 1
      ? [known.map((topic) => `${topic} with ${counts.get(topic)}`).join(', ')]
      : [];
  });
  if (wrong.length === 0) return [];
  return [
    new StreamsError('TOPIC_MISMATCH', {
      what: 'topics whose records meet in one store have different numbers of partitions',
      saw: wrong.join('; '),
      expected: 'equal numbers, so that records of one key are in one task',
      action: 'Put repartition({ name, partitions }) after one of them.',
    }),
  ];
}
