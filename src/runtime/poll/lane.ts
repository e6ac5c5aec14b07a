import type { BrokerRecord, PartitionOffset, TopicPartition } from '../../broker/port.js';
import { isNotReady, type NotReady } from '../../model/not-ready.js';
import { bufferedBytes } from './input-buffer.js';

/** Returns the event times of a topic's records, if they differ from the log's timestamps. */
export interface Dates {
  /**
   * The event time of the next record of a partition. Throws {@link NotReady} if something must be fetched
   * first.
   */
  timeOf(record: BrokerRecord): number;
  /**
   * The same, after everything is fetched. Rejects if it cannot be fetched: the event time is then unknown.
   */
  timeWhenReady(record: BrokerRecord, cause: NotReady): Promise<number>;
  /**
   * Of an internal input: its records have no event times, but places. Undefined: the turn of the record is
   * now.
   */
  placeOf?(record: BrokerRecord): InputPlace | undefined;
}

/** When a record of an internal input has its turn. */
export interface InputPlace {
  /** Directly after everything before these positions was taken. */
  readonly after: readonly PartitionOffset[];
  /**
   * What the record says was not known at the end. So it is left out, unless one of the sources among these
   * partitions has another record.
   */
  readonly isLate?: boolean;
}

/**
 * The time of a record with an unknown event time. Such a record waits for no other, so it delays none: the
 * others come in the same order as without it.
 */
export const AT_ONCE = Number.NEGATIVE_INFINITY;

const NO_RECORDS: readonly BrokerRecord[] = [];
const NO_LANES: ReadonlyMap<Lane, number> = new Map();

/** One partition of a merge: its records that were fetched and not taken yet. */
export class Lane implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly #dates: Dates | undefined;
  #records: readonly BrokerRecord[] = NO_RECORDS;
  #at = 0;
  #bytes = 0;
  /** What must be fetched before the time of its next record is known. */
  #cause: NotReady | undefined;
  /** Event time of its next record. */
  time = 0;
  /** Whether it has a next record with a known time. */
  hasHead = false;
  /** Of an internal input: when its next record has its turn. Undefined: now. */
  place: InputPlace | undefined;
  /** The same as the offsets that other lanes must reach first. */
  awaits: ReadonlyMap<Lane, number> = NO_LANES;
  /** The offset that the reader fetches next. */
  fetchedTo: number;
  /** All records before it were taken. */
  position: number;
  #end: number;
  /** Whether nothing but {@link expect} says so. */
  isDoubted = false;
  /** Records up to this offset do not exist, although something said so. */
  #lost = 0;
  /** Records from this offset on are held back. */
  limit = Number.POSITIVE_INFINITY;
  paused = false;

  /** @param order Its rank among lanes with next records of the same time. */
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
    this.#end = end;
    this.#dates = dates;
  }

  /** Records before it are known to exist, so they are waited for. */
  get end(): number {
    return this.#end;
  }

  set end(end: number) {
    if (end < this.#end) this.#lost = Math.max(this.#lost, this.#end);
    this.#end = end;
  }

  /** Something says that records before this offset exist. */
  expect(offset: number): void {
    if (offset <= this.#end || offset <= this.#lost) return;
    this.#end = offset;
    this.isDoubted = true;
  }

  /** Whether it is an internal input. */
  get isPlaced(): boolean {
    return this.#dates?.placeOf !== undefined;
  }

  /** The timestamp of its next record in the log. */
  get headTimestamp(): number {
    return this.#records[this.#at]?.timestamp ?? Number.POSITIVE_INFINITY;
  }

  /** No record before this offset is still to be taken. */
  get reached(): number {
    return this.#records[this.#at]?.offset ?? this.fetchedTo;
  }

  /** Number of buffered records. */
  get size(): number {
    return this.#records.length - this.#at;
  }

  /** Their memory: see {@link bufferedBytes}. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether everything that is known to exist is buffered, taken or held back. */
  get isRead(): boolean {
    return this.fetchedTo >= this.end || this.isHeld;
  }

  /** Whether the reader has reached the records that are held back. */
  get isHeld(): boolean {
    return this.fetchedTo >= this.limit;
  }

  /** Records that are known to exist, may be read, and were not taken. */
  get left(): number {
    return Math.max(0, Math.min(this.end, this.limit) - this.position);
  }

  /** Whether this lane allows the merge to determine the next record of all lanes. */
  get isReady(): boolean {
    return this.hasHead || (this.size === 0 && this.isRead);
  }

  /** Adds what was fetched: records, or none and a new position of the reader. */
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
   * Takes the next record. If it was the last one, offsets after it without records (transaction markers,
   * compaction gaps) count as taken, too.
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

  /** Takes up to this many records at once, for a merge with a single lane. */
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

  /**
   * Fetches what is needed for the time of its next record; undefined: nothing, as is almost always the case.
   */
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
    this.place = this.#dates.placeOf?.(head);
    try {
      this.time = this.#dates.timeOf(head);
    } catch (error) {
      if (!isNotReady(error)) throw error;
      this.#cause = error;
      this.hasHead = false;
    }
  }
}
