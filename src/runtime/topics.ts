import type { Admin, TopicSpec } from '../broker/port.js';
import type { Graph, SubTopology } from '../graph/graph.js';
import { changelogTopic, repartitionTopic } from '../graph/naming.js';
import { StreamsError } from '../model/errors.js';
import type { EngineConfig } from './config.js';

/** Partition counts of the topics that the engine reads and writes. */
export class TopicCounts {
  readonly #admin: Admin;
  readonly #counts: Map<string, number>;
  readonly #create: number | undefined;

  constructor(admin: Admin, counts: ReadonlyMap<string, number>, create: number | undefined) {
    this.#admin = admin;
    this.#counts = new Map(counts);
    this.#create = create;
  }

  /** Of a topic known at start. */
  count(topic: string): number {
    return this.#counts.get(topic) ?? 0;
  }

  /** Of any topic: asks the broker the first time. TOPIC_UNKNOWN if it does not exist and is not to be created. */
  partitionsOf(topic: string): number | Promise<number> {
    return this.#counts.get(topic) ?? this.#lookUp(topic);
  }

  async #lookUp(topic: string): Promise<number> {
    let [found] = await this.#admin.describeTopics([topic]);
    if (!found && this.#create !== undefined) {
      await this.#admin.createTopics([{ name: topic, partitions: this.#create, config: UNLIMITED }]);
      [found] = await this.#admin.describeTopics([topic]);
    }
    if (!found) throw unknown([topic]);
    this.#counts.set(topic, found.partitions);
    return found.partitions;
  }
}

/** Retention goes by event time, which may lie years back. */
const UNLIMITED = { 'cleanup.policy': 'delete', 'retention.ms': '-1' } as const;

/** A changelog's records must outlive any plausible outage: only then is the value before a skipped one surely still there. */
const MIN_COMPACTION_LAG_MS = 86_400_000;

/** How many tasks a sub-topology has: as many as the widest topic it reads has partitions. */
export function tasksOf(subTopology: SubTopology, applicationId: string, topics: TopicCounts): number {
  const names = [
    ...subTopology.topics,
    ...subTopology.repartitions.map((name) => repartitionTopic(applicationId, name)),
  ];
  return Math.max(...names.map((topic) => topics.count(topic)));
}

/**
 * Checks the topics that exist, and creates the internal ones that do not.
 *
 * TOPIC_UNKNOWN lists all source and sink topics that are missing; TOPIC_MISMATCH all partition counts that do not fit: sources whose records meet in one store, and internal topics that somebody made otherwise.
 */
export async function prepareTopics(admin: Admin, graph: Graph, config: EngineConfig): Promise<TopicCounts> {
  const existing = new Map((await admin.describeTopics()).map((topic) => [topic.name, topic.partitions]));
  const needed = graph.nodes.flatMap((node) =>
    (node.kind === 'source' || node.kind === 'sink') && node.topic !== null ? [node.topic] : [],
  );
  const global = graph.nodes.flatMap((node) => (node.kind === 'globalTable' ? [node.topic] : []));
  const missing = [...new Set([...needed, ...global])].filter((topic) => !existing.has(topic));
  if (missing.length > 0) {
    if (config.createTopics === undefined) throw unknown(missing);
    const partitions = config.createTopics;
    await admin.createTopics(missing.map((name) => ({ name, partitions, config: UNLIMITED })));
    for (const name of missing) existing.set(name, partitions);
  }

  const counts = new Map(needed.map((topic) => [topic, existing.get(topic) as number]));
  const repartitions = repartitionCounts(graph, config.applicationId, counts);
  for (const [topic, count] of repartitions) counts.set(topic, count);
  checkCoPartitioned(graph, config.applicationId, counts);
  // Only now: what tasks read, and so how many there are, has nothing to do with them.
  for (const topic of global) counts.set(topic, existing.get(topic) as number);

  const internal: TopicSpec[] = [...repartitions].map(([name, partitions]) => ({
    name,
    partitions,
    config: UNLIMITED,
  }));
  for (const subTopology of graph.subTopologies) {
    const partitions = tasksOf(subTopology, config.applicationId, new TopicCounts(admin, counts, undefined));
    for (const store of subTopology.stores) {
      const name = changelogTopic(config.applicationId, store);
      internal.push({
        name,
        partitions,
        config: { 'cleanup.policy': 'compact', 'min.compaction.lag.ms': String(MIN_COMPACTION_LAG_MS) },
      });
    }
  }
  if (usesDeadLetters(config, graph)) internal.push({ name: config.deadLetterTopic, partitions: 1, config: UNLIMITED });
  await createInternal(admin, internal, existing, config.deadLetterTopic);
  for (const { name, partitions } of internal) counts.set(name, existing.get(name) ?? partitions);
  return new TopicCounts(admin, counts, config.createTopics);
}

