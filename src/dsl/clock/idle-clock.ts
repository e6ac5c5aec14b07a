import { type Duration, durationMs } from '../../model/duration.js';
import type { Alarm, AnyRecord, ProcessorContext } from '../contract/processor.js';
import { factsOf, momentOf, noted } from './noted.js';

/** The shortest interval between two steps. */
const STEP_MS = 1_000;

export interface IdleClockOptions {
  readonly idle: Duration;
  /** The operator, for messages and paths. */
  readonly name: string;
  /** The index of its internal input. */
  readonly input: number;
}

/** What an idle clock drives. */
export interface DrivenByClock {
  /** The next moment after `streamTime` at which anything is due; positive infinity: nothing is. */
  next(streamTime: number): number;
  /** Moves stream time to a moment, and handles what is due then. */
  advance(streamTime: number): void | Promise<void>;
}

/**
 * Advances stream time with the wall clock while no records come. After `idle` without a record, stream time
 * is the last record's stream time plus the wall time that has passed since. Each step is a record of an
 * internal input, so a replay makes the same steps at the same places. There is none while nothing is due.
 * The wait begins again with each start of the task.
 *
 * Anything that waits for stream time can use such a clock: windows that close, or a buffer that suppresses.
 */
export class IdleClock {
  readonly #context: ProcessorContext;
  readonly #options: IdleClockOptions;
  readonly #idleMs: number;
  readonly #alarm: Alarm;
  #driven: DrivenByClock = { next: () => Number.POSITIVE_INFINITY, advance: () => undefined };
  #lastWallTime = 0;
  #lastStreamTime = Number.NEGATIVE_INFINITY;
  /** The stream time of the last step. */
  #reached = Number.NEGATIVE_INFINITY;
  /** When the alarm rings. */
  #alarmAt = Number.POSITIVE_INFINITY;

  constructor(context: ProcessorContext, options: IdleClockOptions) {
    this.#context = context;
    this.#options = options;
    this.#idleMs = durationMs(options.idle, `closeAfter.idle of ${options.name}`);
    this.#alarm = context.alarm((now) => this.#ring(now));
  }

  drives(driven: DrivenByClock): void {
    this.#driven = driven;
  }

  /** A record came, or the task begins, and `streamTime` is the stream time now. */
  seen(streamTime: number): void {
    if (!this.#context.notes) return;
    this.#lastWallTime = this.#context.wallTime;
    this.#lastStreamTime = streamTime;
    this.#reached = streamTime;
    // Before the first record there is no stream time to advance.
    if (!Number.isFinite(streamTime)) return;
    // An alarm that is set for later was set for what was due then: this record may have brought it closer.
    const idleFrom = this.#lastWallTime + this.#idleMs;
    if (idleFrom < this.#alarmAt) this.#set(idleFrom);
  }

  /** A step was read from the internal input. */
  process({ value }: AnyRecord): void | Promise<void> {
    const to = momentOf(factsOf(value).streamTime);
    if (to === undefined) return this.#context.drop('unknown-note');
    return this.#driven.advance(to);
  }

  #ring(now: number): void {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    // The clock may have been set back.
    this.#lastWallTime = Math.min(this.#lastWallTime, now);
    // Records have come since the alarm was set.
    const idleFrom = this.#lastWallTime + this.#idleMs;
    if (now < idleFrom) return this.#set(idleFrom);
    const { name, input } = this.#options;
    const streamTime = this.#lastStreamTime + now - this.#lastWallTime;
    const due = this.#driven.next(this.#reached);
    if (due <= streamTime) {
      this.#reached = streamTime;
      const origin = `${name}[${this.#context.partition}] idle@${streamTime}`;
      this.#context.note(input, noted(null, { streamTime }, { timestamp: streamTime, origin }));
    }
    const then = this.#driven.next(this.#reached);
    if (Number.isFinite(then)) this.#set(Math.max(now + STEP_MS, this.#lastWallTime + then - this.#lastStreamTime));
  }

  #set(at: number): void {
    this.#alarmAt = at;
    this.#alarm.set(at);
  }
}
