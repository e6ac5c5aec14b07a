import type { Broker, PartitionOffset, TopicPartition } from '../broker/port.js';
import type { Graph } from '../graph/graph.js';
import { repartitionTopic } from '../graph/naming.js';
import { hasBegunAt, isOwnCommit } from './commit-marks.js';
import type { EngineConfig } from './config.js';
import { startPositions } from './sources.js';
import type { TopicCounts } from './topics.js';

/** Where one partition of a source goes on: every record before it is done. */
export interface ResumePosition {
  readonly offset: number;
  /**
   * The group has it, and not only as a beginning; else it is where the configuration lets a partition begin.
   */
  readonly committed: boolean;
  /** The group has it as a beginning: nothing before it was processed, as far as the group knows. */
  readonly begun: boolean;
  /** A task has committed exactly this; else somebody may have moved it. */
  readonly ownCommit: boolean;
}

export interface ResumePositionsOptions {
  readonly broker: Broker;
  readonly graph: Graph;
  readonly config: Pick<EngineConfig, 'version' | 'startFrom'>;
  readonly topics: TopicCounts;
  readonly partition: number;
  readonly sources: readonly TopicPartition[];
  /** What the group has committed of the task's sources: the stores contain it. */
  readonly committed: readonly PartitionOffset[];
  /** The same of any partition. */
  committedOf(partition: TopicPartition): Promise<readonly PartitionOffset[]>;
}

/**
 * Where the application goes on in the sources that changes of a task's stores may follow from. They are its
 * own; and, for a store that another sub-topology had before, those of that one.
 */
export class ResumePositions {
  readonly #options: ResumePositionsOptions;
  /** Undefined: the application does not read the topic any more, so that nothing of it comes again. */
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

  /** The task's own. */
  get own(): readonly (TopicPartition & ResumePosition)[] {
    return this.#options.sources.map((source) => ({
      ...source,
      ...(this.#places.get(source.topic) as ResumePosition),
    }));
  }

  /** Of a topic that is {@link known}. */
  of(topic: string): ResumePosition | undefined {
    return this.#places.get(topic);
  }

  /** Looks up those that are not known yet. */
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
