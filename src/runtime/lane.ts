import type { BrokerRecord, PartitionOffset, TopicPartition } from '../broker/port.js';
import { isNotReady, type NotReady } from '../model/not-ready.js';
import { bufferedBytes } from './input-buffer.js';

/** Says when records of a topic happened, where that is not the time of the log. */
export interface Dates {
  /**
   * The event time of the record that comes next in its partition. Throws {@link NotReady} if something has
   * to be fetched first.
   */
  timeOf(record: BrokerRecord): number;
  /**
   * The same, once everything is fetched. Rejects if it cannot be had: nobody knows then when the record
   * happened.
   */
  timeWhenReady(record: BrokerRecord, cause: NotReady): Promise<number>;
}

/**
 * The time of a record of which nobody can tell when it happened. It waits for no other, so that no other is
 * held up by it: they come in the order in which they would come without it.
 */
export const AT_ONCE = Number.NEGATIVE_INFINITY;

const NO_RECORDS: readonly BrokerRecord[] = [];

/** One partition of a merge: what was fetched of it and is not taken yet. */
export class Lane implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly #dates: Dates | undefined;
  #records: readonly BrokerRecord[] = NO_RECORDS;
  #at = 0;
  #bytes = 0;
  /** What the time of its next record has to wait for. */
  #cause: NotReady | undefined;
  /** Event time of its next record. */
  time = 0;
  /** Whether it has a next record, and that one's time is known. */
  hasHead = false;
  /** Where the reader stands behind what is here. */
  fetchedTo: number;
  /** Everything before it is taken. */
  position: number;
  /** Records before it are known to exist, so they are waited for. */
  end: number;
  /** Records from there on are held back. */
  limit = Number.POSITIVE_INFINITY;
  paused = false;

  /** `order`: its place among lanes whose next records are of the same time. */
  constructor(
    { topic, partition, offset }: PartitionOffset,
    end: number,
    readonly order: number,
    dates: Dates | undefined,
  ) {
    this.topic = topic;
    this.partition = partition;
    this.fetchedTo = offset;
    this.position = offset;
    this.end = end;
    this.#dates = dates;
  }

  /** Records that are here. */
  get size(): number {
    return this.#records.length - this.#at;
  }

  /** What they take: see {@link bufferedBytes}. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Everything that is known to exist is here, or taken; or held back. */
  get isRead(): boolean {
    return this.fetchedTo >= this.end || this.isHeld;
  }

  /** The reader stands where records are held back. */
  get isHeld(): boolean {
    return this.fetchedTo >= this.limit;
  }

  /** Records that are known to exist, may be read, and are not taken. */
  get left(): number {
    return Math.max(0, Math.min(this.end, this.limit) - this.position);
  }

  /** Whether it can be told which of all lanes comes next, as far as this one is concerned. */
  get isReady(): boolean {
    return this.hasHead || (this.size === 0 && this.isRead);
  }

  /** Takes in what was fetched: records, or none and a reader that has moved. */
  receive(records: readonly BrokerRecord[], nextOffset: number): void {
    const left = this.size;
    this.fetchedTo = nextOffset;
    for (let i = 0; i < records.length; i++) this.#bytes += bufferedBytes(records[i] as BrokerRecord);
    if (left === 0) {
      this.#records = records;
      this.#at = 0;
      if (records.length === 0) this.position = nextOffset;
      else this.#lookAt(records[0] as BrokerRecord);
    } else if (records.length > 0) {
      this.#records = (this.#at === 0 ? this.#records : this.#records.slice(this.#at)).concat(records);
      this.#at = 0;
    }
  }

  /**
   * Gives out the next record. With nothing left, what follows the last one (transaction markers, compacted
   * holes) is done as well.
   */
  shift(): BrokerRecord {
    const record = this.#records[this.#at++] as BrokerRecord;
    this.#bytes -= bufferedBytes(record);
    const next = this.#records[this.#at];
    if (next === undefined) this.#usedUp();
    else {
      this.position = record.offset + 1;
      this.#lookAt(next);
    }
    return record;
  }

  /** Gives out up to so many at once, for who has no other lane. */
  shiftMany(max: number): readonly BrokerRecord[] {
    if (!this.hasHead) return NO_RECORDS;
    const records = this.#records;
    const from = this.#at;
    const to = Math.min(records.length, from + max);
    if (to < records.length) {
      for (let i = from; i < to; i++) this.#bytes -= bufferedBytes(records[i] as BrokerRecord);
      this.#at = to;
      this.position = (records[to - 1] as BrokerRecord).offset + 1;
      this.#lookAt(records[to] as BrokerRecord);
    } else this.#usedUp();
    return from === 0 && to === records.length ? records : records.slice(from, to);
  }

  /** Fetches what the time of its next record takes; undefined: nothing, almost always. */
  dated(): Promise<void> | undefined {
    return this.#cause && this.#dated(this.#cause);
  }

  async #dated(cause: NotReady): Promise<void> {
    const head = this.#records[this.#at] as BrokerRecord;
    this.time = await (this.#dates as Dates).timeWhenReady(head, cause);
    this.#cause = undefined;
    this.hasHead = true;
  }

  #usedUp(): void {
    this.position = this.fetchedTo;
    this.#records = NO_RECORDS;
    this.#at = 0;
    this.#bytes = 0;
    this.hasHead = false;
  }

  #lookAt(head: BrokerRecord): void {
    this.hasHead = true;
    if (this.#dates === undefined) {
      this.time = head.timestamp;
      return;
    }
    try {
      this.time = this.#dates.timeOf(head);
    } catch (error) {
      if (!isNotReady(error)) throw error;
      this.#cause = error;
      this.hasHead = false;
    }
  }
}
