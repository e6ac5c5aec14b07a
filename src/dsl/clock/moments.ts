import { StreamsError } from '../../model/errors.js';
import { isMoment, MOMENT } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { OperatorStore, StoreSpec } from '../../state/contract.js';
import { DueQueue, dueStore } from '../buffers/due-queue.js';
import type { Alarm, AnyRecord, Lookups, ProcessorContext } from '../contract/processor.js';
import { factsOf, momentOf, noted } from './noted.js';

/** A timer that fires once, for one key. */
export interface KeyTimer<K, P> {
  readonly key: K;
  /** Distinguishes the timers of a key. */
  readonly id: string;
  /** When it is due, by the wall clock, in milliseconds. */
  readonly due: number;
  readonly payload: P;
}

/** The timers of a key: id, due time, payload as base64. */
type Row = readonly (readonly [id: string, due: number, payload: string])[];

const rowsName = (name: string): string => `${name}-timers`;
const dueName = (name: string): string => `${name}-due`;

/**
 * The stores of an operator's moments: the timers of each key, and the keys in the order of their next ones.
 */
export const momentStores = <K>(name: string, key: Serde<K>): readonly StoreSpec[] => [
  { name: rowsName(name), kind: 'keyValue', key, value: serdes.json<Row>() },
  dueStore(dueName(name), key, serdes.json<true>()),
];

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
 * State: a row for each key with timers, and a row in the order of due times. Memory: the few thousand keys
 * that are due first.
 */
export class Moments<K, P> {
  readonly #context: ProcessorContext;
  readonly #options: MomentsOptions<K, P>;
  readonly #rows: OperatorStore<K, Row>;
  readonly #queue: DueQueue<K, true>;
  readonly #alarm: Alarm;
  /** Keys whose due time is noted, and was not read back yet: `due key`. */
  readonly #noted = new Set<string>();

  constructor(context: ProcessorContext, options: MomentsOptions<K, P>) {
    this.#context = context;
    this.#options = options;
    this.#rows = context.store(rowsName(options.name));
    this.#queue = new DueQueue(context.store(dueName(options.name)), options.key);
    this.#alarm = context.alarm((now) => this.#ring(now));
  }

  async start(): Promise<void> {
    await this.#queue.start();
    this.#arm();
  }

  prepare(key: K, lookups: Lookups): void {
    lookups.add(this.#rows, key);
  }

  /** Sets a timer, or replaces the one with this id. */
  at(key: K, id: string, due: number, payload: P): void {
    if (!isMoment(due)) throw noMoment(this.#options.name, due);
    const bytes = this.#options.payload.encode(payload).toString('base64');
    const row = this.#rows.get(key) ?? [];
    this.#write(key, row, [...row.filter(([other]) => other !== id), [id, due, bytes]]);
  }

  /** Whether there was such a timer. */
  cancel(key: K, id: string): boolean {
    const row = this.#rows.get(key) ?? [];
    const left = row.filter(([other]) => other !== id);
    if (left.length === row.length) return false;
    this.#write(key, row, left);
    return true;
  }

  /** A due time was read from the internal input. */
  async process({ key: bytes, value }: AnyRecord): Promise<void> {
    const due = momentOf(factsOf(value).due);
    if (due === undefined || bytes === null) return this.#context.drop('unknown-note');
    const key = this.#options.key.decode(bytes);
    this.#noted.delete(placeOf(due, bytes));
    await this.#rows.load(key);
    const ready = (this.#rows.get(key) ?? []).filter(([, at]) => at <= due).toSorted(([, a], [, b]) => a - b);
    // It was cancelled or moved meanwhile, or a crash has made the record twice.
    if (ready.length === 0) this.#context.drop('timer-gone');
    for (const [id, at, payload] of ready) {
      const timer = { key, id, due: at, payload: this.#options.payload.decode(Buffer.from(payload, 'base64')) };
      this.cancel(key, id);
      try {
        await this.#options.run(timer);
      } catch (error) {
        // The policy may try again.
        this.at(key, id, at, timer.payload);
        throw error;
      }
    }
    const pending = this.#queue.ready();
    if (pending) await pending;
    this.#arm();
  }

  /** The policy has given up on the timers of a record. */
  async giveUp({ key: bytes, value }: AnyRecord): Promise<void> {
    const due = momentOf(factsOf(value).due);
    if (due === undefined || bytes === null) return;
    const key = this.#options.key.decode(bytes);
    await this.#rows.load(key);
    for (const [id, at] of this.#rows.get(key) ?? []) if (at <= due) this.cancel(key, id);
  }

  #write(key: K, before: Row, after: Row): void {
    const { timestamp } = this.#context;
    const [was, is] = [earliest(before), earliest(after)];
    if (after.length === 0) this.#rows.delete(key);
    else this.#rows.put(key, after, timestamp);
    if (was === is) return;
    if (was !== undefined) this.#queue.remove(was, key);
    if (is !== undefined) this.#queue.add(is, key, true, timestamp);
    this.#arm();
  }

  #ring(now: number): void {
    const { name, input, key: serde } = this.#options;
    this.#queue.look(now, (key, due) => {
      const bytes = serde.encode(key);
      const place = placeOf(due, bytes);
      if (this.#noted.has(place)) return;
      this.#noted.add(place);
      const origin = `${name}[${this.#context.partition}] at@${due} ${bytes.toString('base64url')}`;
      this.#context.note(input, noted(bytes, { of: 'key', due }, { timestamp: due, origin }));
    });
  }

  /** Rings when the next key is due; what is noted already rings again when it was read. */
  #arm(): void {
    const { next } = this.#queue;
    if (this.#context.notes && Number.isFinite(next)) this.#alarm.set(next);
  }
}

const earliest = (row: Row): number | undefined =>
  row.length === 0 ? undefined : Math.min(...row.map(([, due]) => due));

const placeOf = (due: number, key: Buffer): string => `${due} ${key.toString('base64url')}`;

const noMoment = (name: string, due: number): StreamsError =>
  new StreamsError('PROCESS_FAILED', {
    what: 'a timer was set to no moment',
    at: name,
    saw: show(due),
    expected: MOMENT,
    action: 'Give milliseconds since 1970, or a Date.',
  });
