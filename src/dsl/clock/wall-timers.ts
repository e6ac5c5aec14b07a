import { StreamsError } from '../../model/errors.js';
import { serdes } from '../../serdes/serdes.js';
import type { OperatorStore, StoreSpec } from '../../state/contract.js';
import type { Alarm, AnyRecord, ProcessorContext } from '../contract/processor.js';
import { factsOf, momentOf, noted } from './noted.js';

/** What happens to firings that a timer has missed while its task did not run. */
export type MissedFirings = 'none' | 'one' | 'each';

/** The most firings that are noted for one commit. The rest follows with the next ones. */
const TOGETHER = 1_000;

/** The store of the last firings: needed to know which were missed. */
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
  /** The moment of the last firing that was noted. */
  noted: number;
  /** The moment of the last firing that has run. */
  fired: number;
  /** Whether a noted firing was not read yet: the timer waits for it, however slow the broker is. */
  isNoted: boolean;
}

export interface WallTimersOptions {
  /** The operator, for messages and paths. */
  readonly name: string;
  /** The index of its internal input. */
  readonly input: number;
  readonly missed: MissedFirings;
}

/**
 * The wall-clock timers of one operator. A timer that is due notes its firing in an internal input, and runs
 * when that record is read. So a replay runs it at the same place, with the same time.
 *
 * State: with `missed`, a row for each timer in `<name>-fired`.
 */
export class WallTimers {
  readonly #context: ProcessorContext;
  readonly #options: WallTimersOptions;
  readonly #timers = new Map<string, WallTimer>();
  /** Undefined: missed firings do not count. */
  readonly #fired: OperatorStore<string, number> | undefined;
  readonly #lastFired = new Map<string, number>();
  /** The origin of the current turn, and how many timers were scheduled in it. */
  #turn = '';
  #scheduled = 0;

  constructor(context: ProcessorContext, options: WallTimersOptions) {
    this.#context = context;
    this.#options = options;
    if (options.missed !== 'none') this.#fired = context.store(firedStore(options.name).name);
  }

  /** Reads which firings were the last. Called before a timer is scheduled. */
  async start(): Promise<void> {
    if (this.#fired) for await (const [id, at] of this.#fired.entries()) this.#lastFired.set(id, at);
  }

  schedule(everyMs: number, run: WallTimer['run']): () => void {
    if (!(Number.isFinite(everyMs) && everyMs >= 1)) throw noInterval(this.#options.name, everyMs);
    const id = this.#newId(everyMs);
    const { wallTime } = this.#context;
    const fired = this.#lastFired.get(id);
    const last = fired ?? Math.floor(wallTime / everyMs) * everyMs;
    const alarm = this.#context.alarm((now) => this.#ring(timer, now));
    const never = Number.NEGATIVE_INFINITY;
    const timer: WallTimer = { id, everyMs, run, alarm, noted: last, fired: fired ?? never, isNoted: false };
    this.#timers.set(id, timer);
    // From here on, it is known what it misses.
    if (this.#fired && fired === undefined && this.#context.notes) this.#note(timer, last, wallTime, true);
    if (this.#options.missed !== 'none' && last + everyMs <= wallTime) alarm.set(wallTime);
    else alarm.set(nextMultiple(everyMs, Math.max(last, wallTime)));
    return () => {
      alarm.clear();
      this.#timers.delete(id);
    };
  }

  /** A firing was read from the internal input. */
  process({ key, value, timestamp }: AnyRecord): void | Promise<void> {
    const { due, now, begins } = factsOf(value);
    const [moment, time] = [momentOf(due), momentOf(now)];
    const id = String(key);
    if (moment === undefined || time === undefined) return this.#context.drop('unknown-note');
    const timer = this.#timers.get(id);
    if (begins === true) return this.#remember(id, moment, timestamp);
    // It was cancelled meanwhile, or a crash has made the record twice.
    if (timer === undefined) return this.#context.drop('timer-gone');
    if (moment === timer.noted) this.#arm(timer);
    if (moment <= timer.fired) return this.#context.drop('timer-repeated');
    this.#remember(id, moment, timestamp);
    const pending = timer.run(time);
    // After the run: if it throws, the policy may try again.
    const done = (): void => {
      timer.fired = moment;
    };
    return pending ? pending.then(done) : done();
  }

  #ring(timer: WallTimer, now: number): void {
    const { everyMs, noted: last } = timer;
    if (timer.isNoted) return;
    if (this.#options.missed === 'each') {
      const until = Math.min(now, nextMultiple(everyMs, last) + everyMs * (TOGETHER - 1));
      for (let due = nextMultiple(everyMs, last); due <= until; due += everyMs) this.#note(timer, due, due);
    } else {
      // A clock that was set back must not stop the timer, and no moment comes twice.
      const due = Math.floor(now / everyMs) * everyMs;
      this.#note(timer, due > last ? due : last + 1, now);
    }
    timer.isNoted = true;
  }

  /** Rings when the next firing is due; at once, if it already is. */
  #arm(timer: WallTimer): void {
    timer.isNoted = false;
    // The clock may have been set back.
    const from = Math.min(timer.noted, this.#context.wallTime);
    if (this.#context.notes) timer.alarm.set(nextMultiple(timer.everyMs, from));
  }

  #note(timer: WallTimer, due: number, now: number, begins = false): void {
    const { name, input } = this.#options;
    timer.noted = due;
    const origin = `${name}[${this.#context.partition}] wall/${timer.id}@${due}`;
    const facts = { due, now, ...(begins && { begins }) };
    this.#context.note(input, noted(Buffer.from(timer.id), facts, { timestamp: due, origin }));
  }

  #remember(id: string, moment: number, timestamp: number): void {
    this.#fired?.put(id, moment, timestamp);
  }

  /** The same for the same timer, at each start of the task and in a replay. */
  #newId(everyMs: number): string {
    const { origin } = this.#context;
    this.#scheduled = origin === this.#turn ? this.#scheduled + 1 : 0;
    this.#turn = origin;
    return `${everyMs}${this.#scheduled === 0 ? '' : `#${this.#scheduled}`} ${origin}`;
  }
}

const nextMultiple = (everyMs: number, now: number): number => (Math.floor(now / everyMs) + 1) * everyMs;

const noInterval = (name: string, everyMs: number): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: 'a timer has no usable interval',
    at: name,
    saw: `${everyMs} ms`,
    expected: 'at least 1 ms',
    action: 'Give an interval such as "1s".',
  });
