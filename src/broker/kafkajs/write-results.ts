import type { StreamsError } from '../../model/errors.js';
import type { WriterOptions } from '../port.js';
import type { PartitionQueue, QueuedBatch } from './partition-queue.js';

export type OnResult = NonNullable<WriterOptions['onResult']>;

/** Tells what became of the records of a batch, to whom it wants to know. */
export class WriteResults {
  readonly #tell: OnResult | undefined;

  constructor(tell: OnResult | undefined) {
    this.#tell = tell;
  }

  /** A negative offset is one that the broker does not know any more. */
  taken({ topic, partition }: PartitionQueue, { from, count }: QueuedBatch, offset: number): void {
    this.#tell?.({ topic, partition, from, count, ...(offset >= 0 && { offset }) });
  }

  /** `blamed`: the records for which the others were not taken either, by their place in the batch, each with an error of its own. */
  refused(
    { topic, partition }: PartitionQueue,
    { from, count }: QueuedBatch,
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
