import {
  emptyWrite,
  type LogStorage,
  type PartitionId,
  type StorageWrite,
  type StoredBatch,
  type StoredMetadata,
} from '../local/storage.js';

const keyOf = (id: PartitionId): string => `${id.topicId}:${id.partition}`;

/**
 * Batches in arrays, in offset order. The broker keeps the metadata and never loads it: a memory log is not
 * reopened.
 */
export class MemoryStorage implements LogStorage {
  readonly #partitions = new Map<string, StoredBatch[]>();

  async load(): Promise<StoredMetadata> {
    const { topics, partitions, offsets } = emptyWrite();
    return { nextTopicId: 1, topics, partitions, offsets };
  }

  async write(write: StorageWrite): Promise<void> {
    for (const batch of write.batches) this.#put(batch, batch);
    for (const removed of write.removedBatches) this.#remove(removed, removed.baseOffset);
    for (const { topicId, partitions } of write.removedTopics) {
      for (let partition = 0; partition < partitions; partition++)
        this.#partitions.delete(keyOf({ topicId, partition }));
    }
  }

  async floor(partition: PartitionId, offset: number): Promise<number | undefined> {
    const batches = this.#partitions.get(keyOf(partition));
    return batches?.[above(batches, offset) - 1]?.baseOffset;
  }

  async read(partition: PartitionId, from: number, limit: number): Promise<readonly StoredBatch[]> {
    const batches = this.#partitions.get(keyOf(partition)) ?? [];
    const first = above(batches, from - 1);
    return batches.slice(first, first + limit);
  }

  async sweep(): Promise<void> {}

  async close(): Promise<void> {
    this.#partitions.clear();
  }

  #put(id: PartitionId, batch: StoredBatch): void {
    const key = keyOf(id);
    let batches = this.#partitions.get(key);
    if (!batches) {
      batches = [];
      this.#partitions.set(key, batches);
    }
    const at = above(batches, batch.baseOffset);
    if (batches[at - 1]?.baseOffset === batch.baseOffset) batches[at - 1] = batch;
    else batches.splice(at, 0, batch);
  }

  #remove(id: PartitionId, baseOffset: number): void {
    const batches = this.#partitions.get(keyOf(id));
    if (!batches) return;
    const at = above(batches, baseOffset) - 1;
    if (batches[at]?.baseOffset === baseOffset) batches.splice(at, 1);
  }
}

/** The index of the first batch that begins after an offset. */
function above(batches: readonly StoredBatch[], offset: number): number {
  const last = batches.at(-1);
  if (!last || last.baseOffset <= offset) return batches.length;
  let low = 0;
  let high = batches.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((batches[middle] as StoredBatch).baseOffset > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}
