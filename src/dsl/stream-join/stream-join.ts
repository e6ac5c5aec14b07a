import { messageOf, StreamsError } from '../../model/errors.js';
import type { Headers } from '../../model/headers.js';
import { PlainRecord } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import type { OperatorStore } from '../../state/contract.js';
import type { DueQueue } from '../buffers/due-queue.js';
import type { Lookups, Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { BucketKey } from './bucket-key.js';
import type { Match, SideBuffer } from './side-buffer.js';
import type { UnmatchedKey, UnmatchedRecord } from './waiting.js';
import type { JoinWindow } from './window.js';

export type StreamJoiner = (left: unknown, right: unknown, key: unknown) => unknown;

/** One side of a join, as passed to the processor. */
export interface SideParts {
  readonly buffer: SideBuffer<unknown, unknown>;
  /** The queue of its records that wait for a partner; left out: records without a match are not emitted. */
  readonly waiting?: DueQueue<UnmatchedKey<unknown>, UnmatchedRecord<unknown>>;
}

interface Side extends SideParts {
  /** How far before and after a record's timestamp its matches may be. */
  readonly backMs: number;
  readonly aheadMs: number;
  /** The time from a record's timestamp until it is joined with null. */
  readonly patienceMs: number;
  /** The joined value of a record of this side with a record of the other side, or with null. */
  readonly join: (mine: unknown, other: unknown, key: unknown) => unknown;
}

/** The rows that a record will look up. */
interface Prepared {
  readonly own: BucketKey<unknown>;
  readonly others: readonly BucketKey<unknown>[];
}

/** A record that waited and was taken from the queue because it is due. */
interface Given {
  readonly side: Side;
  readonly key: unknown;
  readonly timestamp: number;
  readonly waiting: UnmatchedRecord<unknown>;
}

export class StreamJoin implements Processor {
  readonly #context: ProcessorContext;
  readonly #name: string;
  readonly #sides: readonly [Side, Side];
  /**
   * The sides with waiting records, right before left: with equal timestamps, right records are joined with
   * null first.
   */
  readonly #patient: readonly Side[];
  /**
   * The time of this store is the join's: all records of both sides, including those with null keys or
   * values. Undefined: the join does not need it.
   */
  readonly #clock: OperatorStore<unknown, unknown> | undefined;
  /**
   * A waiting record that could not be joined with null, and the current record then. It is tried again with
   * that record, and dropped together with it.
   */
  #failed: { readonly record: AnyRecord; readonly given: Given } | undefined;

  constructor(
    context: ProcessorContext,
    options: {
      /** For errors: `joinStream clicks`. */
      readonly name: string;
      readonly window: JoinWindow;
      readonly join: StreamJoiner;
      readonly left: SideParts;
      readonly right: SideParts;
      readonly clock: OperatorStore<unknown, unknown> | undefined;
    },
  ) {
    const { left, right, join, window } = options;
    const { beforeMs, afterMs, graceMs } = window;
    const side = (parts: SideParts, backMs: number, aheadMs: number, joined: StreamJoiner): Side => ({
      ...parts,
      backMs,
      aheadMs,
      patienceMs: aheadMs + graceMs + 1,
      join: joined,
    });
    this.#context = context;
    this.#name = options.name;
    this.#clock = options.clock;
    this.#sides = [
      side(left, beforeMs, afterMs, join),
      side(right, afterMs, beforeMs, (mine, other, key) => join(other, mine, key)),
    ];
    this.#patient = [this.#sides[1], this.#sides[0]].filter(({ waiting }) => waiting !== undefined);
  }

  async start(): Promise<void> {
    for (const { waiting } of this.#patient) await waiting?.start();
  }

  prepare(record: AnyRecord, port: number, lookups: Lookups): Prepared | undefined {
    const { key, value, timestamp } = record;
    if (key === null || value === null) return undefined;
    const { mine, other } = this.#seenFrom(port);
    const own = mine.buffer.rowOf(key, timestamp);
    const others = other.buffer.rowsWithin(key, timestamp - mine.backMs, timestamp + mine.aheadMs);
    for (const row of others) lookups.add(other.buffer.store, row);
    lookups.add(mine.buffer.store, own);
    return { own, others };
  }

  process(record: AnyRecord, port: number, prepared: unknown): void | Promise<void> {
    this.#clock?.advanceTime(record.timestamp);
    if (record.value === null) return this.#context.drop('null-value');
    if (record.key === null) return this.#withoutKey(record, port);
    const answering = this.#patient.length > 0 ? this.#giveUp(record) : undefined;
    if (answering) return answering.then(() => this.#meet(record, port, prepared as Prepared));
    return this.#meet(record, port, prepared as Prepared);
  }

  #seenFrom(port: number): { readonly mine: Side; readonly other: Side } {
    const [left, right] = this.#sides;
    return port === 0 ? { mine: left, other: right } : { mine: right, other: left };
  }

  #withoutKey(record: AnyRecord, port: number): void {
    const { mine } = this.#seenFrom(port);
    if (!mine.waiting) return this.#context.drop('null-key');
    this.#emit(record, mine.join(record.value, null, null), record.timestamp);
  }

  /**
   * Joins with null all records that are due, by timestamp, then right before left, then by key. Returns a
   * promise only if more of them had to be read.
   */
  #giveUp(record: AnyRecord): void | Promise<void> {
    if (this.#failed) this.#tryAgain(record);
    const now = (this.#clock as OperatorStore<unknown, unknown>).streamTime;
    for (;;) {
      let first: Side | undefined;
      let timestamp = Number.POSITIVE_INFINITY;
      for (const side of this.#patient) {
        const waiting = side.waiting as NonNullable<Side['waiting']>;
        if (waiting.next > now) continue;
        const reading = waiting.ready();
        if (reading) return reading.then(() => this.#giveUp(record));
        const since = waiting.next - side.patienceMs;
        if (waiting.next > now || since >= timestamp) continue;
        first = side;
        timestamp = since;
      }
      if (!first) return;
      const side = first;
      // The first record is in memory, so it is taken synchronously.
      void side.waiting?.takeFirst(({ key }, waiting) => this.#answer(record, { side, key, timestamp, waiting }));
    }
  }

  #tryAgain(record: AnyRecord): void {
    const failed = this.#failed;
    this.#failed = undefined;
    if (failed?.record === record) this.#answer(record, failed.given);
  }

  #answer(record: AnyRecord, given: Given): void {
    const { side, key, timestamp, waiting } = given;
    let joined: unknown;
    try {
      joined = side.join(waiting.value, null, key);
    } catch (error) {
      this.#failed = { record, given };
      throw this.#notJoined(given, error);
    }
    this.#context.emit(new PlainRecord(key, joined, timestamp, waiting.headers));
  }

  #meet(record: AnyRecord, port: number, prepared: Prepared): void | Promise<void> {
    const { mine, other } = this.#seenFrom(port);
    const { timestamp } = record;
    const found = other.buffer.find(prepared.others, timestamp - mine.backMs, timestamp + mine.aheadMs);
    if (found instanceof Promise)
      return found.then((matches) => this.#join(record, prepared.own, mine, other, matches));
    this.#join(record, prepared.own, mine, other, found);
  }

  #join(
    record: AnyRecord,
    own: BucketKey<unknown>,
    mine: Side,
    other: Side,
    matches: readonly Match<unknown, unknown>[],
  ): void {
    const { key, value, timestamp, headers } = record;
    // All or nothing: nothing is emitted or written until the user's function has returned for each match and
    // the record is known to be encodable.
    const joined = matches.map(
      ({ chunk, at, timestamp: its }) =>
        new PlainRecord(key, mine.join(value, chunk.value(at), key), Math.max(timestamp, its), headers),
    );
    const unmet = matches.length === 0 && mine.waiting !== undefined;
    const now = this.#clock?.streamTime ?? Number.NEGATIVE_INFINITY;
    const waits = unmet && timestamp + mine.aheadMs >= now;
    const alone = unmet && !waits ? mine.join(value, null, key) : undefined;

    const kept = waits || mine.buffer.keeps(timestamp);
    if (kept) mine.buffer.check(value);

    if (other.waiting) this.#noLongerWaiting(key, other, matches, now);
    if (kept) {
      const ordinal = mine.buffer.put(own, timestamp, value, waits);
      if (waits) mine.waiting?.add(timestamp + mine.patienceMs, { key, ordinal }, { value, headers }, timestamp);
    } else this.#context.count('late');
    for (let i = 0; i < joined.length; i++) this.#context.emit(joined[i] as AnyRecord);
    if (unmet && !waits) this.#emit(record, alone, timestamp);
  }

  #noLongerWaiting(key: unknown, side: Side, matches: readonly Match<unknown, unknown>[], now: number): void {
    // A record that was joined with null keeps its mark.
    const met = matches.filter(({ chunk, at, timestamp }) => chunk.waits(at) && timestamp + side.patienceMs > now);
    if (met.length === 0) return;
    for (const { timestamp, ordinal } of met) side.waiting?.remove(timestamp + side.patienceMs, { key, ordinal });
    side.buffer.answered(met);
  }

  #emit(
    { key, headers }: { readonly key: unknown; readonly headers: Headers },
    value: unknown,
    timestamp: number,
  ): void {
    this.#context.emit(new PlainRecord(key, value, timestamp, headers));
  }

  #notJoined({ key, timestamp }: Given, error: unknown): StreamsError {
    return new StreamsError('PROCESS_FAILED', {
      what: `join threw for a record that had waited for a partner: ${messageOf(error)}`,
      at: this.#name,
      saw: `key ${show(key)}, timestamp ${timestamp}`,
      action:
        'Fix the function: it receives null for the missing side. If onError.process skips or dead-letters the record that made this one due, this one is dropped with it.',
      cause: error,
    });
  }
}
