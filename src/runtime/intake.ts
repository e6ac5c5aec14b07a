import { type BrokerRecord, type PartitionOffset, partitionKey, type Reader } from '../broker/port.js';

/** What was fetched of one source partition and is not processed yet. */
interface Buffered {
  readonly topic: string;
  readonly partition: number;
  records: BrokerRecord[];
  /** Index of the first record that is not taken. */
  at: number;
  /** Where the reader stands behind what is buffered. */
  fetchedTo: number;
  /** The partition's end when last seen. */
  latest: number;
  /** Everything before it is taken. */
  position: number;
  paused: boolean;
}

/**
 * Takes records of a task's partitions, merged by timestamp as Kafka Streams does: the partition whose next record is oldest comes first. It waits for a partition that has records which are not fetched yet, so that the order does not
 * depend on the network; a partition that is read to its end is not waited for.
 */
export class Intake {
  readonly #reader: Reader;
  readonly #buffers: Buffered[] = [];
  readonly #byKey = new Map<string, Buffered>();

  /** `latest`: the ends of the partitions now, so that those with records are waited for from the first batch on. */
  constructor(reader: Reader, positions: readonly PartitionOffset[], latest: readonly PartitionOffset[] = []) {
    this.#reader = reader;
    const ends = new Map(latest.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
    for (const { topic, partition, offset } of positions) {
      const end = ends.get(partitionKey(topic, partition)) ?? offset;
      const buffered = {
        topic,
        partition,
        records: [],
        at: 0,
        fetchedTo: offset,
        latest: end,
        position: offset,
        paused: false,
      };
      this.#buffers.push(buffered);
      this.#byKey.set(partitionKey(topic, partition), buffered);
      reader.seek({ topic, partition, offset });
    }
  }

  /** Next offset of every partition: what has been taken is before it. */
  get positions(): readonly PartitionOffset[] {
    return this.#buffers.map(({ topic, partition, position }) => ({ topic, partition, offset: position }));
  }

  /** Records that are in the log, as last seen, and not taken. */
  get lag(): number {
    return this.#buffers.reduce((sum, { latest, position }) => sum + Math.max(0, latest - position), 0);
  }

  /** Up to `max` records; waits up to `maxWaitMs` for the first. */
  async take(max: number, maxWaitMs: number): Promise<BrokerRecord[]> {
    const buffered = this.#buffers.reduce((sum, { records, at }) => sum + records.length - at, 0);
    if (buffered < max || this.#lagging()) await this.#poll(max, buffered > 0 ? 0 : maxWaitMs);
    // A partition with records that are not here yet is waited for, unless it keeps silent: then the log has only markers left, or the broker is slow.
    for (let tries = 0; this.#lagging() && tries < 10; tries++) if (!(await this.#poll(max, maxWaitMs))) break;
    return this.#buffers.length === 1 ? this.#takeSingle(this.#buffers[0] as Buffered, max) : this.#takeMerged(max);
  }

  #lagging(): boolean {
    return this.#buffers.some(({ records, at, latest, fetchedTo }) => at >= records.length && latest > fetchedTo);
  }

  async #poll(max: number, maxWaitMs: number): Promise<boolean> {
    // At least one record a partition: whoever is left out would not be waited for.
    const batches = await this.#reader.poll({ maxRecords: Math.max(max, this.#buffers.length), maxWaitMs });
    for (const { topic, partition, records, nextOffset, latestOffset } of batches) {
      const buffered = this.#byKey.get(partitionKey(topic, partition));
      if (!buffered) continue;
      const rest = buffered.at >= buffered.records.length ? [] : buffered.records.slice(buffered.at);
      buffered.records = rest.length === 0 ? (records as BrokerRecord[]) : rest.concat(records);
      buffered.at = 0;
      buffered.fetchedTo = nextOffset;
      buffered.latest = latestOffset;
      if (buffered.records.length === 0) buffered.position = nextOffset;
      // One partition far ahead of the others in time must not fill the memory while it waits for them.
      if (!buffered.paused && buffered.records.length > 4 * max) {
        buffered.paused = true;
        this.#reader.pause([buffered]);
      }
    }
    return batches.length > 0;
  }

  #takeSingle(buffered: Buffered, max: number): BrokerRecord[] {
    const { records, at } = buffered;
    const taken = at === 0 && records.length <= max ? records : records.slice(at, at + max);
    this.#advance(buffered, taken.length);
    return taken;
  }

  #takeMerged(max: number): BrokerRecord[] {
    const taken: BrokerRecord[] = [];
    while (taken.length < max) {
      let oldest: Buffered | undefined;
      let timestamp = Number.POSITIVE_INFINITY;
      for (const buffered of this.#buffers) {
        const head = buffered.records[buffered.at];
        if (head === undefined) {
          // Its next record may be older than all others: fetch first. The very first look has already waited.
          if (buffered.latest > buffered.fetchedTo && taken.length > 0) return taken;
        } else if (head.timestamp < timestamp) {
          oldest = buffered;
          timestamp = head.timestamp;
        }
      }
      if (!oldest) break;
      taken.push(oldest.records[oldest.at] as BrokerRecord);
      this.#advance(oldest, 1);
    }
    return taken;
  }

  #advance(buffered: Buffered, by: number): void {
    buffered.at += by;
    const left = buffered.records.length - buffered.at;
    const last = buffered.records[buffered.at - 1];
    // With nothing left, what follows the last record (transaction markers, compacted holes) is done as well.
    buffered.position = left === 0 ? buffered.fetchedTo : last ? last.offset + 1 : buffered.position;
    if (left === 0) {
      buffered.records = [];
      buffered.at = 0;
    }
    if (buffered.paused && left === 0) {
      buffered.paused = false;
      this.#reader.resume([buffered]);
    }
  }
}
