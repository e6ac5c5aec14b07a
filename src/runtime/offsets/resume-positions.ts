import type { Broker, PartitionOffset, TopicPartition } from '../../broker/port.js';
import type { Graph } from '../../graph/graph.js';
import { repartitionTopic } from '../../graph/naming.js';
import type { EngineConfig } from '../config/config.js';
import { startPositions } from '../topics/sources.js';
import type { TopicCounts } from '../topics/topics.js';
import { hasBegunAt, isOwnCommit } from './commit-marks.js';

/** Where one partition of a source resumes: every record before it was processed. */
export interface ResumePosition {
  readonly offset: number;
  /**
   * The group has this offset, and not only as a beginning. Otherwise it is the configured start of a
   * partition.
   */
  readonly committed: boolean;
  /** The group has this offset as a beginning: as far as it shows, no record before it was processed. */
  readonly begun: boolean;
  /** A task has committed exactly this offset; otherwise another program may have moved it. */
  readonly ownCommit: boolean;
}

export interface ResumePositionsOptions {
  readonly broker: Broker;
  readonly graph: Graph;
  readonly config: Pick<EngineConfig, 'version' | 'startFrom'>;
  readonly topics: TopicCounts;
  readonly partition: number;
  readonly sources: readonly TopicPartition[];
  /** The committed offsets of the task's sources: the stores contain their records. */
  readonly committed: readonly PartitionOffset[];
  /** The committed offsets of any partition. */
  committedOf(partition: TopicPartition): Promise<readonly PartitionOffset[]>;
}

/**
 * Where the application resumes in the sources that changes of a task's stores may come from. These are the
 * task's own sources. For a store that belonged to another sub-topology before, they include the sources of
 * that one.
 */
export class ResumePositions {
  readonly #options: ResumePositionsOptions;
  /** Undefined: the application no longer reads the topic, so its records do not come again. */
  readonly #places = new Map<string, ResumePosition | undefined>();
  readonly #own: ReadonlySet<string>;

  private constructor(options: ResumePositionsOptions) {
    this.#options = options;
    this.#own = new Set(options.sources.map(({ topic }) => topic));
  }

  static async of(options: ResumePositionsOptions): Promise<ResumePositions> {
    const places = new ResumePositions(options);
    const { sources, committed } = options;
    for (const [topic, place] of await places.#look(sources, committed)) places.#places.set(topic, place);
    return places;
  }

  /** Whether the task itself reads the topic. */
  isOwn(topic: string): boolean {
    return this.#own.has(topic);
  }

  /** The positions of the task's own sources. */
  get own(): readonly (TopicPartition & ResumePosition)[] {
    return this.#options.sources.map((source) => ({
      ...source,
      ...(this.#places.get(source.topic) as ResumePosition),
    }));
  }

  /** The position in a topic that is {@link known}. */
  of(topic: string): ResumePosition | undefined {
    return this.#places.get(topic);
  }

  /** Looks up the positions that are not known yet. */
  known(topics: readonly string[]): void | Promise<void> {
    const missing = topics.filter((topic) => !this.#places.has(topic));
    return missing.length === 0 ? undefined : this.#lookUp(new Set(missing));
  }

  async #lookUp(topics: ReadonlySet<string>): Promise<void> {
    const { graph, config, topics: counts, partition } = this.#options;
    const { prefix } = config.version;
    const external = new Set(graph.subTopologies.flatMap((sub) => sub.topics));
    const internal = new Set(
      graph.subTopologies.flatMap((sub) => sub.repartitions.map((name) => repartitionTopic(prefix, name))),
    );
    for (const topic of topics) {
      const source = { topic, partition };
      if (!(external.has(topic) || internal.has(topic)) || partition >= counts.count(topic)) {
        this.#places.set(topic, undefined);
        continue;
      }
      // The task that reads it begins there: see whereToBegin.
      const others = internal.has(topic) ? 'earliest' : config.startFrom;
      const found = await this.#look([source], await this.#options.committedOf(source), others);
      this.#places.set(topic, found.get(topic));
    }
  }

  async #look(
    sources: readonly TopicPartition[],
    committed: readonly PartitionOffset[],
    others: 'earliest' | 'latest' = 'earliest',
  ): Promise<ReadonlyMap<string, ResumePosition>> {
    const { broker } = this.#options;
    const known = new Map(committed.map((position) => [position.topic, position]));
    const positions = await startPositions(broker.admin, sources, committed, others);
    return new Map(
      positions.map(({ topic, offset }) => {
        const found = known.get(topic);
        const begun = found !== undefined && hasBegunAt(found);
        const ownCommit = found !== undefined && isOwnCommit(found);
        return [topic, { offset, committed: found !== undefined && !begun, begun, ownCommit }];
      }),
    );
  }
}
