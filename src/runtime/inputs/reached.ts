import { type BrokerRecord, type PartitionOffset, partitionKey, type TopicPartition } from '../../broker/port.js';
import type { Graph, SubTopology } from '../../graph/graph.js';
import { internalInputTopic, repartitionTopic } from '../../graph/naming.js';
import { addedTo, textOf } from '../config/offset-texts.js';
import { afterText, positionOf, positionsOf, positionText } from './after.js';

/**
 * The header of a record of a repartition topic that says which source record caused it, as the position
 * after it. Only records for tasks with internal inputs have it.
 */
export const SOURCE_HEADER = 'millrace.source';

/**
 * The header's text for what a record causes.
 *
 * @param isInternal Whether the record is of an internal topic: only there the header is ours.
 */
export const sourceToCarry = ({ topic, partition, offset, headers }: BrokerRecord, isInternal: boolean): string =>
  (isInternal ? headers.text(SOURCE_HEADER) : undefined) ?? positionText({ topic, partition, offset: offset + 1 });

/** The repartitions that lead to a task with an internal input, directly or not. */
export function sourceCarriers({ nodes, edges, subTopologies }: Graph): ReadonlySet<string> {
  const asked = new Set(subTopologies.flatMap((sub) => (sub.internalInputs ? sub.nodes : [])));
  // One level further up in each round.
  for (let known = 0; known < asked.size; ) {
    known = asked.size;
    for (const { from, to } of edges) if (asked.has(to)) asked.add(from);
  }
  return new Set(nodes.filter(({ kind, id }) => kind === 'repartition' && asked.has(id)).map(({ id }) => id));
}

/** Bytes of metadata. Some 50 partitions fit. */
const MAX_BYTES = 900;

/**
 * Up to where a task that reads repartition topics has the source records: the highest position of each
 * source partition that its records came from. It is kept in the metadata of the offsets of the internal
 * inputs: `"reached": "topic-0@42 topic-1@7"`.
 */
export class Reached {
  readonly #repartitions: ReadonlySet<string>;
  readonly #inputs: ReadonlySet<string>;
  readonly #isKnown: (at: TopicPartition) => boolean;
  readonly #positions = new Map<string, PartitionOffset>();

  private constructor(
    repartitions: Iterable<string>,
    inputs: Iterable<string>,
    isKnown: (at: TopicPartition) => boolean,
  ) {
    this.#repartitions = new Set(repartitions);
    this.#inputs = new Set(inputs);
    this.#isKnown = isKnown;
  }

  /**
   * Undefined: the task needs none.
   *
   * @param widthOf The partitions of a topic. Positions come from headers, which others may write: those of
   * no partition that the application reads are left out.
   */
  static of(
    subTopology: SubTopology,
    { graph, prefix, widthOf }: { readonly graph: Graph; readonly prefix: string; widthOf(topic: string): number },
  ): Reached | undefined {
    const { repartitions, internalInputs = [] } = subTopology;
    if (repartitions.length === 0 || internalInputs.length === 0) return undefined;
    const read = new Set(
      graph.subTopologies.flatMap(({ topics, internalInputs: inputs = [] }) => [
        ...topics,
        ...inputs.map((input) => internalInputTopic(prefix, input)),
      ]),
    );
    return new Reached(
      repartitions.map((name) => repartitionTopic(prefix, name)),
      internalInputs.map((input) => internalInputTopic(prefix, input)),
      ({ topic, partition }) => read.has(topic) && partition < widthOf(topic),
    );
  }

  get positions(): readonly PartitionOffset[] {
    return [...this.#positions.values()];
  }

  /**
   * Takes up what was committed.
   *
   * @param others Called if it does not say how far the task had come: the positions of the tasks before it,
   * which have come at least as far.
   */
  async begin(committed: readonly PartitionOffset[], others: () => Promise<readonly PartitionOffset[]>): Promise<void> {
    const kept = committed.filter(({ topic }) => this.#inputs.has(topic)).map(reachedOf);
    const known = kept.find((positions) => positions !== undefined);
    const begun = committed.some(({ topic, offset }) => this.#repartitions.has(topic) && offset > 0);
    for (const position of known ?? (begun ? await others() : [])) this.#add(position);
  }

  /** The task has taken these records. */
  see(records: readonly BrokerRecord[]): void {
    for (const { topic, headers } of records) {
      const text = this.#repartitions.has(topic) ? headers.text(SOURCE_HEADER) : undefined;
      const position = text === undefined ? undefined : positionOf(text);
      if (position) this.#add(position);
    }
  }

  /** The positions to commit, with what the task has reached. */
  withMarks(positions: readonly PartitionOffset[]): readonly PartitionOffset[] {
    const reached = afterText(this.positions);
    if (Buffer.byteLength(reached) > MAX_BYTES) return positions;
    return positions.map((at) =>
      this.#inputs.has(at.topic) ? { ...at, metadata: addedTo(at.metadata, { reached }) } : at,
    );
  }

  #add(position: PartitionOffset): void {
    if (!this.#isKnown(position)) return;
    const key = partitionKey(position.topic, position.partition);
    if ((this.#positions.get(key)?.offset ?? 0) < position.offset) this.#positions.set(key, position);
  }
}

function reachedOf({ metadata }: PartitionOffset): readonly PartitionOffset[] | undefined {
  const { reached } = textOf(metadata);
  return typeof reached === 'string' ? positionsOf(reached) : undefined;
}
