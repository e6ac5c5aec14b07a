import type { StreamsError } from '../../../model/errors.js';
import type { TopicPartition, WriterOptions } from '../../port.js';
import type { PartitionQueue, QueuedBatch } from './partition-queue.js';

export type OnResult = NonNullable<WriterOptions['onResult']>;
export type OnRefused = NonNullable<WriterOptions['onRefused']>;

/** Reports the outcome of a batch's records to the writer's callbacks. */
export class WriteResults {
  readonly #tell: OnResult | undefined;
  readonly #tellRefused: OnRefused | undefined;

  constructor(tell: OnResult | undefined, tellRefused?: OnRefused | undefined) {
    this.#tell = tell;
    this.#tellRefused = tellRefused;
  }

  /** Whether a record with this origin can be left out without failing the whole write. */
  mayLeaveOut(origin: unknown): boolean {
    return origin !== undefined && this.#tellRefused !== undefined;
  }

  /** Reports that a record was left out. False if it may not be left out. */
  leftOut({ topic, partition }: TopicPartition, origin: unknown, error: StreamsError): boolean {
    if (!this.mayLeaveOut(origin)) return false;
    this.#tellRefused?.({ topic, partition, origin, error });
    return true;
  }

  /** A negative offset means that the broker no longer has it. */
  taken({ topic, partition }: PartitionQueue, { from, count }: QueuedBatch, offset: number): void {
    this.#tell?.({ topic, partition, from, count, ...(offset >= 0 && { offset }) });
  }

  /**
   * `blamed`: the records because of which the others were not written either, by their index in the batch,
   * each with its own error.
   */
  refused(
    { topic, partition }: PartitionQueue,
    { from, count }: Pick<QueuedBatch, 'from' | 'count'>,
    error: StreamsError,
    blamed: ReadonlyMap<number, StreamsError>,
  ): void {
    const places = [...blamed.keys()].sort((a, b) => a - b);
    let told = 0;
    for (const place of [...places, count]) {
      if (place > told) this.#tell?.({ topic, partition, from: from + told, count: place - told, error });
      const own = blamed.get(place);
      if (own) this.#tell?.({ topic, partition, from: from + place, count: 1, error: own });
      told = place + 1;
    }
  }
}
