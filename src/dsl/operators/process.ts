import type { Observable, OperatorFunction } from 'rxjs';
import { type Duration, durationMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';
import { type Headers, Headers as RecordHeaders } from '../../model/headers.js';
import { PlainRecord, type SourcePosition, type StreamRecord } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { KeyValueStore, OperatorStore, StoreSpec, VersionedStore } from '../../state/contract.js';
import { drawnNumber, drawnUuid } from '../common/drawn.js';
import { checkForwarded } from '../common/forwarded.js';
import { sameKey } from '../common/ids.js';
import type {
  AnySerde,
  Lookups,
  OriginalRecord,
  Processor,
  ProcessorContext,
  TimerClock,
} from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { KeyOf } from '../contract/types.js';
import { currentDeclaring, withMark } from '../declare/attach.js';
import type { Rekey } from '../pipelines/ambient.js';
import { type StoreDefinition, storeSpecs, versioned } from './process-stores.js';

export type { StoreDefinition };

// biome-ignore lint/suspicious/noExplicitAny: a mapping of stores of any type; each keeps its own in the
// mapped types below
export type StoreDefinitions = Readonly<Record<string, StoreDefinition<any, any>>>;

export type StoresOf<S extends StoreDefinitions> = {
  readonly [Name in keyof S]: S[Name] extends StoreDefinition<infer K, infer V>
    ? S[Name] extends { readonly history: Duration }
      ? VersionedStore<K, V>
      : KeyValueStore<K, V>
    : never;
};

/** What a processor's functions receive. */
export interface ProcessContext<S extends StoreDefinitions, Out extends AnyRecord> {
  readonly taskId: string;
  readonly partition: number;
  readonly stores: StoresOf<S>;
  /** A store of another operator, by name: list it under `uses`. STORE_UNKNOWN otherwise. */
  store<K, V>(name: string): KeyValueStore<K, V>;
  /** The same for a versioned store. CONFIG_INVALID if that store keeps no past. */
  versionedStore<K, V>(name: string): VersionedStore<K, V>;
  /**
   * Passes a record on. Timestamp and headers default to the current record's. KEY_CHANGED if the key differs
   * and `rekey` is not set.
   */
  forward(record: Pick<Out, 'key' | 'value'> & Partial<Pick<Out, 'timestamp' | 'headers'>>): void;
  /** Source position of the current record; inside a timer, of the last record. */
  readonly position: SourcePosition;
  readonly timestamp: number;
  readonly headers: Headers;
  /** The highest timestamp of this task's records so far. */
  readonly streamTime: number;
  /** The stream time as "now", the same each time the record is processed. Use it instead of Date.now(). */
  now(): number;
  /**
   * A number in [0, 1), the same each time the record is processed: after a crash, in other batches, in a
   * replay, in a shadow. Each call returns a number of its own, in every record, timer, operator and
   * application. Use it instead of Math.random().
   *
   * The number is derived from the names of the application and the operator, the record's path, and how many
   * numbers were drawn for it before. The path is the record's source position and all operators and
   * repartitions since. Inside a timer, the timer's interval and its due time replace the path. A wall-clock
   * timer does not become due at the same moment again after a crash, so its numbers are not drawn again. In
   * `start` the numbers are the same at each start of the task.
   */
  random(): number;
  /**
   * A UUID (version 8), derived like `random`: the same each time the record is processed, different for each
   * call.
   */
  uuid(): string;
  /**
   * Runs at multiples of `every`, counted from zero, on stream time (replayable) or the wall clock (not
   * replayable). If time passes several multiples at once, it runs only once. The first record fires a
   * stream-time timer, after the record has run through all processors of the task. Due timers fire by due
   * time across all processors, then in the order of their scheduling. Returns a function that cancels the
   * timer.
   */
  schedule(every: Duration, clock: TimerClock, run: (now: number) => void | Promise<void>): () => void;
  /**
   * Sends a record to the dead letter topic. Outside a timer this is the current source record, with its
   * original bytes. Inside a timer it is the given record, with the input's key serde (JSON instead of Avro)
   * and a JSON value.
   */
  deadLetter(record: StreamRecord<unknown, unknown>, reason: string): void;
}

export interface ProcessOptions<R extends AnyRecord, Out extends AnyRecord, S extends StoreDefinitions> {
  readonly name: string;
  /** The operator's own stores, by name. */
  readonly stores?: S;
  /** Names of other operators' stores that it uses, and of global tables' stores, which are read-only. */
  readonly uses?: readonly string[];
  /**
   * Keys to load before the record is processed, so that `get` answers at once: pairs of store name and key.
   * For a versioned store, add the moment if `process` will read or write at one. Default: the record's key
   * in each of the operator's own stores, as of the record's timestamp.
   */
  readonly reads?: (record: R) => Iterable<readonly [store: string, key: unknown, asOf?: number]>;
  /**
   * `key` (default): records of one key must meet in one task, so a repartition is inserted after a key
   * change if there are stores. `partition`: the stores belong to the partition, whatever the keys, and no
   * repartition is inserted, as in Kafka Streams.
   */
  readonly scope?: 'key' | 'partition';
  /** Runs once per task, before the first record: the place to schedule timers. */
  readonly start?: (context: ProcessContext<S, Out>) => void | Promise<void>;
  readonly process: (record: R, context: ProcessContext<S, Out>) => void | Promise<void>;
  /**
   * Set this if the function forwards records under other keys. A following keyed operator then reads from a
   * repartition topic.
   */
  readonly rekey?: { readonly name?: string; readonly key: Serde<Out['key']>; readonly value?: Serde<Out['value']> };
}

/**
 * The operator for everything else: a function per record, with stores and timers.
 *
 * The function may be async. The task waits for it before it takes the next record, so order is kept, and a
 * commit never happens in between. The function may forward any number of records per record. Writes to its
 * stores are committed together with the forwarded records. If the function throws, the `onError.process`
 * policy applies (PROCESS_FAILED). What it forwarded and wrote for that record before the error stays.
 *
 * State: the named stores, each with its changelog. `get` answers for the record's own key and the keys of
 * `reads`, which are loaded for a whole batch at once. `load` answers for any key and may read the disk.
 * Cost: its reads and writes; an async function adds one promise per record.
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
  /** Own stores that may write keys as the input does. Schema serdes confirm it only once they are open. */
  readonly #ownKey: readonly StoreSpec[];
  #own: readonly OperatorStore<unknown, unknown>[] | undefined;
  readonly #user: ProcessContext<S, Out>;
  /** The current record; undefined inside a timer. */
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
