import { durationMs } from '../../model/duration.js';
import { messageOf, StreamsError } from '../../model/errors.js';
import { Headers as RecordHeaders } from '../../model/headers.js';
import { PlainRecord } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import { checkEncodes } from '../../serdes/check.js';
import { serdes } from '../../serdes/serdes.js';
import type { OperatorStore, StoreSpec } from '../../state/contract.js';
import type { KeyTimer } from '../clock/key-timers.js';
import { drawnNumber, drawnUuid } from '../common/drawn.js';
import { checkForwarded } from '../common/forwarded.js';
import { sameKey } from '../common/ids.js';
import type { AnySerde, Lookups, OriginalRecord, Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { DeclaredClock, ProcessClock } from './process-clock.js';
import type { Emitted, ProcessContext, ProcessOptions, StoreDefinitions, StoresOf } from './process-context.js';
import { versioned } from './process-stores.js';

/** The port of the input; the other one is that of the internal input. */
const RECORDS = 0;

/** Both signatures at once. */
// biome-ignore lint/suspicious/noExplicitAny: the context of a function, whatever its stores are
export type AnyOptions = ProcessOptions<AnyRecord, AnyRecord, any> & { readonly emits?: AnySerde };

/** The function of `process` in one task. */
export class UserProcessor implements Processor {
  readonly #options: AnyOptions;
  readonly #context: ProcessorContext;
  /** Own stores that may write keys as the input does. Schema serdes confirm it only once they are open. */
  readonly #ownKey: readonly StoreSpec[];
  #own: readonly OperatorStore<unknown, unknown>[] | undefined;
  readonly #user: ProcessContext<StoreDefinitions, AnyRecord>;
  /** Left out if what is emitted is not checked here. */
  readonly #emits: AnySerde | undefined;
  /** The current record; undefined inside a timer. */
  #record: AnyRecord | undefined;
  /** The key of the current record or timer of a key; null: it has none. */
  #key: unknown = null;
  readonly #keySerde: AnySerde;
  readonly #clock: ProcessClock;

  constructor(
    context: ProcessorContext,
    options: AnyOptions,
    declared: { readonly ownKey: readonly StoreSpec[]; readonly keySerde: AnySerde; readonly clock: DeclaredClock },
  ) {
    const { ownKey, keySerde, clock } = declared;
    this.#keySerde = keySerde;
    this.#clock = clock.open(context, (timer) => this.#fire(timer));
    this.#context = context;
    this.#options = options;
    this.#ownKey = ownKey;
    // The schema of a bound serde belongs to a topic: the writer of the topic checks the value.
    this.#emits = options.emits?.binding ? undefined : options.emits;
    const byName = Object.fromEntries(
      Object.keys(options.stores ?? {}).map((name) => [name, context.store(name)]),
    ) as unknown as StoresOf<StoreDefinitions>;
    this.#user = this.#userContext(context, byName);
  }

  async start(): Promise<void> {
    await this.#clock.start();
    await this.#options.start?.(this.#user);
    this.#clock.begun();
  }

  prepare(record: AnyRecord, port: number, lookups: Lookups): void {
    if (port !== RECORDS) return;
    if (record.key !== null) this.#clock.prepare(record.key, lookups);
    if (this.#options.reads) {
      for (const [store, key, asOf] of this.#options.reads(record)) lookups.add(this.#context.store(store), key, asOf);
    } else if (record.key !== null) {
      this.#own ??= this.#ownKey
        .filter(({ key }) => key.format?.text === this.#keySerde.format?.text)
        .map(({ name }) => this.#context.store(name));
      for (const store of this.#own) lookups.add(store, record.key, record.timestamp);
    }
  }

  process(record: AnyRecord, port: number): void | Promise<void> {
    if (port !== RECORDS) return this.#clock.process(record);
    this.#record = record;
    this.#key = record.key;
    return this.#clock.after(this.#options.process(record, this.#user));
  }

  giveUp(record: AnyRecord, port: number): void | Promise<void> {
    return port === RECORDS ? this.#clock.after() : this.#clock.giveUp(record);
  }

  #fire(timer: KeyTimer<unknown, unknown>): void | Promise<void> {
    this.#record = undefined;
    this.#key = timer.key;
    return this.#options.timer?.run(timer as never, this.#user);
  }

  #schedule(everyMs: number, clock: 'stream' | 'wall', run: (now: number) => void | Promise<void>): () => void {
    const turn = (now: number): void | Promise<void> => {
      this.#record = undefined;
      this.#key = null;
      return run(now);
    };
    return clock === 'wall' ? this.#clock.timers.schedule(everyMs, turn) : this.#context.schedule(everyMs, turn);
  }

  #keyOfTimer(): unknown {
    if (this.#key !== null) return this.#key;
    throw new StreamsError('PROCESS_FAILED', {
      what: 'at and cancel belong to a key, and there is none',
      at: `process ${this.#options.name}`,
      action: 'Call them for a record with a key, not inside schedule or start.',
    });
  }

  #userContext(
    context: ProcessorContext,
    stores: StoresOf<StoreDefinitions>,
  ): ProcessContext<StoreDefinitions, AnyRecord> {
    const emit = (record: Emitted<AnyRecord>): void => this.#emit(record);
    return {
      taskId: context.taskId,
      partition: context.partition,
      stores,
      store: (name) => context.store(name),
      versionedStore: (name) => versioned(context.store(name)),
      emit,
      forward: emit,
      get position() {
        return context.position;
      },
      get timestamp() {
        return context.timestamp;
      },
      get headers() {
        return context.headers;
      },
      get streamTime() {
        return context.streamTime;
      },
      now: () => context.streamTime,
      random: () => drawnNumber(context.draw()),
      uuid: () => drawnUuid(context.draw()),
      schedule: (every, clock, run) =>
        this.#schedule(durationMs(every, `schedule of process ${this.#options.name}`), clock, run),
      at: (moment, payload, { id = '' } = {}) =>
        this.#clock.moments.at(this.#keyOfTimer(), id, Number(moment), payload),
      cancel: (id = '') => this.#clock.moments.cancel(this.#keyOfTimer(), id),
      deadLetter: (record, reason) =>
        context.deadLetter(record, new Error(reason), this.#record ? undefined : this.#written(record)),
    };
  }

  /** The bytes of a record without a current source record: a stored record that a timer gives up. */
  #written({ key, value }: AnyRecord): OriginalRecord {
    // A serde that may be bound to a read-only topic cannot encode.
    const keySerde = this.#keySerde.binding ? serdes.json() : this.#keySerde;
    return {
      position: this.#context.position,
      key: key === null ? null : keySerde.encode(key),
      value: value === null ? null : serdes.json().encode(value),
    };
  }

  #emit(record: Emitted<AnyRecord>): void {
    const { timestamp = this.#context.timestamp, headers = this.#context.headers ?? RecordHeaders.none } = record;
    const at = this.#record;
    if (!this.#options.rekey && at && !sameKey(this.#keySerde, record.key, at.key)) {
      throw new StreamsError('KEY_CHANGED', {
        what: 'a record was emitted under another key',
        at: `process ${this.#options.name}`,
        saw: `key ${show(record.key)}`,
        expected: `key ${show(at.key)}`,
        action: 'Set rekey: { name, key }, so that equal keys meet in one partition again.',
      });
    }
    checkForwarded(this.#options.name, timestamp, headers);
    if (this.#emits && record.value !== null) this.#checkValue(this.#emits, record.value);
    this.#context.emit(
      record instanceof PlainRecord ? record : new PlainRecord(record.key, record.value, timestamp, headers),
    );
  }

  #checkValue(serde: AnySerde, value: unknown): void {
    try {
      checkEncodes(serde, value);
    } catch (error) {
      throw new StreamsError('SERIALIZE_FAILED', {
        what: `cannot encode an emitted value with serde ${serde.name}: ${messageOf(error)}`,
        at: `process ${this.#options.name}`,
        action: 'Correct the value or the serde in emits; or set onError.process to skip or deadLetter.',
        cause: error,
      });
    }
  }
}
