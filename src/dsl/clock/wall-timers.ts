import { StreamsError } from '../../model/errors.js';
import { serdes } from '../../serdes/serdes.js';
import type { OperatorStore, StoreSpec } from '../../state/contract.js';
import type { Alarm, AnyRecord, ProcessorContext } from '../contract/processor.js';
import { factsOf, momentOf, noted } from './noted.js';

/** What happens to firings that a timer has missed while its task did not run. */
export type MissedFirings = 'none' | 'one' | 'each';

/** The most firings that are noted for one commit. The rest follows with the next ones. */
const TOGETHER = 1_000;

/** In the row of a timer: it was cancelled. */
const CANCELLED = -1;

/** The store of the last firings. Whether a firing repeats is decided by it, so a replay decides the same. */
export const firedStore = (name: string): StoreSpec => ({
  name: `${name}-fired`,
  kind: 'keyValue',
  key: serdes.string,
  value: serdes.int64,
});

interface WallTimer {
  readonly id: string;
  readonly everyMs: number;
  readonly run: (now: number) => void | Promise<void>;
  readonly alarm: Alarm;
  /** The last firing that was noted and not read yet: the timer waits for it, however slow the broker is. */
  awaited: number | undefined;
  /** The start knew of no firing: the first ring notes that it begins, unless one was read since. */
  isNew: boolean;
}

export interface WallTimersOptions {
  /** The operator, for messages and paths. */
  readonly name: string;
  /** The index of its internal input. */
  readonly input: number;
  readonly missed: MissedFirings;
}

/** A firing as the internal input has it. */
interface Firing {
  readonly timer: WallTimer;
  readonly moment: number;
  readonly now: number;
  /** Nothing fires: from this moment on it is known what the timer misses. */
  readonly begins: boolean;
}

/**
 * The wall-clock timers of one operator. A timer that is due notes its firing in an internal input, and runs
 * when that record is read. So a replay runs it at the same place, with the same time.
 *
 * The moments of a timer's firings increase over its life. They are multiples of its interval; after the
 * clock was set back, each is one millisecond after the last, until the clock has passed that.
 *
 * State: a row for each timer in `<name>-fired`.
 */
export class WallTimers {
  readonly #context: ProcessorContext;
  readonly #options: WallTimersOptions;
  readonly #timers = new Map<string, WallTimer>();
  readonly #store: OperatorStore<string, number>;
  /** The rows of the store. */
  readonly #fired = new Map<string, number>();
  #scheduled = 0;
  #isBegun = false;

  constructor(context: ProcessorContext, options: WallTimersOptions) {
    this.#context = context;
    this.#options = options;
    this.#store = context.store(firedStore(options.name).name);
  }

