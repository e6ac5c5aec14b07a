import type { Admin } from '../../broker/port.js';
import type { Graph, SubTopology } from '../../graph/graph.js';
import { isStreamsError } from '../../model/errors.js';
import type { EngineConfig } from '../config/config.js';
import { raiseMessageBytes } from './message-bytes.js';
import { planTopics, topicUses, widest } from './topic-plan.js';
import { describeTopics, together, unknown } from './topic-problems.js';
import { LOG_CONFIG } from './topic-uses.js';

/** Partition counts of the topics that the engine reads and writes. */
export class TopicCounts {
  readonly #counts: Map<string, number>;
  readonly #lookUp: (topic: string) => Promise<number>;

  /**
   * @param lookUp Called for a topic that is not in `counts`.
   * @param created The topics that did not exist before.
   */
  constructor(
    counts: ReadonlyMap<string, number>,
    lookUp: (topic: string) => Promise<number>,
    readonly created: ReadonlySet<string> = new Set(),
  ) {
    this.#counts = new Map(counts);
    this.#lookUp = lookUp;
  }

  /** For a topic known at start. */
  count(topic: string): number {
    return this.#counts.get(topic) ?? 0;
  }

  /** For any topic: looks it up the first time, and throws the errors of that. */
  partitionsOf(topic: string): number | Promise<number> {
    return this.#counts.get(topic) ?? this.#ask(topic);
  }

  async #ask(topic: string): Promise<number> {
    const count = await this.#lookUp(topic);
    this.#counts.set(topic, count);
    return count;
  }
}

/** The number of tasks of a sub-topology: the number of partitions of the widest topic that it reads. */
export const tasksOf = (subTopology: SubTopology, prefix: string, topics: TopicCounts): number =>
  widest(subTopology, prefix, (topic) => topics.count(topic));

/**
 * Looks up the number of partitions of a topic that records choose. TOPIC_UNKNOWN if it does not exist and is
 * not created.
 *
 * @param create The number of partitions with which a missing topic is created.
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
 * Checks the existing topics and creates missing internal ones. Raises the `max.message.bytes` of internal
 * topics if records of a source would not fit.
 *
 * One error contains all problems, with the code of the first: see {@link planTopics}.
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
    // With other problems, creation is only validated, so that a missing permission is reported together with
    // them.
    if (create.length > 0) await admin.createTopics(create, { validateOnly: problems.length > 0 });
  } catch (error) {
    if (!isStreamsError(error)) throw error;
    // Another instance was faster: its topics are checked like all others.
    if (error.code === 'TOPIC_EXISTS') return prepareTopics(admin, graph, config);
    problems.push(error);
  }
  if (problems.length > 0) throw together(problems);
  await raiseMessageBytes(admin, internal, { existing: found.existing, bytes });
  return new TopicCounts(counts, topicLookUp(admin, createTopics), new Set(create.map(({ name }) => name)));
}
