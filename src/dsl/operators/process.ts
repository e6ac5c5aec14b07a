import type { Observable, OperatorFunction } from 'rxjs';
import { type Duration, durationMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';
import { type Headers, Headers as RecordHeaders } from '../../model/headers.js';
import { PlainRecord, type SourcePosition, type StreamRecord } from '../../model/record.js';
import { show } from '../../model/show.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { KeyValueStore, OperatorStore, StoreSpec, VersionedStore } from '../../state/contract.js';
import type { Rekey } from '../ambient.js';
import type { AnySerde, Lookups, OriginalRecord, Processor, ProcessorContext, TimerClock } from '../processor.js';
import type { AnyRecord } from '../push.js';
import type { KeyOf } from '../types.js';
import { currentDeclaring, withMark } from './attach.js';
import { drawnNumber, drawnUuid } from './drawn.js';
import { checkForwarded } from './forwarded.js';
import { sameKey } from './ids.js';
import { type StoreDefinition, storeSpecs, versioned } from './process-stores.js';

export type { StoreDefinition };

// biome-ignore lint/suspicious/noExplicitAny: a mapping of stores of any type; each keeps its own in the mapped types below
export type StoreDefinitions = Readonly<Record<string, StoreDefinition<any, any>>>;

export type StoresOf<S extends StoreDefinitions> = {
  readonly [Name in keyof S]: S[Name] extends StoreDefinition<infer K, infer V>
    ? S[Name] extends { readonly history: Duration }
      ? VersionedStore<K, V>
      : KeyValueStore<K, V>
    : never;
};

/** What a processor's functions are given. */
export interface ProcessContext<S extends StoreDefinitions, Out extends AnyRecord> {
  readonly taskId: string;
  readonly partition: number;
  readonly stores: StoresOf<S>;
  /** A store of another operator, by name: list it under `uses`. STORE_UNKNOWN otherwise. */
  store<K, V>(name: string): KeyValueStore<K, V>;
  /** The same of a versioned store. CONFIG_INVALID if that one keeps no past. */
  versionedStore<K, V>(name: string): VersionedStore<K, V>;
  /**
   * Passes a record on. Left out, timestamp and headers are those of the record at hand. KEY_CHANGED if the
   * key is another and `rekey` is not set.
   */
  forward(record: Pick<Out, 'key' | 'value'> & Partial<Pick<Out, 'timestamp' | 'headers'>>): void;
  /** Source position of the record at hand; inside a timer, of the last one. */
  readonly position: SourcePosition;
  readonly timestamp: number;
  readonly headers: Headers;
  /** The highest timestamp of this task's records so far. */
  readonly streamTime: number;
  /** The stream time as "now", equal whenever the record is processed again. Use it instead of Date.now(). */
  now(): number;
  /**
   * A number in [0, 1), equal whenever the record is processed again: after a crash, in other batches, in a
   * replay, by a shadow. Each call has a number of its own, whichever record, timer, operator or
   * application makes it. Use it instead of Math.random().
   *
   * It is made of the application's name, the operator's, the way of the record from its source (its position
   * there, through all operators and repartitions), and how many were drawn for it before. Inside a timer it
   * is made of the timer's interval and of the moment that is due; a timer of the wall clock is not due again
   * at the same moment after a crash, so what it drew is not drawn again. In `start` it is the same at each
   * start of the task.
   */
  random(): number;
  /**
   * A UUID (version 8), made as `random` is: equal whenever the record is processed again, another for each
   * call.
   */
  uuid(): string;
  /**
   * Runs at multiples of `every`, counted from zero, on stream time (replayable) or the wall clock (not), at
   * most once however far time has moved; the first record fires a stream-time timer, after it has run
   * through all processors of the task. Several that are due fire by due time, over all processors, then in
   * the order of their scheduling. Returns a function that cancels.
   */
  schedule(every: Duration, clock: TimerClock, run: (now: number) => void | Promise<void>): () => void;
  /**
   * Sends a record to the dead letter topic: the source record at hand as it was read; inside a timer the
   * record given, its key written as the input's keys are (Avro as JSON) and its value as JSON.
   */
  deadLetter(record: StreamRecord<unknown, unknown>, reason: string): void;
}

export interface ProcessOptions<R extends AnyRecord, Out extends AnyRecord, S extends StoreDefinitions> {
  readonly name: string;
  /** Stores of its own, by name. */
  readonly stores?: S;
  /** Names of other operators' stores that it reads, and of global tables' stores, which are read only. */
  readonly uses?: readonly string[];
  /**
   * Keys to load before the record is processed, so that `get` answers at once: pairs of store name and key.
   * Of a versioned store with the moment, if one is to be asked for or put. Default: the record's key in each
   * store of its own, as of its timestamp.
   */
  readonly reads?: (record: R) => Iterable<readonly [store: string, key: unknown, asOf?: number]>;
  /**
   * `key` (default): records of one key must meet in one task, so behind a change of key a repartition is put
   * in front if there are stores. `partition`: the stores are those of the partition, whatever the keys, and
   * nothing is put in front, as in Kafka Streams.
   */
  readonly scope?: 'key' | 'partition';
  /** Once per task, before the first record: the place to schedule timers. */
  readonly start?: (context: ProcessContext<S, Out>) => void | Promise<void>;
  readonly process: (record: R, context: ProcessContext<S, Out>) => void | Promise<void>;
  /**
   * Set if it forwards records under other keys: a keyed operator behind it then reads from a repartition
   * topic.
   */
  readonly rekey?: { readonly name?: string; readonly key: Serde<Out['key']>; readonly value?: Serde<Out['value']> };
}

/**
 * The operator for everything else: a function per record, with stores and timers.
 *
 * The function may be async; the task waits for it before it takes the next record, so order is kept, and a
 * commit never happens in between. For each record it may forward any number of records. What it writes to
 * its stores is committed together with what it forwards. A function that throws goes the way of
 * `onError.process` (PROCESS_FAILED); what it had forwarded and written for that record before stays.
 *
 * State: the stores named, each with its changelog. `get` answers for the record's own key and those of
 * `reads`, loaded for a whole batch at once; `load` answers any key and may read the disk. Cost: that of the
 * reads and writes it makes; an async function costs a promise a record.
 *
 * ```ts
 * payments.pipe(
 *   process({
 *     name: 'first-of-the-day',
 *     stores: { 'last-day': { key: serdes.string, value: serdes.int64 } },
 *     process(record: StreamRecord<string, Payment>, { stores, forward }) {
 *       const day = Math.floor(record.timestamp / 86_400_000);
 *       if (stores['last-day'].get(record.key) === day) return;
 *       stores['last-day'].put(record.key, day);
 *       forward(record);
 *     },
 *   }),
 * );
 * ```
 */
export function process<
  R extends AnyRecord,
  Out extends AnyRecord = StreamRecord<KeyOf<R>, R['value']>,
  S extends StoreDefinitions = Record<never, never>,
>(options: ProcessOptions<R, Out, S>): OperatorFunction<R, Out> {
  const definitions = Object.entries(options.stores ?? {});
  return (source) => {
    const current = currentDeclaring('process');
    const stores = definitions.flatMap(([name, definition]) =>
      storeSpecs(name, current.bound(definition, 'store', name)),
    );
    const isGlobal = (name: string): boolean => current.globalTables.some(({ store }) => store === name);
    const globals = options.uses?.filter(isGlobal) ?? [];
    const reads = options.uses?.filter((name) => !isGlobal(name)) ?? [];
    const keyed = options.scope !== 'partition' && (stores.length > 0 || reads.length > 0);
    const inherited = current.inspect(source).key;
    const ownKey = stores.filter(({ kind, key }) => kind !== 'versions' && key.name === inherited.name);
    const origin = current.processor(
      {
        operator: 'process',
        name: options.name,
        stores,
        reads,
        ...(globals.length > 0 && { globals }),
        keyed,
        asksOrigin: true,
        ...(options.rekey && { emitsKey: options.rekey.key }),
        create: (context) => new UserProcessor<R, Out, S>(context, options, ownKey, inherited),
      },
      [source],
    ) as unknown as Observable<Out>;
    if (!options.rekey) return origin;
    return withMark<Out, Out>({ label: 'rekey', rekey: options.rekey as Rekey }, (inner) => inner)(origin);
  };
}

class UserProcessor<R extends AnyRecord, Out extends AnyRecord, S extends StoreDefinitions> implements Processor {
  readonly #options: ProcessOptions<R, Out, S>;
  readonly #context: ProcessorContext;
  /** Those whose keys may be written as the record's are: serdes of schemas say it once they are open. */
  readonly #ownKey: readonly StoreSpec[];
  #own: readonly OperatorStore<unknown, unknown>[] | undefined;
  readonly #user: ProcessContext<S, Out>;
  /** The record at hand; undefined inside a timer. */
  #record: R | undefined;
  readonly #keySerde: AnySerde;

  constructor(
    context: ProcessorContext,
    options: ProcessOptions<R, Out, S>,
    ownKey: readonly StoreSpec[],
    keySerde: AnySerde,
  ) {
    this.#keySerde = keySerde;
    this.#context = context;
    this.#options = options;
    this.#ownKey = ownKey;
    const byName = Object.fromEntries(
      Object.keys(options.stores ?? {}).map((name) => [name, context.store(name)]),
    ) as unknown as StoresOf<S>;
    this.#user = this.#userContext(context, byName);
  }

  start(): void | Promise<void> {
    return this.#options.start?.(this.#user);
  }

  prepare(record: AnyRecord, _port: number, lookups: Lookups): void {
    if (this.#options.reads) {
      for (const [store, key, asOf] of this.#options.reads(record as R))
        lookups.add(this.#context.store(store), key, asOf);
    } else if (record.key !== null) {
      this.#own ??= this.#ownKey
        .filter(({ key }) => key.format?.text === this.#keySerde.format?.text)
        .map(({ name }) => this.#context.store(name));
      for (const store of this.#own) lookups.add(store, record.key, record.timestamp);
    }
  }

  process(record: AnyRecord): void | Promise<void> {
    this.#record = record as R;
    return this.#options.process(record as R, this.#user);
  }

  #userContext(context: ProcessorContext, stores: StoresOf<S>): ProcessContext<S, Out> {
    return {
      taskId: context.taskId,
      partition: context.partition,
      stores,
      store: (name) => context.store(name),
      versionedStore: (name) => versioned(context.store(name)),
      forward: (record) => this.#forward(record),
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
        context.schedule(durationMs(every, `schedule of process ${this.#options.name}`), clock, (now) => {
          this.#record = undefined;
          return run(now);
        }),
      deadLetter: (record, reason) =>
        context.deadLetter(record, new Error(reason), this.#record ? undefined : this.#written(record)),
    };
  }

  /** A record that no source record stands for: one that was kept, and is given up inside a timer. */
  #written({ key, value }: AnyRecord): OriginalRecord {
    // One that is bound to a topic which is only read cannot write.
    const keySerde = this.#keySerde.binding ? serdes.json() : this.#keySerde;
    return {
      position: this.#context.position,
      key: key === null ? null : keySerde.encode(key),
      value: value === null ? null : serdes.json().encode(value),
    };
  }

  #forward(record: Pick<Out, 'key' | 'value'> & Partial<Pick<Out, 'timestamp' | 'headers'>>): void {
    const { timestamp = this.#context.timestamp, headers = this.#context.headers ?? RecordHeaders.none } = record;
    const at = this.#record;
    if (!this.#options.rekey && at && !sameKey(this.#keySerde, record.key, at.key)) {
      throw new StreamsError('KEY_CHANGED', {
        what: 'a record was forwarded under another key',
        at: `process ${this.#options.name}`,
        saw: `key ${show(record.key)}`,
        expected: `key ${show(at.key)}`,
        action: 'Set rekey: { name, key }, so that equal keys meet in one partition again.',
      });
    }
    checkForwarded(this.#options.name, timestamp, headers);
    this.#context.emit(
      record instanceof PlainRecord ? record : new PlainRecord(record.key, record.value, timestamp, headers),
    );
  }
}