/** Operators may send dead letters on their own, so only a topology that is all stateless and has no such policy needs no topic. */
const usesDeadLetters = (config: EngineConfig, graph: Graph): boolean =>
  Object.values(config.policies).some(({ then }) => then === 'deadLetter') ||
  graph.nodes.some((node) => node.kind === 'processor');

async function createInternal(
  admin: Admin,
  internal: readonly TopicSpec[],
  existing: ReadonlyMap<string, number>,
  free: string,
): Promise<void> {
  const wrong = internal.filter(
    ({ name, partitions }) => existing.has(name) && existing.get(name) !== partitions && name !== free,
  );
  if (wrong.length > 0) {
    throw new StreamsError('TOPIC_MISMATCH', {
      what: 'internal topics do not fit the topology',
      saw: wrong.map(({ name }) => `${name} with ${existing.get(name)} partitions`).join(', '),
      expected: wrong.map(({ name, partitions }) => `${name} with ${partitions}`).join(', '),
      action:
        'The number of partitions of a source changed, or somebody made them by hand. Use another application id, or delete them together with the state.',
    });
  }
  const missing = internal.filter(({ name }) => !existing.has(name));
  if (missing.length > 0) await admin.createTopics(missing);
}

/** As many partitions as the repartition says; else as its co-partitioned sources have; else as the widest source of whoever writes it. */
function repartitionCounts(
  graph: Graph,
  applicationId: string,
  known: ReadonlyMap<string, number>,
): Map<string, number> {
  const counts = new Map<string, number>();
  const topicOf = (id: string): string => {
    const node = graph.nodes.find((other) => other.id === id);
    return node?.kind === 'source'
      ? node.topic
      : node?.kind === 'repartition'
        ? repartitionTopic(applicationId, node.name)
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
  // Each round settles those whose inputs are settled. What is left in a circle takes the widest topic of all.
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

function checkCoPartitioned(graph: Graph, applicationId: string, counts: ReadonlyMap<string, number>): void {
  const wrong = graph.coPartitioned.flatMap((group) => {
    const sources = group.map((id) => {
      const node = graph.nodes.find((other) => other.id === id);
      const topic =
        node?.kind === 'source'
          ? node.topic
          : node?.kind === 'repartition'
            ? repartitionTopic(applicationId, node.name)
            : id;
      return `${topic} with ${counts.get(topic)}`;
    });
    return new Set(sources.map((text) => text.slice(text.lastIndexOf(' ')))).size > 1 ? [sources.join(', ')] : [];
  });
  if (wrong.length === 0) return;
  throw new StreamsError('TOPIC_MISMATCH', {
    what: 'topics whose records meet in one store have different numbers of partitions',
    saw: wrong.join('; '),
    expected: 'equal numbers, so that records of one key are in one task',
    action: 'Put repartition({ name, partitions }) behind one of them.',
  });
}

const unknown = (topics: readonly string[]): StreamsError =>
  new StreamsError('TOPIC_UNKNOWN', {
    what: `${topics.length === 1 ? 'a topic does' : 'topics do'} not exist`,
    saw: topics.join(', '),
    expected: 'every source and sink topic to be there',
    action: 'Create them, correct the name, or let the engine create them (createTopics).',
  });
