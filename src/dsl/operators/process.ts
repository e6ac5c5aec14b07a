import type { Observable, OperatorFunction } from 'rxjs';
import type { StreamRecord } from '../../model/record.js';
import { serdes } from '../../serdes/serdes.js';
import { whenGiven } from '../contract/policy-options.js';
import type { AnyRecord } from '../contract/push.js';
import type { KeyOf } from '../contract/types.js';
import { currentDeclaring, withMark } from '../declare/attach.js';
import { checkSerdes } from '../declare/checks.js';
import type { Rekey } from '../pipelines/ambient.js';
import { DeclaredClock } from '../process/process-clock.js';
import type {
  ProcessFunction,
  ProcessOptions,
  ProcessorOptions,
  StoreDefinitions,
} from '../process/process-context.js';
import { type StoreDefinition, storeSpecs } from '../process/process-stores.js';
import { type AnyOptions, UserProcessor } from '../process/user-processor.js';

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
  P = unknown,
>(
  options: ProcessorOptions<R, K, V, S, P>,
  fn: ProcessFunction<R, StreamRecord<K, V>, S, P>,
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
    const keyed =
      options.scope !== 'partition' && (stores.length > 0 || reads.length > 0 || options.timer !== undefined);
    const inherited = current.inspect(source).key;
    const ownKey = stores.filter(({ kind, key }) => kind !== 'versions' && key.name === inherited.name);
    const clock = new DeclaredClock(current, options, inherited);
    const origin = current.processor(
      {
        operator: 'process',
        name: options.name,
        stores: [...stores, ...clock.stores],
        reads,
        ...(clock.internalInputs.length > 0 && { internalInputs: clock.internalInputs }),
        ...(globals.length > 0 && { globals }),
        keyed,
        asksOrigin: true,
        ...whenGiven(options),
        ...(options.rekey && { emitsKey: options.rekey.key }),
        ...(emits && { emitsValue: emits }),
        create: (context) => new UserProcessor(context, options, { ownKey, keySerde: inherited, clock }),
      },
      [source],
    ) as unknown as Observable<AnyRecord>;
    if (emits) checkSerdes(current, `process ${options.name}`, { key: serdes.string, value: emits });
    if (!options.rekey) return origin;
    return withMark<AnyRecord, AnyRecord>({ label: 'rekey', rekey: options.rekey as Rekey }, (inner) => inner)(origin);
  };
}
