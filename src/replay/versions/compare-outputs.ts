import type { Broker, BrokerRecord, TopicPartition } from '../../broker/port.js';
import { stopped } from '../../runtime/config/stopped.js';
import { differingKeys, type OutputDifference, OutputDigest } from './output-digest.js';

/** A topic that the live application has written, compared with its shadow topic. */
export interface OutputComparison {
  readonly topic: string;
  readonly shadowTopic: string;
  readonly records: { readonly live: number; readonly shadow: number };
  /** True if each partition, key and value occurs equally often on both sides, in any order. */
  readonly equal: boolean;
  /** Some of the keys with different records, ordered by partition and key; empty if the topics are equal. */
  readonly differences: readonly OutputDifference[];
  /** True if the live topic has lost its first records, or is compacted. The topics cannot be equal then. */
  readonly incomplete: boolean;
}

/** Number of keys shown per topic. */
const SHOWN_KEYS = 10;
const READ_TOGETHER = 2_000;

/**
 * Compares the current records of topics with those of their shadow topics. Timestamps, headers and order are
 * not compared.
 *
 * Cost: one read of both topics, and a second one if they differ. Memory: 2 MB per topic; where a topic
 * differs, also the keys (with their last values) of one eight-thousandth of it. The probability that two
 * different multisets count as equal is 2^-64. Errors: STOPPED if the signal is aborted before everything is
 * read.
 */
export async function compareOutputs(
  broker: Broker,
  topics: readonly { readonly topic: string; readonly shadowTopic: string }[],
  signal: AbortSignal = new AbortController().signal,
): Promise<readonly OutputComparison[]> {
  const compared: OutputComparison[] = [];
  for (const { topic, shadowTopic } of topics) {
    const [live, shadow] = [await TopicSlice.now(broker, topic), await TopicSlice.now(broker, shadowTopic)];
    const digest = new OutputDigest();
    const records = {
      live: await live.read((record) => digest.add('live', record), signal),
      shadow: await shadow.read((record) => digest.add('shadow', record), signal),
    };
    const buckets = digest.differing();
    const keys = differingKeys(buckets);
    if (buckets.size > 0) {
      await live.read((record) => keys.add('live', record), signal);
      await shadow.read((record) => keys.add('shadow', record), signal);
    }
    compared.push({
      topic,
      shadowTopic,
      records,
      equal: buckets.size === 0,
      differences: keys.first(SHOWN_KEYS),
      incomplete: live.incomplete,
    });
  }
  return compared;
}

/** A topic up to its current end; empty if the topic does not exist. */
class TopicSlice {
  readonly #broker: Broker;
  readonly #parts: readonly (TopicPartition & { readonly from: number; readonly to: number })[];
  readonly incomplete: boolean;

  private constructor(
    broker: Broker,
    parts: readonly (TopicPartition & { readonly from: number; readonly to: number })[],
    compacted: boolean,
  ) {
    this.#broker = broker;
    this.#parts = parts;
    this.incomplete = compacted || parts.some(({ from }) => from > 0);
  }

  static async now(broker: Broker, topic: string): Promise<TopicSlice> {
    const [found] = await broker.admin.describeTopics([topic]);
    const partitions = Array.from({ length: found?.partitions ?? 0 }, (_, partition) => ({ topic, partition }));
    const [earliest, latest] = await Promise.all([
      broker.admin.earliestOffsets(partitions),
      broker.admin.latestOffsets(partitions),
    ]);
    const find = (offsets: typeof latest, partition: number): number =>
      offsets.find((at) => at.partition === partition)?.offset ?? 0;
    const parts = partitions.map(({ partition }) => ({
      topic,
      partition,
      from: find(earliest, partition),
      to: find(latest, partition),
    }));
    return new TopicSlice(broker, parts, found?.config?.['cleanup.policy']?.includes('compact') === true);
  }

  /** Calls `show` for each record; returns the number of records. */
  async read(show: (record: BrokerRecord) => void, signal: AbortSignal): Promise<number> {
    const reader = await this.#broker.createReader();
    const open = new Map(this.#parts.filter(({ from, to }) => from < to).map(({ partition, to }) => [partition, to]));
    let records = 0;
    try {
      for (const { topic, partition, from } of this.#parts)
        if (open.has(partition)) reader.seek({ topic, partition, offset: from });
      while (open.size > 0) {
        if (signal.aborted) throw stopped('the comparison was stopped', 'reading the outputs');
        for (const batch of await reader.poll({ maxRecords: READ_TOGETHER, maxWaitMs: 500 })) {
          const end = open.get(batch.partition) ?? 0;
          for (const record of batch.records) {
            if (record.offset >= end) break;
            records++;
            show(record);
          }
          if (batch.nextOffset < end) continue;
          open.delete(batch.partition);
          reader.remove([batch]);
        }
      }
      return records;
    } finally {
      await reader.close();
    }
  }
}
