import type { Admin } from '../broker/port.js';
import type { Graph, SubTopology } from '../graph/graph.js';
import { isStreamsError } from '../model/errors.js';
import type { EngineConfig } from './config.js';
import { raiseMessageBytes } from './message-bytes.js';
import { planTopics, topicUses, widest } from './topic-plan.js';
import { describeTopics, together, unknown } from './topic-problems.js';
import { LOG_CONFIG } from './topic-uses.js';

/** Partition counts of the topics that the engine reads and writes. */
export class TopicCounts {
  readonly #counts: Map<string, number>;
  readonly #lookUp: (topic: string) => Promise<number>;

  /** `lookUp`: of a topic that is not among the known. `created`: the topics that were not there before. */
  constructor(
    counts: ReadonlyMap<string, number>,
    lookUp: (topic: string) => Promise<number>,
    readonly created: ReadonlySet<string> = new Set(),
  ) {
    this.#counts = new Map(counts);
    this.#lookUp = lookUp;
  }

  /** Of a topic known at start. */
  count(topic: string): number {
    return this.#counts.get(topic) ?? 0;
  }

  /** Of any topic: looks it up the first time, and throws what that throws. */
  partitionsOf(topic: string): number | Promise<number> {
    return this.#counts.get(topic) ?? this.#ask(topic);
  }

  async #ask(topic: string): Promise<number> {
    const count = await this.#lookUp(topic);
    this.#counts.set(topic, count);
    return count;
  }
}

/** How many tasks a sub-topology has: as many as the widest topic it reads has partitions. */
export const tasksOf = (subTopology: SubTopology, prefix: string, topics: TopicCounts): number =>
  widest(subTopology, prefix, (topic) => topics.count(topic));

/**
 * How wide a topic is that a sink names by its records: TOPIC_UNKNOWN if it does not exist and is not to be
 * created. `create`: with so many partitions.
 */
export const topicLookUp =
  (admin: Admin, create: number | undefined) =>
  async (topic: string): Promise<number> => {
    let [found] = await admin.describeTopics([topic]);
    if (!found && create !== undefined) {
      await admin.createTopics([{ name: topic, partitions: create, config: LOG_CONFIG }]);
      [found] = await admin.describeTopics([topic]);
    }
    if (!found) throw unknown([topic]);
    return found.partitions;
  };

/**
 * Checks the topics that exist, and creates the internal ones that do not. What internal topics take at most
 * (`max.message.bytes`) is raised where a record of a source would not fit.
 *
 * Everything that is wrong is in one error, which has the code of the first: see {@link planTopics}.
 */
export async function prepareTopics(admin: Admin, graph: Graph, config: EngineConfig): Promise<TopicCounts> {
  const { createTopics } = config;
  const found = await describeTopics(
    admin,
    topicUses(graph, config).map(({ name }) => name),
  );
  const { counts, create, internal, bytes, problems: planned } = planTopics(graph, config, found);
  const problems = [...planned];
  try {
    // What else is wrong is to be known together with that they may not be created.
    if (create.length > 0) await admin.createTopics(create, { validateOnly: problems.length > 0 });
  } catch (error) {
    if (!isStreamsError(error)) throw error;
    // Another instance was faster: its topics are looked at as all others.
    if (error.code === 'TOPIC_EXISTS') return prepareTopics(admin, graph, config);
    problems.push(error);
  }
  if (problems.length > 0) throw together(problems);
  await raiseMessageBytes(admin, internal, { existing: found.existing, bytes });
  return new TopicCounts(counts, topicLookUp(admin, createTopics), new Set(create.map(({ name }) => name)));
}