  /** Reads which firings were the last. Called before a timer is scheduled. */
  async start(): Promise<void> {
    for await (const [id, at] of this.#store.entries()) this.#fired.set(id, at);
  }

  /** The operator has started: all timers are scheduled. */
  begun(): void {
    this.#isBegun = true;
  }

  schedule(everyMs: number, run: WallTimer['run']): () => void {
    if (this.#isBegun) throw scheduledLate(this.#options.name);
    if (!(Number.isFinite(everyMs) && everyMs >= 1)) throw noInterval(this.#options.name, everyMs);
    const id = this.#newId(everyMs);
    const alarm = this.#context.alarm((now) => this.#ring(timer, now));
    const timer: WallTimer = { id, everyMs, run, alarm, awaited: undefined, isNew: false };
    if (this.#fired.get(id) === CANCELLED) return () => undefined;
    this.#timers.set(id, timer);
    const { wallTime } = this.#context;
    if (this.#options.missed === 'none') this.#arm(timer, wallTime);
    else if (this.#fired.has(id)) this.#arm(timer);
    else {
      timer.isNew = true;
      this.#wakeAt(timer, wallTime);
    }
    return () => {
      alarm.clear();
      if (!this.#timers.delete(id)) return;
      // The next start schedules it again, but a replay has only one start. Neither may fire it again.
      if (this.#isBegun) this.#put(id, CANCELLED, this.#context.timestamp);
    };
  }

  /** A firing was read from the internal input. */
  process(record: AnyRecord): void | Promise<void> {
    const firing = this.#firingOf(record);
    if (typeof firing === 'string') return this.#context.drop(firing);
    const { timer, moment, now, begins } = firing;
    const last = this.#fired.get(timer.id);
    // A crash has made the record twice, or a start did not know of one that was not read yet.
    if (last !== undefined && (begins || moment <= last)) {
      this.#goOn(firing);
      return this.#context.drop('timer-repeated');
    }
    const pending = begins ? undefined : timer.run(now);
    // After the run: if it throws, the policy may try again.
    return pending ? pending.then(() => this.#done(firing, record)) : this.#done(firing, record);
  }

  /** The policy has given up on a firing. */
  giveUp(record: AnyRecord): void {
    const firing = this.#firingOf(record);
    if (typeof firing !== 'string') this.#done(firing, record);
  }

  /** The reason to drop the record, if it is no firing of a timer. */
  #firingOf({ key, value }: AnyRecord): Firing | 'unknown-note' | 'timer-gone' {
    const { due, now, begins } = factsOf(value);
    const [moment, time] = [momentOf(due), momentOf(now)];
    if (moment === undefined || time === undefined) return 'unknown-note';
    const timer = this.#timers.get(String(key));
    if (timer === undefined) return 'timer-gone';
    return { timer, moment, now: time, begins: begins === true };
  }

  #done(firing: Firing, { timestamp }: AnyRecord): void {
    const { timer, moment } = firing;
    // It may have cancelled itself.
    if (!this.#timers.has(timer.id)) return;
    this.#put(timer.id, moment, timestamp);
    this.#goOn(firing);
  }

  /** After a firing of an earlier start, the alarm stays as it is. */
  #goOn({ timer, moment }: Firing): void {
    if (timer.awaited === undefined || moment < timer.awaited) return;
    timer.awaited = undefined;
    this.#arm(timer);
  }

  #ring(timer: WallTimer, now: number): void {
    const { everyMs } = timer;
    if (timer.awaited !== undefined) return;
    const last = this.#fired.get(timer.id);
    const due = lastMultiple(everyMs, now);
    const { isNew } = timer;
    timer.isNew = false;
    if (last === undefined) return this.#note(timer, due, now, isNew);
    if (isNew) return this.#arm(timer);
    // The clock was set back. That must not stop the timer, and no moment comes twice.
    if (last > now) return this.#note(timer, last + 1, now);
    // The firing was noted before this start, and read since the alarm was set.
    if (due <= last) return this.#arm(timer);
    if (this.#options.missed !== 'each') return this.#note(timer, due, now);
    const first = nextMultiple(everyMs, last);
    const until = Math.min(due, first + everyMs * (TOGETHER - 1));
    for (let each = first; each <= until; each += everyMs) this.#note(timer, each, each);
  }

  /** Rings at the next multiple after the last firing; at once, if the clock has passed it. */
  #arm(timer: WallTimer, last = this.#fired.get(timer.id) ?? this.#context.wallTime): void {
    // The clock may have been set back.
    this.#wakeAt(timer, nextMultiple(timer.everyMs, Math.min(last, this.#context.wallTime)));
  }

  #wakeAt(timer: WallTimer, at: number): void {
    if (this.#context.notes) timer.alarm.set(at);
  }

  #note(timer: WallTimer, due: number, now: number, begins = false): void {
    const { name, input } = this.#options;
    timer.awaited = due;
    const origin = `${name}[${this.#context.partition}] wall/${timer.id}@${due}`;
    const facts = { due, now, ...(begins && { begins }) };
    this.#context.note(input, noted(Buffer.from(timer.id), facts, { timestamp: due, origin }));
  }

  #put(id: string, moment: number, timestamp: number): void {
    this.#fired.set(id, moment);
    this.#store.put(id, moment, timestamp);
  }

  /** The same for the same timer, at each start of the task and in a replay. */
  #newId(everyMs: number): string {
    const nth = this.#scheduled++;
    return `${everyMs}${nth === 0 ? '' : `#${nth}`} ${this.#context.origin}`;
  }
}

const lastMultiple = (everyMs: number, now: number): number => Math.floor(now / everyMs) * everyMs;

const nextMultiple = (everyMs: number, now: number): number => lastMultiple(everyMs, now) + everyMs;

const scheduledLate = (name: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: 'a timer of the wall clock was scheduled after the start',
    at: `process ${name}`,
    action: 'Schedule it in start, which runs again after a crash. For a timer that a record sets, use at.',
  });

const noInterval = (name: string, everyMs: number): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: 'a timer has no usable interval',
    at: name,
    saw: `${everyMs} ms`,
    expected: 'at least 1 ms',
    action: 'Give an interval such as "1s".',
  });
