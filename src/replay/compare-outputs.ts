import type { Broker, BrokerRecord, TopicPartition } from '../broker/port.js';
import { stopped } from '../runtime/stopped.js';
import { differingKeys, type OutputDifference, OutputDigest } from './output-digest.js';

/** A topic as the live application has written it, and its shadow. */
export interface OutputComparison {
  readonly topic: string;
  readonly shadowTopic: string;
  readonly records: { readonly live: number; readonly shadow: number };
  /** As often the same partition, key and value on both sides, in whatever order. */
  readonly equal: boolean;
  /** Some keys whose records differ, in the order of partition and key; empty if all is equal. */
  readonly differences: readonly OutputDifference[];
  /**
   * The live topic no longer begins at its beginning, or only has the last value of each key: it cannot be
   * equal.
   */
  readonly incomplete: boolean;
}

/** So many keys are shown for a topic. */
const SHOWN_KEYS = 10;
const READ_TOGETHER = 2_000;

/**
 * Compares the records of topics with those of their shadows, as they are now. Timestamps and headers are not
 * compared, and the order is not.
 *
 * Cost: one read of both topics, a second one if they differ. Memory: 2 MB a topic, and the keys (with their
 * last values) of an eight-thousandth of the topic where it differs. Two multisets that differ are taken for
 * equal with a probability of 2^-64. STOPPED if the signal is aborted before all is read.
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

/** A topic up to where it ends now; none of it if there is no such topic. */
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

  /** Shows each record; returns how many there are. */
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
