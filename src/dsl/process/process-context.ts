import type { Duration } from '../../model/duration.js';
import type { Headers } from '../../model/headers.js';
import type { SourcePosition, StreamRecord } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import type { KeyValueStore, VersionedStore } from '../../state/contract.js';
import type { KeyTimer } from '../clock/key-timers.js';
import type { MissedFirings } from '../clock/wall-timers.js';
import type { PolicyOptions } from '../contract/policy-options.js';
import type { AnyRecord } from '../contract/push.js';
import type { StoreDefinition } from './process-stores.js';

// biome-ignore lint/suspicious/noExplicitAny: a mapping of stores of any type; each keeps its own in the mapped types below
export type StoreDefinitions = Readonly<Record<string, StoreDefinition<any, any>>>;

export type StoresOf<S extends StoreDefinitions> = {
  readonly [Name in keyof S]: S[Name] extends StoreDefinition<infer K, infer V>
    ? S[Name] extends { readonly history: Duration }
      ? VersionedStore<K, V>
      : KeyValueStore<K, V>
    : never;
};

/** What a processor's functions receive. */
export interface ProcessContext<S extends StoreDefinitions, Out extends AnyRecord, P = unknown> {
  readonly taskId: string;
  readonly partition: number;
  readonly stores: StoresOf<S>;
  /** A store of another operator, by name: list it under `uses`. STORE_UNKNOWN otherwise. */
  store<K, V>(name: string): KeyValueStore<K, V>;
  /** The same for a versioned store. CONFIG_INVALID if that store keeps no past. */
  versionedStore<K, V>(name: string): VersionedStore<K, V>;
  /**
   * Passes a record on. Timestamp and headers default to the current record's. KEY_CHANGED if the key differs
   * and `rekey` is not set. SERIALIZE_FAILED if `emits` cannot write the value.
   */
  emit(record: Emitted<Out>): void;
  /** @deprecated The former name of `emit`. */
  forward(record: Emitted<Out>): void;
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
   * repartitions since. Inside a timer, the timer's interval and its due time replace the path. In `start`
   * the numbers are the same at each start of the task.
   */
  random(): number;
  /**
   * A UUID (version 8), derived like `random`: the same each time the record is processed, different for each
   * call.
   */
  uuid(): string;
  /**
   * Runs at multiples of `every`, counted from zero, on stream time or the wall clock. If time passes several
   * multiples at once, it runs only once. Due timers fire by due time across all processors. Returns a
   * function that cancels the timer.
   *
   * The first record fires a stream-time timer, after the record has run through all processors of the task.
   *
   * A wall-clock timer must be scheduled in `start`, which runs again after a crash. CONFIG_INVALID
   * elsewhere, or with `wallClock: false`. For a timer that a record sets, see `at`.
   *
   * A wall-clock timer that is due notes its firing in an internal input, `<application>-<name>-timers`, and
   * runs when the task reads it back. So a replay fires it at the same place among the records, with the same
   * `now`. The store `<name>-fired` keeps the last firing. What the timer emits has the time at which the
   * firing was due, or the stream time if that is earlier. If it throws, `onError.process` applies. If a
   * record or a timer cancels it, it stays cancelled, also after a restart. For firings that were missed
   * while the task did not run, see `wallClock`.
   */
  schedule(every: Duration, clock: 'stream' | 'wall', run: (now: number) => void | Promise<void>): () => void;
  /**
   * Sets a timer of the current key: `timer.run` is called once, when the wall clock has reached the moment.
   * Another timer of the key with this id (default: '') is replaced. Timers survive restarts; one that was
   * due meanwhile fires then. Like `schedule` it fires by a record of the internal input, so a replay fires
   * it at the same place. What it emits has the same timestamp as there. If it throws, `onError.process`
   * applies to this timer alone.
   *
   * Cost: it grows with the number of the key's timers, which are in memory while its records are processed.
   * CONFIG_INVALID without the option `timer`, PROCESS_FAILED for a key of null, and for an id with half of a
   * surrogate pair.
   */
  at(moment: number | Date, payload: P, options?: { readonly id?: string }): void;
  /** Cancels a timer of the current key. False: there is none with this id (default: ''). */
  cancel(id?: string): boolean;
  /**
   * Sends a record to the dead letter topic. Outside a timer this is the current source record, with its
   * original bytes. Inside a timer it is the given record, with the input's key serde (JSON instead of Avro)
   * and a JSON value.
   */
  deadLetter(record: StreamRecord<unknown, unknown>, reason: string): void;
}

export type Emitted<Out extends AnyRecord> = Pick<Out, 'key' | 'value'> & Partial<Pick<Out, 'timestamp' | 'headers'>>;

interface CommonOptions<R extends AnyRecord, Out extends AnyRecord, S extends StoreDefinitions, P = unknown>
  extends PolicyOptions {
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
  readonly start?: (context: ProcessContext<S, Out, P>) => void | Promise<void>;
  /**
   * Whether `start` schedules timers of the wall clock: these need an internal input, and the store
   * `<name>-fired` with the last firing of each. Default: if it has `start`; TOPOLOGY_INVALID without it.
   * `missed` says what happens at the start to the firings that a timer has missed: none comes later (the
   * default), one for all of them, or each, in order.
   */
  readonly wallClock?: boolean | { readonly missed: MissedFirings };
  /**
   * For timers that {@link ProcessContext.at} sets. `payload` is the serde of what is kept with a timer, in
   * the store `<name>-timers`; `<name>-due` keeps them in order. Inside `run` the current key is the timer's.
   */
  readonly timer?: {
    readonly payload: Serde<P>;
    readonly run: (
      timer: KeyTimer<R extends { readonly key: infer K } ? K : unknown, P>,
      context: ProcessContext<S, Out, P>,
    ) => void | Promise<void>;
  };
}

/** The first argument of `process`. `K` and `V` are the key and value of what it emits. */
export interface ProcessorOptions<
  R extends AnyRecord,
  K,
  V,
  S extends StoreDefinitions = Record<never, never>,
  P = unknown,
> extends CommonOptions<R, StreamRecord<K, V>, S, P> {
  /**
   * The serde of the emitted values: `emit` takes its type. A value that it cannot write fails the record
   * that emitted it, as `put` does for a store. A repartition topic after the operator is written with it.
   * An Avro schema belongs to a topic, so the sink, store or repartition topic checks the value instead.
   * Default: values of the input's type, unchecked, and JSON in a repartition topic.
   */
  readonly emits?: Serde<V>;
  /**
   * Set this if the function emits records under other keys: `emit` takes the type of `key`. A following
   * keyed operator then reads from a repartition topic.
   */
  readonly rekey?: { readonly name?: string; readonly key: Serde<K> };
}

export type ProcessFunction<R extends AnyRecord, Out extends AnyRecord, S extends StoreDefinitions, P = unknown> = (
  record: R,
  context: ProcessContext<S, Out, P>,
) => void | Promise<void>;

/** @deprecated `process` takes the function as its second argument: use `ProcessorOptions`. */
export interface ProcessOptions<R extends AnyRecord, Out extends AnyRecord, S extends StoreDefinitions>
  extends CommonOptions<R, Out, S> {
  readonly process: ProcessFunction<R, Out, S>;
  /** Set this if the function emits records under other keys. */
  readonly rekey?: { readonly name?: string; readonly key: Serde<Out['key']>; readonly value?: Serde<Out['value']> };
}
