import type { Broker, TopicPartition } from '../../broker/port.js';
import { readRange } from '../ledger/read-range.js';
import { rootOfRecord } from '../record/origin.js';
import { requestOf, requestOffset } from './redrive-request.js';

/** The offset of the last request that gave the record of a letter to a node. */
type Nodes = Map<string, number>;

/**
 * The letters that were fed in, in a part of the past that is taken again. Their records failed at their
 * first place, and counted where they were fed in last. Today's code may not fail any more, so this must be
 * known before: a record must not count twice.
 *
 * Memory: some 200 bytes for each letter that was fed in.
 */
export class RedrivenNotes {
  static readonly NONE = new RedrivenNotes(new Map());
  readonly #nodes: ReadonlyMap<string, Nodes>;

  private constructor(nodes: ReadonlyMap<string, Nodes>) {
    this.#nodes = nodes;
  }

  /**
   * Reads the notes of internal inputs of letters, as they are now.
   *
   * @param repartitions The names of repartitions, by topic.
   */
  static async read(
    broker: Broker,
    inputs: readonly TopicPartition[],
    repartitions: ReadonlyMap<string, string>,
    signal?: AbortSignal,
  ): Promise<RedrivenNotes> {
    if (inputs.length === 0) return RedrivenNotes.NONE;
    const { admin } = broker;
    const [firsts, ends] = await Promise.all([admin.earliestOffsets(inputs), admin.latestOffsets(inputs)]);
    const found = new Map<string, Nodes>();
    for (const [i, { topic, partition }] of inputs.entries()) {
      const range = { topic, partition, from: firsts[i]?.offset ?? 0, to: ends[i]?.offset ?? 0 };
      for await (const records of readRange(broker, range, signal))
        for (const record of records) {
          const asked = requestOffset(record.headers);
          const request = requestOf(record.headers);
          if (asked === undefined || request === undefined) continue;
          const { origin, at } = request;
          const key = rootOfRecord({ ...record, ...origin }, repartitions.get(origin.topic));
          found.set(key, (found.get(key) ?? new Map<string, number>()).set(at, asked));
        }
    }
    return found.size === 0 ? RedrivenNotes.NONE : new RedrivenNotes(found);
  }

  get isEmpty(): boolean {
    return this.#nodes.size === 0;
  }

  /** The nodes in which the record with this root failed, and that got it later. */
  failedIn(root: string): ReadonlyMap<string, number> | undefined {
    return this.#nodes.get(root);
  }

  /** Whether no later request was made for the same letter. */
  isLast(root: string, node: string, asked: number): boolean {
    const last = this.#nodes.get(root)?.get(node);
    return last === undefined || last <= asked;
  }
}
