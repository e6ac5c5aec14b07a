import type { BrokerRecord } from '../broker/port.js';
import type { AnyRecord, PushScope } from '../dsl/processor.js';
import type { SourcePosition } from '../model/record.js';
import type { Cause } from '../state/changelog-entry.js';
import { type Batch, BY_RECORD, FiredPlace, type Firing, Place, type Spot } from './batch.js';
import { originAt, originOf, rootOfRecord, startOrigin } from './origin.js';
import type { Item } from './stage.js';

const NO_BATCH: Batch = { records: [], streamTimes: [], firstSequence: 0 };

export interface RecordContextOptions {
  readonly cause: Cause | undefined;
  readonly streamTime: number;
  readonly onFatal: (error: Error) => void;
  readonly bind?: PushScope['bind'];
  /** Of the task. */
  readonly partition: number;
  /** The name of the repartition that a topic is, if it is one. */
  readonly repartitionOf: (topic: string) => string | undefined;
}

/**
 * What a task is at: which batch, which record or timer of it, and what follows from it. Written by the batch
 * runner; read by contexts of processors.
 */
export class RecordContext {
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
  /** The turn of the timer at hand. */
  #firing: Firing | undefined;
  #emitted = 0;
  /** Which emission of what is at hand is under way, and how many there were before the next. */
  #emission = 0;
  #emissions = 0;
  #turn = 0;
  readonly #repartitionOf: RecordContextOptions['repartitionOf'];
  /** The root of the source record that was asked for last. */
  #root = '';
  #rootIndex = -1;
  /** The task's stream time: the highest timestamp of a record that was pushed. */
  streamTime: number;

  constructor({ cause, streamTime, onFatal: fail, bind, partition, repartitionOf }: RecordContextOptions) {
    this.#firing = { text: startOrigin(partition) };
    this.#repartitionOf = repartitionOf;
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

  /** Another whenever something else is at hand, or the same once more. */
  get turn(): number {
    return this.#turn;
  }

  /** What is at hand, told by the way that it came: see origin.ts. */
  get origin(): string {
    if (this.#at !== undefined) return originAt(this.#at, this.rootOf);
    // While a record is on its way from its source no operator has its turn.
    return this.#firing?.text ?? `${this.rootOf(this.scope.index)}^`;
  }

  /** The same without the node that it is at. */
  get originOfItem(): string {
    return this.#at === undefined ? this.origin : originOf(this.#at, this.rootOf);
  }

  readonly rootOf = (index: number): string => {
    if (index !== this.#rootIndex) {
      const record = this.#batch.records[index];
      this.#root = record === undefined ? '' : rootOfRecord(record, this.#repartitionOf(record.topic));
      this.#rootIndex = index;
    }
    return this.#root;
  };

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
    this.#firing = undefined;
    this.#rootIndex = -1;
    return this.#batch;
  }

  /** A batch that is there for the timers of the wall clock. */
  beginTimers(wallTime: number): Batch {
    this.#batch = { records: [], streamTimes: [this.streamTime], wallTime, firstSequence: this.#sequence };
    this.#rootIndex = -1;
    return this.#batch;
  }

  /** All is processed: what comes now follows from no item. */
  endProcessing(): void {
    this.#at = undefined;
    this.#firing = undefined;
    this.#turn++;
  }

  endBatch(): void {
    const last = this.#batch.records.at(-1);
    if (last) this.#position = { topic: last.topic, partition: last.partition, offset: last.offset };
    this.#batch = NO_BATCH;
    this.#record = undefined;
    this.#emitted = 0;
    this.scope.index = 0;
  }

  /** The place of the next that arrives somewhere; `delivery` counts what arrived there of this emission. */
  place(index: number, spot?: Spot, delivery = 0): Place {
    const place = new Place(index, this.#due, this.#at, this.#emitted++, spot, this.#emission, delivery);
    return this.#firing === undefined || this.#at !== undefined ? place : new FiredPlace(this.#firing, place);
  }

  /** What is at hand emits something; returns which emission of it that is. */
  beginEmission(): number {
    this.#emission = this.#emissions++;
    return this.#emission;
  }

  get emission(): number {
    return this.#emission;
  }

  /** A record of the log, which is about to be pushed from its source. */
  enterSource(index: number): void {
    this.scope.index = index;
    this.#turn++;
    this.#emission = 0;
  }

  enterItem({ place, record }: Item): void {
    this.#at = place;
    this.#firing = undefined;
    this.#enter(place.index, record, place.due);
  }

  /**
   * An item that is given up: what it emits now comes after what it emitted before it failed, and is
   * something else.
   */
  enterGivenUp(item: Item): void {
    const emissions = this.#emissions;
    this.enterItem(item);
    this.#emissions = emissions;
  }

  enterTimer(index: number, due: number): void {
    this.#at = undefined;
    this.#firing = undefined;
    this.#enter(index, undefined, due);
  }

  /** Which timer it is. */
  enterFiring(firing: Firing): void {
    this.#firing = firing;
  }

  /** A record that is pushed once more: that emission of what is at hand. */
  enterPush(index: number, record: AnyRecord, emission: number): void {
    this.#enter(index, record, this.#due);
    this.#emission = emission;
  }

  #enter(index: number, record: AnyRecord | undefined, due: number): void {
    this.scope.index = index;
    this.#due = due;
    this.#record = record;
    this.#turn++;
    this.#emission = 0;
    this.#emissions = 0;
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
