import type { Database, DatabaseWrite, KeyRange } from '../../model/database.js';
import { StreamsError } from '../../model/errors.js';
import type { LogStorage, PartitionId, StorageWrite, StoredBatch, StoredMetadata } from '../local/storage.js';
import {
  afterBatches,
  baseOffsetOf,
  batchKey,
  decodeBatch,
  decodeOffset,
  decodeState,
  decodeTopic,
  encodeBatch,
  encodeOffset,
  encodeState,
  encodeTopic,
  encodeTopicId,
  FORMAT_KEY,
  FORMAT_VALUE,
  FORMAT_VERSION,
  kindRange,
  NEXT_TOPIC_KEY,
  offsetKey,
  partitionStateKey,
  topicBatches,
  topicIdOf,
  topicKey,
} from './keys.js';

const SWEEP_BATCHES = 256;

/**
 * The log in a database (keys and values: `keys.ts`). Each record batch is one entry, so a million small
 * records are about a thousand entries. Every {@link StorageWrite} is one atomic write of the database.
 */
export class DatabaseStorage implements LogStorage {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Finishes what a crash left undone, then reads the metadata. STATE_MISMATCH if the database holds
   * something else or was written by a newer millrace.
   */
  async load(): Promise<StoredMetadata> {
    await this.#checkFormat();
    await this.sweep();
    const topics = await this.#all(kindRange('t'), decodeTopic);
    const [next] = await this.#database.getMany([NEXT_TOPIC_KEY]);
    return {
      nextTopicId: Math.max(next?.readUInt32BE() ?? 1, ...topics.map(({ topicId }) => topicId + 1)),
      topics,
      partitions: await this.#all(kindRange('p'), decodeState),
      offsets: await this.#all(kindRange('o'), decodeOffset),
    };
  }

  async write(write: StorageWrite, sync: boolean): Promise<void> {
    const writes: DatabaseWrite[] = [];
    const put = (key: Buffer, value: Buffer | null): void => {
      writes.push({ key, value });
    };
    for (const batch of write.batches) put(batchKey(batch, batch.baseOffset), encodeBatch(batch));
    for (const removed of write.removedBatches) put(batchKey(removed, removed.baseOffset), null);
    for (const partition of write.partitions) put(partitionStateKey(partition), encodeState(partition.state));
    for (const topic of write.topics) {
      put(topicKey('t', topic.topicId), encodeTopic(topic));
      put(NEXT_TOPIC_KEY, encodeTopicId(topic.topicId + 1));
    }
    for (const offset of write.offsets) put(offsetKey(offset), encodeOffset(offset));
    for (const offset of write.removedOffsets) put(offsetKey(offset), null);
    for (const { topicId, partitions } of write.removedTopics) {
      put(topicKey('t', topicId), null);
      put(topicKey('d', topicId), FORMAT_VALUE);
      for (let partition = 0; partition < partitions; partition++) put(partitionStateKey({ topicId, partition }), null);
    }
    // This syncs earlier writes only. A database may skip an empty write, so one entry is written.
    if (writes.length === 0) put(FORMAT_KEY, FORMAT_VALUE);
    await this.#database.write(writes, { sync });
  }

  async floor(partition: PartitionId, offset: number): Promise<number | undefined> {
    for await (const chunk of this.#database.scan({
      gte: batchKey(partition, 0),
      lt: batchKey(partition, offset + 1),
      reverse: true,
      limit: 1,
    })) {
      if (chunk[0]) return baseOffsetOf(chunk[0][0]);
    }
    return undefined;
  }

  read(partition: PartitionId, from: number, limit: number): Promise<readonly StoredBatch[]> {
    return this.#all({ gte: batchKey(partition, from), lt: afterBatches(partition), limit }, decodeBatch);
  }

  async sweep(): Promise<void> {
    const deleted = await this.#all(kindRange('d'), topicIdOf);
    for (const topicId of deleted) {
      for (;;) {
        const keys = await this.#all({ ...topicBatches(topicId), limit: SWEEP_BATCHES }, (key) => key);
        await this.#database.write(keys.map((key) => ({ key, value: null })));
        if (keys.length < SWEEP_BATCHES) break;
      }
      await this.#database.write([{ key: topicKey('d', topicId), value: null }]);
    }
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  async #checkFormat(): Promise<void> {
    const [version] = await this.#database.getMany([FORMAT_KEY]);
    if (version?.equals(FORMAT_VALUE)) return;
    const [first] = await this.#all({ limit: 1 }, (key) => key);
    if (!version && !first) return this.#database.write([{ key: FORMAT_KEY, value: FORMAT_VALUE }], { sync: true });
    throw new StreamsError('STATE_MISMATCH', {
      what: 'cannot open the log',
      saw: version ? `format ${version[0]}` : 'a database of something else',
      expected: `a log of format ${FORMAT_VERSION}`,
      action: 'Choose another directory, or use the version of millrace that wrote it.',
    });
  }

  async #all<T>(range: KeyRange, decode: (key: Buffer, value: Buffer) => T): Promise<T[]> {
    const found: T[] = [];
    for await (const chunk of this.#database.scan(range))
      for (const [key, value] of chunk) found.push(decode(key, value));
    return found;
  }
}
