import type { BrokerRecord } from '../../broker/port.js';
import type { AnyRecord, GivenUp, PushScope } from '../../dsl/contract/processor.js';
import type { SourcePosition } from '../../model/record.js';
import type { Cause } from '../../state/rows/changelog-entry.js';
import { originAt, originOf, rootOfRecord, startOrigin } from './origin.js';
import { type Batch, BY_RECORD, FiredPlace, type Firing, Place, type PlacedRecord, type Spot } from './place.js';
import { readAt } from './redriven-record.js';

const NO_BATCH: Batch = { records: [], streamTimes: [], firstSequence: 0 };

export interface RecordContextOptions {
  readonly cause: Cause | undefined;
  readonly streamTime: number;
  readonly onFatal: (error: Error) => void;
  readonly bind: NonNullable<PushScope['bind']>;
  /** The partition of the task. */
  readonly partition: number;
  /** The name of a repartition or internal input, by its topic; undefined for other topics. */
  readonly internalOf: (topic: string) => string | undefined;
}

/**
 * The current position of a task: its batch, the record or timer being processed, and the origin of its
 * results. The batch runner updates it; inputs and contexts of processors read it.
 */
export class RecordContext implements PushScope {
  pushing = false;
  index = 0;
  key: unknown = undefined;
  from = '';
  givenUp: GivenUp | undefined = undefined;
  readonly bind: NonNullable<PushScope['bind']>;
  readonly fail: (error: Error) => void;
  readonly #cause: Cause | undefined;
  #batch: Batch = NO_BATCH;
  #sequence = 0;
  #position: SourcePosition = { topic: '', partition: 0, offset: -1 };
  #record: AnyRecord | undefined;
  /** When the current timer was due. */
  #due = BY_RECORD;
  /** The place of the current item: it is the cause of what the item emits. */
  #at: Place | undefined;
  /** The current firing of a timer. */
  #firing: Firing | undefined;
  #emitted = 0;
  /** The number of the current emission, and the number of emissions so far. */
  #emission = 0;
  #emissions = 0;
  #turn = 0;
  readonly #internalOf: RecordContextOptions['internalOf'];
  /** The root of the source record that was requested last. */
  #root = '';
  #rootIndex = -1;
  /** The task's stream time: the highest timestamp of a pushed record. */
  streamTime: number;

  constructor({ cause, streamTime, onFatal: fail, bind, partition, internalOf }: RecordContextOptions) {
    this.#firing = { text: startOrigin(partition) };
    this.#internalOf = internalOf;
    this.fail = fail;
    this.bind = bind;
    this.#cause = cause;
    this.streamTime = streamTime;
  }

  /** Whether a record is of a topic that only this application writes. */
  isInternal({ topic }: BrokerRecord): boolean {
    return this.#internalOf(topic) !== undefined;
  }

  get batch(): Batch {
    return this.#batch;
  }

  get position(): SourcePosition {
    return this.#batch.records[this.index] ?? this.#position;
  }

  /** The log record. */
  get sourceRecord(): BrokerRecord | undefined {
    return this.#batch.records[this.index];
  }

  /** Changes whenever another item begins, or the same one begins again. */
  get turn(): number {
    return this.#turn;
  }

  /** The path of the current item: see origin.ts. */
  get origin(): string {
    if (this.#at !== undefined) return originAt(this.#at, this.rootOf);
    // While a source pushes a record, no operator is running.
    return this.#firing?.text ?? `${this.rootOf(this.index)}^`;
  }

  /** The same without the current node. */
  get originOfItem(): string {
    return this.#at === undefined ? this.origin : originOf(this.#at, this.rootOf);
  }

  readonly rootOf = (index: number): string => {
    if (index !== this.#rootIndex) {
      const record = this.#batch.records[index];
      this.#root = record === undefined ? '' : rootOfRecord(record, this.#internalOf(record.topic));
      this.#rootIndex = index;
    }
    return this.#root;
  };

  get sequence(): number {
    return this.#batch.firstSequence + this.index;
  }

  /** Undefined inside a timer. */
  get record(): AnyRecord | undefined {
    return this.#record;
  }

  /** Stream time as of the current record. */
  get time(): number {
    return this.#batch.streamTimes[this.index] ?? this.streamTime;
  }

  beginBatch(records: readonly BrokerRecord[], streamTimes: number[]): Batch {
    this.#batch = { records, streamTimes, firstSequence: this.#sequence };
    this.#sequence += records.length;
    this.#due = BY_RECORD;
    this.#firing = undefined;
    this.#rootIndex = -1;
    return this.#batch;
  }

  /** All items are processed: what follows has no item as its cause. */
  endProcessing(): void {
    this.#at = undefined;
    this.#firing = undefined;
    this.#turn++;
  }

  endBatch(): void {
    const last = this.#batch.records.at(-1);
    if (last) {
      const { topic, partition, offset } = readAt(last);
      this.#position = { topic, partition, offset };
    }
    this.#batch = NO_BATCH;
    this.#record = undefined;
    this.#emitted = 0;
    this.index = 0;
  }

  /** The place of the next arrival; `delivery` counts the arrivals of this emission at the spot. */
  place(index: number, spot?: Spot, delivery = 0): Place {
    const place = new Place(index, this.#due, this.#at, this.#emitted++, spot, this.#emission, delivery);
    return this.#firing === undefined || this.#at !== undefined ? place : new FiredPlace(this.#firing, place);
  }

  /** Begins an emission of the current item and returns its number. */
  beginEmission(): number {
    this.#emission = this.#emissions++;
    return this.#emission;
  }

  get emission(): number {
    return this.#emission;
  }

  /** A log record that its source is about to push. */
  enterSource(index: number): void {
    this.index = index;
    this.#turn++;
    this.#emission = 0;
  }

  enterItem({ place, record }: PlacedRecord): void {
    this.#at = place;
    this.#firing = undefined;
    this.#enter(place.index, record, place.due);
  }

  /**
   * An item that is given up. What it emits now comes after what it emitted before it failed, and has an
   * origin of its own.
   */
  enterGivenUp(item: PlacedRecord): void {
    const emissions = this.#emissions;
    this.enterItem(item);
    this.#emissions = emissions;
  }

  enterTimer(index: number, due: number): void {
    this.#at = undefined;
    this.#firing = undefined;
    this.#enter(index, undefined, due);
  }

  /** Identifies the firing timer. */
  enterFiring(firing: Firing): void {
    this.#firing = firing;
  }

  /** A record that is pushed again, as the same emission of the current item. */
  enterPush(index: number, record: AnyRecord, emission: number): void {
    this.#enter(index, record, this.#due);
    this.#emission = emission;
  }

  #enter(index: number, record: AnyRecord | undefined, due: number): void {
    this.index = index;
    this.#due = due;
    this.#record = record;
    this.#turn++;
    this.#emission = 0;
    this.#emissions = 0;
    const cause = this.#cause;
    if (!cause) return;
    const { topic, offset } = readAt(this.position);
    cause.topic = topic;
    cause.offset = offset;
    cause.timestamp = record ? record.timestamp : this.time;
  }
}
