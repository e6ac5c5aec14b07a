import type { Admin, TopicSpec } from '../broker/port.js';
import type { Graph, SubTopology } from '../graph/graph.js';
import { repartitionTopic } from '../graph/naming.js';
import { isStreamsError, StreamsError } from '../model/errors.js';
import type { EngineConfig } from './config.js';
import { messageBytesFor, raiseMessageBytes, taking } from './message-bytes.js';
import { describeTopics, missingRights, together, unknown, wrongInternalTopics } from './topic-problems.js';
import { globalTopics, internalTopics, LOG_CONFIG, neededTopics, type TopicUse } from './topic-uses.js';

/** Partition counts of the topics that the engine reads and writes. */
export class TopicCounts {
  readonly #admin: Admin;
  readonly #counts: Map<string, number>;
  readonly #create: number | undefined;

  /** `created`: the topics that were not there before. */
  constructor(
    admin: Admin,
    counts: ReadonlyMap<string, number>,
    create: number | undefined,
    readonly created: ReadonlySet<string> = new Set(),
  ) {
    this.#admin = admin;
    this.#counts = new Map(counts);
    this.#create = create;
  }

  /** Of a topic known at start. */
  count(topic: string): number {
    return this.#counts.get(topic) ?? 0;
  }

  /**
   * Of any topic: asks the broker the first time. TOPIC_UNKNOWN if it does not exist and is not to be
   * created.
   */
  partitionsOf(topic: string): number | Promise<number> {
    return this.#counts.get(topic) ?? this.#lookUp(topic);
  }

  async #lookUp(topic: string): Promise<number> {
    let [found] = await this.#admin.describeTopics([topic]);
    if (!found && this.#create !== undefined) {
      await this.#admin.createTopics([{ name: topic, partitions: this.#create, config: LOG_CONFIG }]);
      [found] = await this.#admin.describeTopics([topic]);
    }
    if (!found) throw unknown([topic]);
    this.#counts.set(topic, found.partitions);
    return found.partitions;
  }
}

/** How many tasks a sub-topology has: as many as the widest topic it reads has partitions. */
export function tasksOf(subTopology: SubTopology, prefix: string, topics: TopicCounts): number {
  const names = [...subTopology.topics, ...subTopology.repartitions.map((name) => repartitionTopic(prefix, name))];
  return Math.max(...names.map((topic) => topics.count(topic)));
}

/**
 * Checks the topics that exist, and creates the internal ones that do not. What internal topics take at most
 * (`max.message.bytes`) is raised where a record of a source would not fit.
 *
 * Everything that is wrong is in one error, which has the code of the first in this list: TOPIC_UNKNOWN for
 * source and sink topics that are missing; BROKER_UNAUTHORIZED for rights that are; TOPIC_MISMATCH for
 * sources whose records meet in one store and are not equally wide, and for internal topics that somebody
 * made otherwise.
 */
export async function prepareTopics(admin: Admin, graph: Graph, config: EngineConfig): Promise<TopicCounts> {
  const { createTopics } = config;
  const { prefix } = config.version;
  const needed = neededTopics(graph);
  const global = globalTopics(graph);
  const uses = [...needed, ...global, ...internalTopics(graph, config)];
  const { existing, hidden } = await describeTopics(
    admin,
    uses.map(({ name }) => name),
  );
  const missing = [...new Set([...needed, ...global].map(({ name }) => name))].filter(
    (name) => !existing.has(name) && !hidden.includes(name),
  );
  const problems: StreamsError[] = [];
  if (missing.length > 0 && createTopics === undefined) problems.push(unknown(missing));
  problems.push(...missingRights(uses, existing, hidden));

  const countOf = ({ name }: TopicUse): readonly [string, number] => [
    name,
    existing.get(name)?.partitions ?? (missing.includes(name) ? createTopics : undefined) ?? UNKNOWN,
  ];
  const counts = new Map(needed.map(countOf));
  const repartitions = repartitionCounts(graph, prefix, counts);
  for (const [topic, count] of repartitions) counts.set(topic, count);
  problems.push(...notCoPartitioned(graph, prefix, counts));
  const internal = internalTopics(graph, config).map((topic) => ({
    ...topic,
    partitions: topic.subTopology
      ? tasksOf(topic.subTopology, prefix, new TopicCounts(admin, counts, undefined))
      : (counts.get(topic.name) ?? 1),
  }));
  problems.push(...wrongInternalTopics(internal, existing, config));

  const sources = graph.nodes.filter((node) => node.kind === 'source');
  const bytes = messageBytesFor(sources.map(({ topic }) => existing.get(topic)));
  const created: readonly TopicSpec[] = [
    ...missing.map((name) => ({ name, partitions: createTopics ?? UNKNOWN, config: LOG_CONFIG })),
    ...internal
      .filter(({ name }) => !existing.has(name) && !hidden.includes(name))
      .map((topic) => ({ ...topic, config: { ...topic.config, ...taking(bytes) } })),
  ]
    .filter(({ partitions }) => !Number.isNaN(partitions))
    .map(({ name, partitions, config: topicConfig }) => ({ name, partitions, config: topicConfig }));
  try {
    // What else is wrong is to be known together with that they may not be created.
    if (created.length > 0) await admin.createTopics(created, { validateOnly: problems.length > 0 });
  } catch (error) {
    if (!isStreamsError(error)) throw error;
    // Another instance was faster: its topics are looked at as all others.
    if (error.code === 'TOPIC_EXISTS') return prepareTopics(admin, graph, config);
    problems.push(error);
  }
  if (problems.length > 0) throw together(problems);
  await raiseMessageBytes(admin, internal, { existing, bytes });
  // Only now: what tasks read, and so how many there are, has nothing to do with them.
  for (const [topic, count] of global.map(countOf)) counts.set(topic, count);
  for (const { name, partitions } of internal) counts.set(name, existing.get(name)?.partitions ?? partitions);
  return new TopicCounts(admin, counts, createTopics, new Set(created.map(({ name }) => name)));
}

/**
 * Of a topic that is not there or may not be looked at: every maximum and comparison with it is unknown, too.
 */
const UNKNOWN = Number.NaN;

/**
 * As many partitions as the repartition says; else as its co-partitioned sources have; else as the widest
 * source of whoever writes it.
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
  // Each round settles those whose inputs are settled. What is left in a circle takes the widest topic of
  // all.
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
      action: 'Put repartition({ name, partitions }) behind one of them.',
    }),
  ];
}
