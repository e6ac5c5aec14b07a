import type { BrokerRecord } from '../broker/port.js';
import type { AnyRecord, PushScope } from '../dsl/processor.js';
import type { SourcePosition } from '../model/record.js';
import type { Cause } from '../state/changelog-entry.js';
import { type Batch, BY_RECORD, Place } from './batch.js';
import type { Item } from './stage.js';

const NO_BATCH: Batch = { records: [], streamTimes: [], firstSequence: 0 };

export interface AtHandOptions {
  readonly cause: Cause | undefined;
  readonly streamTime: number;
  readonly onFatal: (error: Error) => void;
  readonly bind?: PushScope['bind'];
}

/** What a task is at: which batch, which record or timer of it, and what follows from it. Written by the batch runner; read by contexts of processors. */
export class AtHand {
  readonly scope: PushScope;
  readonly #cause: Cause | undefined;
  #batch: Batch = NO_BATCH;
  #sequence = 0;
  #position: SourcePosition = { topic: '', partition: 0, offset: -1 };
  #record: AnyRecord | undefined;
  /** When the timer at hand was due. */
  #due = BY_RECORD;
  /** The place of the item at hand: what it emits follows from it. */
  #at: Place | undefined;
  #emitted = 0;
  /** The task's stream time: the highest timestamp of a record that was pushed. */
  streamTime: number;

  constructor({ cause, streamTime, onFatal: fail, bind }: AtHandOptions) {
    this.scope = { pushing: false, index: 0, key: undefined, from: '', fail, ...(bind && { bind }) };
    this.#cause = cause;
    this.streamTime = streamTime;
  }

  get batch(): Batch {
    return this.#batch;
  }

  get position(): SourcePosition {
    return this.#batch.records[this.scope.index] ?? this.#position;
  }

  /** The record of the log; undefined in a wall-clock timer. */
  get sourceRecord(): BrokerRecord | undefined {
    return this.#batch.records[this.scope.index];
  }

  get sequence(): number {
    return this.#batch.firstSequence + this.scope.index;
  }

  /** Undefined inside a timer. */
  get record(): AnyRecord | undefined {
    return this.#record;
  }

  /** Stream time as of the record at hand. */
  get time(): number {
    return this.#batch.streamTimes[this.scope.index] ?? this.streamTime;
  }

  beginBatch(records: readonly BrokerRecord[], streamTimes: number[]): Batch {
    this.#batch = { records, streamTimes, firstSequence: this.#sequence };
    this.#sequence += records.length;
    this.#due = BY_RECORD;
    return this.#batch;
  }

  /** A batch that is there for the timers of the wall clock. */
  beginTimers(wallTime: number): Batch {
    this.#batch = { records: [], streamTimes: [this.streamTime], wallTime, firstSequence: this.#sequence };
    return this.#batch;
  }

  /** All is processed: what comes now follows from no item. */
  endProcessing(): void {
    this.#at = undefined;
  }

  endBatch(): void {
    const last = this.#batch.records.at(-1);
    if (last) this.#position = { topic: last.topic, partition: last.partition, offset: last.offset };
    this.#batch = NO_BATCH;
    this.#record = undefined;
    this.#emitted = 0;
    this.scope.index = 0;
  }

  /** The place of the next that is emitted. */
  place(index: number): Place {
    return new Place(index, this.#due, this.#at, this.#emitted++);
  }

  enterItem({ place, record }: Item): void {
    this.#at = place;
    this.#enter(place.index, record, place.due);
  }

  enterTimer(index: number, due: number): void {
    this.#at = undefined;
    this.#enter(index, undefined, due);
  }

  /** A record that is pushed once more. */
  enterPush(index: number, record: AnyRecord): void {
    this.#enter(index, record, this.#due);
  }

  #enter(index: number, record: AnyRecord | undefined, due: number): void {
    this.scope.index = index;
    this.#due = due;
    this.#record = record;
    const cause = this.#cause;
    if (!cause) return;
    const { topic, offset } = this.position;
    cause.topic = topic;
    cause.offset = offset;
    // A wall-clock timer may fire before the first record: there is no stream time yet.
    const { time } = this;
    cause.timestamp = record ? record.timestamp : Number.isFinite(time) ? time : (this.#batch.wallTime ?? 0);
  }
}
