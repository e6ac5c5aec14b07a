import type { StreamsError } from '../../model/errors.js';
import type { Headers } from '../../model/headers.js';
import type { SourcePosition } from '../../model/record.js';
import type { OperatorStore } from '../../state/contract.js';
import type { AnyRecord } from './push.js';

/** A record for an internal input. */
export interface NotedRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** It moves no stream time. */
  readonly timestamp: number;
  readonly headers: Headers;
  /**
   * Identifies what follows from the record, as the path of a record does: the same for every record that
   * says the same. Left out: the headers say it.
   */
  readonly origin?: string;
}

/** Wakes an operator at a time of the wall clock. */
export interface Alarm {
  /** Replaces the time that was set before. */
  set(at: number): void;
  clear(): void;
}

/** A call to an external service, to be made once the batch is processed. */
export interface PendingEffect {
  /** The same each time the same record is processed. */
  readonly id: string;
  readonly record: AnyRecord;
  run(idempotencyKey: string): void | Promise<void>;
}

/** What an operator does outside of its task, and notes when it has ended: its calls. */
export interface OutsideWork {
  /** How many pieces wait or run: until there are none, the task is not idle. */
  readonly pending: number;
  /** How many of them run. */
  readonly running: number;
  /** Whether the task must take no more input until the ends of some were read. */
  readonly isFull: boolean;
  /** Whether a piece could begin if a commit was done: the task then does not wait for the interval. */
  readonly wantsCommit: boolean;
  /** When {@link turn} must be called, by the wall clock; positive infinity: at no known time. */
  readonly nextTurn: number;
  /** What was written to stores before is committed. Must not throw. */
  committed(): void;
  /** Called between two batches and after commits. Must not throw, emit, or write to stores. */
  turn(now: number, mayBegin: boolean): void;
  /** The task ends: nothing may begin, and nothing that runs has an effect any more. */
  close(): void;
}

/** The engine's services for an operator that does something outside of its task. */
export interface OutsideContext {
  add(work: OutsideWork): void;
  /** A piece of work has ended, whether it was noted or not. */
  ended(): void;
  /** Whether a call may be made; otherwise it counts as made. */
  allows(call: Pick<PendingEffect, 'id' | 'record'> & { readonly position: SourcePosition }): boolean;
  /** Ends the application with an error. */
  fail(error: StreamsError): void;
  /** Writes a warning to the log. */
  warn(message: string): void;
}

/** A record that arrived before the current one, and was kept. */
export interface OriginalRecord {
  readonly position: SourcePosition;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/**
 * The engine's services for a processor. The record fields belong to the current record (inside a timer, to
 * the last record).
 */
export interface ProcessorContext {
  readonly taskId: string;
  readonly partition: number;
  store<K, V>(name: string): OperatorStore<K, V>;
  emit(record: AnyRecord): void;
  /** Source position of the current record. */
  readonly position: SourcePosition;
  /**
   * The path of the current record: a text that is the same each time the record is processed, and different
   * for every other record of this processor. Inside a timer, it identifies the timer's run.
   */
  readonly origin: string;
  /**
   * A text for one random draw: the same each time the current record (or timer) is processed, and different
   * for each call, in every processor and application.
   */
  draw(): string;
  /**
   * Position in the sequence of everything that this task has handled since it was opened. It is equal for
   * all records that one source record caused.
   */
  readonly sequence: number;
  readonly timestamp: number;
  readonly headers: Headers;
  /** The highest timestamp of this task's records, up to the current one. */
  readonly streamTime: number;
  /** Whether the policy of this processor may continue without a record on which `process` throws. */
  readonly mayGiveUp: boolean;
  /** Milliseconds of the wall clock. A replay has another: use it only to decide what to note. */
  readonly wallTime: number;
  /**
   * Whether anything can be noted. False in a replay, and in whatever else takes internal inputs as they are:
   * no alarm rings then, and what is noted is forgotten.
   */
  readonly notes: boolean;
  /**
   * Notes something that no input has brought. It may be called at any time. The next commit writes it to the
   * internal input, without waiting for its interval, and the task reads it back before anything else. So it
   * takes effect at one place among the records, and a replay finds it there.
   *
   * @param input The index of the internal input.
   */
  note(input: number, record: NotedRecord): void;
  /** Undefined where nothing is called: whenever {@link notes} is false. */
  readonly outside: OutsideContext | undefined;
  /** The key under which a service is called: the same for the same id, in any version of the application. */
  idempotencyKey(id: string): string;
  /** `ring` is called between two batches. It may note, but must not emit or write to stores. */
  alarm(ring: (now: number) => void): Alarm;
  /**
   * Runs at multiples of `everyMs` of stream time, counted from zero. If time passes several multiples at
   * once, it runs only once. Returns a function that cancels the timer.
   */
  schedule(everyMs: number, run: (now: number) => void | Promise<void>): () => void;
  /**
   * Sends a record that this processor rejects to the dead letter topic. This is the current source record,
   * unless `original` gives the position and bytes of an earlier one.
   */
  deadLetter(record: AnyRecord, error: Error, original?: OriginalRecord): void;
  /**
   * Requests a call to an external service. Calls run in the order of the records, before their cause is
   * committed. In a replay the call may not be made.
   */
  effect(effect: PendingEffect): void;
  /** Counts a record that a rule drops, so that no record is lost without a trace. */
  drop(reason: string): void;
  /** Adds to a counter of this processor, shown in the metrics. */
  count(name: string, by?: number): void;
}
