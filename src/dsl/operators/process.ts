import type { Observable, OperatorFunction } from 'rxjs';
import { durationMs } from '../../model/duration.js';
import { messageOf, StreamsError } from '../../model/errors.js';
import { Headers as RecordHeaders } from '../../model/headers.js';
import { PlainRecord, type StreamRecord } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import { checkEncodes } from '../../serdes/check.js';
import { serdes } from '../../serdes/serdes.js';
import type { OperatorStore, StoreSpec } from '../../state/contract.js';
import { drawnNumber, drawnUuid } from '../common/drawn.js';
import { checkForwarded } from '../common/forwarded.js';
import { sameKey } from '../common/ids.js';
import { whenGiven } from '../contract/policy-options.js';
import type { AnySerde, Lookups, OriginalRecord, Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { KeyOf } from '../contract/types.js';
import { currentDeclaring, withMark } from '../declare/attach.js';
import { checkSerdes } from '../declare/checks.js';
import type { Rekey } from '../pipelines/ambient.js';
import type {
  Emitted,
  ProcessContext,
  ProcessFunction,
  ProcessOptions,
  ProcessorOptions,
  StoreDefinitions,
  StoresOf,
} from './process-context.js';
import { type StoreDefinition, storeSpecs, versioned } from './process-stores.js';

/**
 * The operator for everything else: a function per record, with stores and timers.
 *
 * The first argument declares the stores, and in `emits` the serde of the emitted values. The context of the
 * function takes its types from them. Without `emits` the function emits values of the input's type.
 *
 * The function may be async. The task waits for it before it takes the next record, so order is kept, and a
 * commit never happens in between. The function may emit any number of records per record. Writes to its
 * stores are committed together with the emitted records. If the function throws, the `onError.process`
 * policy applies (PROCESS_FAILED). It also applies to a value that `emits` or a store cannot write
 * (SERIALIZE_FAILED). What the function emitted and wrote for that record before the error stays.
 *
 * State: the named stores, each with its changelog. `get` answers for the record's own key and the keys of
 * `reads`, which are loaded for a whole batch at once. `load` answers for any key and may read the disk.
 * Cost: its reads and writes; an async function adds one promise per record. `emits` adds the check of its
 * serde for each emitted value: for JSON a look at each field, or the schema.
 *
 * ```ts
 * payments.pipe(
 *   process(
 *     {
 *       name: 'payments-of-the-day',
 *       stores: { days: { key: serdes.string, value: serdes.json<{ day: number; count: number }>() } },
 *       emits: serdes.int64,
 *     },
 *     (record, { stores, emit }) => {
 *       const day = Math.floor(record.timestamp / 86_400_000);
 *       const before = stores.days.get(record.key);
 *       const count = before?.day === day ? before.count + 1 : 1;
 *       stores.days.put(record.key, { day, count });
 *       emit({ key: record.key, value: count });
 *     },
 *   ),
 * ); // payments of key a on day 1, day 1 and day 2 → 1, 2, 1
 * ```
 */
export function process<
  R extends AnyRecord,
  S extends StoreDefinitions = Record<never, never>,
  V = R['value'],
  K = KeyOf<R>,
>(
  options: ProcessorOptions<R, K, V, S>,
  fn: ProcessFunction<R, StreamRecord<K, V>, S>,
): OperatorFunction<R, StreamRecord<K, V>>;
/**
 * @deprecated Pass the function as the second argument: `process({ name, stores, emits }, (record, context)
 * => …)`.
 */
export function process<
  R extends AnyRecord,
  Out extends AnyRecord = StreamRecord<KeyOf<R>, R['value']>,
  S extends StoreDefinitions = Record<never, never>,
>(options: ProcessOptions<R, Out, S>): OperatorFunction<R, Out>;
export function process(
  given: Omit<AnyOptions, 'process'>,
  fn?: AnyOptions['process'],
  // biome-ignore lint/suspicious/noExplicitAny: both signatures at once
): OperatorFunction<any, any> {
  const { emits, rekey } = given;
  // Without a function, the object itself is called: its methods may use `this`.
  const options = fn
    ? { ...given, process: fn, ...(rekey && emits && { rekey: { value: emits, ...rekey } }) }
    : (given as AnyOptions);
  const definitions = Object.entries<StoreDefinition<unknown, unknown>>(options.stores ?? {});
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
        ...whenGiven(options),
        ...(options.rekey && { emitsKey: options.rekey.key }),
        ...(emits && { emitsValue: emits }),
        create: (context) => new UserProcessor(context, options, ownKey, inherited),
      },
      [source],
    ) as unknown as Observable<AnyRecord>;
    if (emits) checkSerdes(current, `process ${options.name}`, { key: serdes.string, value: emits });
    if (!options.rekey) return origin;
    return withMark<AnyRecord, AnyRecord>({ label: 'rekey', rekey: options.rekey as Rekey }, (inner) => inner)(origin);
  };
}

/** Both signatures at once. */
// biome-ignore lint/suspicious/noExplicitAny: the context of a function, whatever its stores are
type AnyOptions = ProcessOptions<AnyRecord, AnyRecord, any> & { readonly emits?: AnySerde };

class UserProcessor implements Processor {
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
  readonly #keySerde: AnySerde;

  constructor(context: ProcessorContext, options: AnyOptions, ownKey: readonly StoreSpec[], keySerde: AnySerde) {
    this.#keySerde = keySerde;
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

  start(): void | Promise<void> {
    return this.#options.start?.(this.#user);
  }

  prepare(record: AnyRecord, _port: number, lookups: Lookups): void {
    if (this.#options.reads) {
      for (const [store, key, asOf] of this.#options.reads(record)) lookups.add(this.#context.store(store), key, asOf);
    } else if (record.key !== null) {
      this.#own ??= this.#ownKey
        .filter(({ key }) => key.format?.text === this.#keySerde.format?.text)
        .map(({ name }) => this.#context.store(name));
      for (const store of this.#own) lookups.add(store, record.key, record.timestamp);
    }
  }

  process(record: AnyRecord): void | Promise<void> {
    this.#record = record;
    return this.#options.process(record, this.#user);
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
