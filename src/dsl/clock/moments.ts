import { StreamsError } from '../../model/errors.js';
import { isMoment, MOMENT } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import type { Serde } from '../../serdes/serde.js';
import { isWellFormed } from '../../serdes/text.js';
import type { OperatorStore } from '../../state/contract.js';
import { DueQueue } from '../buffers/due-queue.js';
import type { Alarm, AnyRecord, Lookups, ProcessorContext } from '../contract/processor.js';
import { dueName, type KeptTimer, type KeyTimer, type TimerId, timerIdSerde, timersName } from './key-timers.js';
import { factsOf, keyOf, momentOf, noted } from './noted.js';

export interface MomentsOptions<K, P> {
  /** The operator, for messages and paths. */
  readonly name: string;
  /** The index of its internal input. */
  readonly input: number;
  readonly key: Serde<K>;
  readonly payload: Serde<P>;
  readonly run: (timer: KeyTimer<K, P>) => void | Promise<void>;
}

/**
 * Timers of keys, each for one moment of the wall clock. When one is due, the operator notes that in its
 * internal input. The timer fires when this record is read, so a replay fires it at the same place.
 *
 * State: a row for each key with timers, and a row for each timer in the order of due times. Memory: the few
 * thousand timers that are due first. Cost of setting or cancelling a timer: it grows with the number of the
 * key's timers, but what is written does not.
 */
export class Moments<K, P> {
  readonly #context: ProcessorContext;
  readonly #options: MomentsOptions<K, P>;
  readonly #rows: OperatorStore<K, readonly KeptTimer[]>;
  readonly #queue: DueQueue<TimerId<K>, true>;
  readonly #alarm: Alarm;
  /** When the alarm rings. */
  #alarmAt = Number.POSITIVE_INFINITY;
  /** Timers that are noted, and were not read back yet. */
  readonly #noted = new Set<string>();

  constructor(context: ProcessorContext, options: MomentsOptions<K, P>) {
    this.#context = context;
    this.#options = options;
    this.#rows = context.store(timersName(options.name));
    this.#queue = new DueQueue(context.store(dueName(options.name)), timerIdSerde(options.key));
    this.#alarm = context.alarm((now) => this.#ring(now));
  }

  async start(): Promise<void> {
    await this.#queue.start();
    this.#wakeAt(this.#queue.next);
  }

  prepare(key: K, lookups: Lookups): void {
    lookups.add(this.#rows, key);
  }

  /** Sets a timer, or replaces the one with this id. */
  at(key: K, id: string, due: number, payload: P): void {
    const { name, payload: serde } = this.#options;
    if (!isMoment(due)) throw noMoment(name, due);
    if (typeof id !== 'string' || !isWellFormed(id)) throw noId(name, id);
    this.#put(key, { id, due, payload: serde.encode(payload).toString('base64') });
  }

  /** Whether there was such a timer. */
  cancel(key: K, id: string): boolean {
    return this.#remove(key, id) !== undefined;
  }

  /** Must be called after each turn that cancels timers: those that wait in the store come next. */
  ready(): void | Promise<void> {
    return this.#queue.ready()?.then(() => this.#wakeAt(this.#queue.next));
  }

  /** A due timer was read from the internal input. */
  async process(record: AnyRecord): Promise<void> {
    const due = this.#dueOf(record);
    if (due === undefined) return this.#context.drop('unknown-note');
    const { key, id } = due;
    this.#noted.delete(due.place);
    await this.#rows.load(key);
    const timer = this.#find(key, id);
    // It was cancelled or moved meanwhile, or a crash has made the record twice.
    if (timer?.due !== due.due) return this.#context.drop('timer-gone');
    const payload = this.#options.payload.decode(Buffer.from(timer.payload, 'base64'));
    this.#remove(key, id);
    try {
      await this.#options.run({ key, id, due: timer.due, payload });
    } catch (error) {
      // The policy may try again.
      this.#put(key, timer);
      throw error;
    } finally {
      await this.ready();
    }
  }

  /** The policy has given up on the timer of a record. */
  async giveUp(record: AnyRecord): Promise<void> {
    const due = this.#dueOf(record);
    if (due === undefined) return;
    await this.#rows.load(due.key);
    if (this.#find(due.key, due.id)?.due === due.due) this.#remove(due.key, due.id);
    await this.ready();
  }

  #find(key: K, id: string): KeptTimer | undefined {
    return this.#rows.get(key)?.find((timer) => timer.id === id);
  }

  #put(key: K, timer: KeptTimer): void {
    this.#remove(key, timer.id);
    const { timestamp } = this.#context;
    this.#rows.put(key, [...(this.#rows.get(key) ?? []), timer], timestamp);
    this.#queue.add(timer.due, { key, id: timer.id }, true, timestamp);
    this.#wakeAt(timer.due);
  }

  #remove(key: K, id: string): KeptTimer | undefined {
    const row = this.#rows.get(key) ?? [];
    const at = row.findIndex((timer) => timer.id === id);
    const timer = row[at];
    if (timer === undefined) return undefined;
    if (row.length === 1) this.#rows.delete(key);
    else this.#rows.put(key, row.toSpliced(at, 1), this.#context.timestamp);
    this.#queue.remove(timer.due, { key, id });
    return timer;
  }

  #ring(now: number): void {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    const next = this.#queue.look(now, (timer, due) => this.#note(timer, due));
    // What is due already, and only in the store, has its turn when those before it were read.
    if (next > now) this.#wakeAt(next);
  }

  #note({ key, id }: TimerId<K>, due: number): void {
    const { name, input, key: serde } = this.#options;
    const bytes = serde.encode(key);
    const place = placeOf(due, bytes, id);
    if (this.#noted.has(place)) return;
    this.#noted.add(place);
    const origin = `${name}[${this.#context.partition}] at@${place}`;
    this.#context.note(input, noted(bytes, { of: 'key', id, due }, { timestamp: due, origin }));
  }

  /** The timer of a record of the internal input. Undefined: the record names none. */
  #dueOf({ key: bytes, value }: AnyRecord): (TimerId<K> & { due: number; place: string }) | undefined {
    const { due: moment, id } = factsOf(value);
    const due = momentOf(moment);
    const known = keyOf(this.#options.key, bytes);
    if (due === undefined || typeof id !== 'string' || known === undefined) return undefined;
    return { key: known.key, id, due, place: placeOf(due, bytes as Buffer, id) };
  }

  #wakeAt(due: number): void {
    if (!this.#context.notes || due >= this.#alarmAt) return;
    this.#alarmAt = due;
    this.#alarm.set(due);
  }
}

const placeOf = (due: number, key: Buffer, id: string): string =>
  `${due} ${key.toString('base64url')} ${Buffer.from(id).toString('base64url')}`;

const noMoment = (name: string, due: number): StreamsError =>
  new StreamsError('PROCESS_FAILED', {
    what: 'a timer was set to no moment',
    at: name,
    saw: show(due),
    expected: MOMENT,
    action: 'Give milliseconds since 1970, or a Date.',
  });

const noId = (name: string, id: unknown): StreamsError =>
  new StreamsError('PROCESS_FAILED', {
    what: 'a timer was set with an id that is no text',
    at: name,
    saw: show(id),
    expected: 'a text without lone surrogates',
    action: 'Give another id, or leave it out.',
  });
