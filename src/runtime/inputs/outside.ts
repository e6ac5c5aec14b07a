import type { PartitionOffset, ProducerRecord } from '../../broker/port.js';
import type { Alarm, NotedRecord } from '../../dsl/contract/processor.js';
import { ORIGIN_HEADER } from '../record/origin.js';
import { afterText, withAfter } from './after.js';
import { Works } from './works.js';

interface Noted extends NotedRecord {
  readonly topic: string;
}

class SetAlarm implements Alarm {
  at = Number.POSITIVE_INFINITY;

  constructor(
    readonly ring: (now: number) => void,
    readonly changed: () => void,
  ) {}

  set(at: number): void {
    this.at = at;
    this.changed();
  }

  clear(): void {
    this.at = Number.POSITIVE_INFINITY;
  }
}

/**
 * What reaches a task from outside of its sources: the wall clock, and the ends of calls. Whatever it is, an
 * operator can only note it. The next commit writes what was noted to the internal inputs, and the task acts
 * on it when it reads it back. So a replay, which reads the same records, acts in the same way.
 *
 * A task that fails forgets what it had noted and not committed. Operators know from their stores what they
 * have to note again.
 */
export class Outside {
  readonly #wake: () => void;
  readonly #isHeld: () => boolean;
  readonly #mayBegin: () => boolean;
  readonly #alarms = new Set<SetAlarm>();
  readonly works = new Works();
  #noted: Noted[] = [];
  #lastNow = Number.NEGATIVE_INFINITY;
  /** Called when a piece of work has ended. */
  #onEnded: () => void = () => undefined;

  /**
   * @param wake Interrupts a task that waits for records.
   * @param isHeld While it is true, no alarm rings and nothing is written: the task takes the past again, with
   * what was noted then.
   * @param mayBegin Whether calls may begin: the task does not end, and has read what earlier ones have noted.
   */
  constructor(wake: () => void, isHeld: () => boolean, mayBegin: () => boolean = () => true) {
    this.#wake = wake;
    this.#isHeld = isHeld;
    this.#mayBegin = mayBegin;
  }

  /** Whether the past is taken again: nothing is noted meanwhile. */
  get isHeld(): boolean {
    return this.#isHeld();
  }

  /** Whether something is noted that no commit has written, or a call waits for a commit to begin. */
  get isAwaited(): boolean {
    return (this.#noted.length > 0 || this.works.wantsCommit) && !this.#isHeld();
  }

  /** Whether the task must take no more input until outcomes of calls were read. */
  get isFull(): boolean {
    return this.works.isFull && !this.#isHeld();
  }

  /** A piece of work has ended. */
  ended(): void {
    this.#wake();
    this.#onEnded();
  }

  /** Resolves when no call runs, or the signal is aborted. Called once, when nothing begins any more. */
  async quiet(signal: AbortSignal): Promise<void> {
    while (this.works.running > 0 && !signal.aborted)
      await new Promise<void>((resolve) => {
        this.#onEnded = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
  }

  /** A commit is done. */
  committed(now: number): void {
    this.works.committed();
    this.#turn(now);
  }

  note(topic: string, record: NotedRecord): void {
    this.#noted.push({ ...record, topic });
    if (this.#noted.length === 1) this.#wake();
  }

  /** `ring` is called between two batches, once for each time that is set. */
  alarm(ring: (now: number) => void): Alarm {
    const alarm = new SetAlarm(ring, this.#wake);
    this.#alarms.add(alarm);
    return alarm;
  }

  /** When a turn is due: now if something must be committed. Positive infinity: at no known time. */
  get dueAt(): number {
    return this.isAwaited ? 0 : this.nextAlarm;
  }

  /** When the next alarm rings; positive infinity if none is set. */
  get nextAlarm(): number {
    let next = Number.POSITIVE_INFINITY;
    if (this.#isHeld()) return next;
    for (const { at } of this.#alarms) if (at < next) next = at;
    return this.#mayBegin() ? Math.min(next, this.works.nextTurn) : next;
  }

  #turn(now: number): void {
    if (!this.#isHeld()) this.works.turn(now, this.#mayBegin());
  }

  /**
   * Rings the alarms that are due, by their times, and lets calls begin. If the clock was set back, all of
   * them ring: they look again.
   */
  ring(now: number): void {
    if (this.#isHeld()) return;
    if (now < this.#lastNow)
      for (const alarm of this.#alarms) if (Number.isFinite(alarm.at)) alarm.at = Math.min(alarm.at, now);
    this.#lastNow = now;
    this.#turn(now);
    const due = [...this.#alarms].filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
    for (const alarm of due) {
      alarm.clear();
      alarm.ring(now);
    }
  }

  /**
   * Takes what was noted, as records for this partition of their topics.
   *
   * @param reached Everything that the task had read: see after.ts.
   */
  take(partition: number, reached: readonly PartitionOffset[]): readonly ProducerRecord[] {
    if (this.#isHeld()) return [];
    const noted = this.#noted;
    this.#noted = [];
    const after = afterText(reached);
    return noted.map(({ topic, key, value, timestamp, headers, origin }) => ({
      ...{ topic, partition, key, value, timestamp },
      headers: withAfter(origin === undefined ? headers : headers.with(ORIGIN_HEADER, origin), after),
    }));
  }
}
