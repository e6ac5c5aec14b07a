import type { OperatorFunction } from 'rxjs';
import { type Duration, durationMs } from '../../model/duration.js';
import type { StreamRecord } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { OperatorStore } from '../../state/contract.js';
import { checkedId, type Id, idSerde, idText, keyId, shownId } from '../common/ids.js';
import { type PolicyOptions, whenGiven } from '../contract/policy-options.js';
import type { AnySerde, Lookups, Processor, ProcessorContext } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { FactOf, KeyOf, NeedsStream, Stream, ValueOf } from '../contract/types.js';
import { currentDeclaring } from '../declare/attach.js';
import { withGrace } from '../declare/closings.js';
import {
  type EntityQueue,
  type EntityVersion,
  entityQueueItems,
  entityQueueSerde,
  following,
  Held,
  type HeldSerdes,
  indexOfVersion,
} from '../reorder/entity-queue.js';
import { KeptGaps } from '../reorder/kept-gaps.js';
import { reorderBufferFull, versionGap, versionInvalid } from '../reorder/version-errors.js';

export interface ReorderByVersionOptions<K, V> extends PolicyOptions {
  /** The store that holds the next version of each entity, and the records that came too early. */
  readonly store: string;
  /** The record's version: an integer or a bigint, one kind for all records. */
  readonly version: (record: StreamRecord<K, V>) => number | bigint;
  /**
   * The entity that a version belongs to. Default: the record's key, compared by its bytes. Records of one
   * entity must have the same key. 5 and "5" are two entities.
   */
  readonly entity?: (record: StreamRecord<K, V>) => Id;
  /** The first version of an entity. Default: the version that comes first. */
  readonly first?: number | bigint;
  /** What to do about a version that does not come. Default: wait for ever. */
  readonly gap?: {
    /** How long to wait, counted from the arrival of the first later version. */
    readonly wait: Duration;
    /**
     * `skip`: go on with the lowest waiting version. `fail`: VERSION_GAP. `deadLetter`: send the waiting
     * records to the dead letter topic and keep waiting for the missing version. Then nothing ever passes out
     * of order, and the dead letters can be fed in again after it.
     */
    readonly then: 'skip' | 'fail' | 'deadLetter';
    /**
     * `stream` (default): the highest timestamp that has reached this operator. `wall`: the wall clock, which
     * also moves when no record comes, and is not replayable.
     */
    readonly clock?: 'stream' | 'wall';
  };
  /** What happens to a version that has already passed or is already waiting. Default: `drop`. */
  readonly stale?: 'drop' | 'deadLetter' | 'pass';
  /**
   * How many records may wait for one entity. One more fails with REORDER_BUFFER_FULL, to which the
   * `onError.process` policy applies. Default: 10,000.
   */
  readonly maxBuffered?: number;
  /** How the keys of waiting records are written. Default: the input's key serde. */
  readonly key?: Serde<K>;
  /** How the values of waiting records are written. Default: JSON. */
  readonly value?: Serde<V>;
}

/**
 * Passes the records of each entity in the order of their versions: after version n exactly n + 1. A record
 * that comes too early waits in the store. A record with an earlier version is dropped, so a repeated event
 * is never applied twice.
 *
 * State: one row per entity in `store` (the next version and the waiting records), one row per gap that is
 * open at a commit, and the changelog. A row above 32 KiB is split into pages. A changelog record is at most
 * as long as a page, or as a single waiting record. Cost: one look-up per record, which reads the waiting
 * records of that entity and nothing else; never a scan of all entities. A commit writes each changed row
 * once, and of a long row only the changed pages. Memory: about 100 bytes per open gap. While an entity's
 * records are processed, all its waiting records are in memory: up to `maxBuffered` records of any size.
 *
 * A waiting record comes out with its own key, timestamp and headers, at the place of the record that closed
 * the gap. Null values are records like any other; null keys are dropped and counted (`null-key`) unless
 * `entity` is given. Stale records are dropped and counted (`stale`), passed, or sent to the dead letter
 * topic. Records that had to wait (`out-of-order`) and skipped versions (`skipped-versions`) are counted. A
 * record that arrives at the moment its wait ends still closes the gap.
 *
 * Errors: VERSION_INVALID (not an integer, or integers and bigints mixed), VERSION_GAP, REORDER_BUFFER_FULL.
 * PROCESS_FAILED if `entity` returns nothing, or a value that several entities may have turned into.
 * STATE_MISMATCH for a store of an earlier version, unless keys are strings.
 *
 * ```ts
 * orders.pipe(
 *   reorderByVersion({ store: 'order-versions', version: (record) => record.value.version, first: 1, gap: { wait: '30s', then: 'deadLetter' } }),
 * ); // versions 1, 3, 2, 3 → 1, 2, 3
 * ```
 */
export function reorderByVersion<K, V, R extends NeedsStream = FactOf<K, V>>(
  options: ReorderByVersionOptions<KeyOf<R>, ValueOf<R>>,
): OperatorFunction<R, StreamRecord<KeyOf<R>, ValueOf<R>>> {
  const { store, gap, maxBuffered = 10_000 } = options;
  const waitMs = gap ? durationMs(gap.wait, `gap.wait of reorderByVersion ${store}`) : Number.POSITIVE_INFINITY;
  return (source) => {
    const current = currentDeclaring('reorderByVersion');
    if (!(Number.isInteger(maxBuffered) && maxBuffered > 0)) {
      current.problem(
        `reorderByVersion ${store}`,
        `maxBuffered is ${maxBuffered}`,
        'Give a whole number of at least 1.',
      );
    }
    const given: HeldSerdes = {
      key: options.key ?? current.inspect(source).key,
      value: options.value ?? serdes.json(),
    };
    // Bound here, because the queue writes waiting records inside a row.
    const { key, value } = current.bound(given, 'store', store);
    const entity = options.entity ? idSerde() : key;
    return current.processor(
      {
        operator: 'reorderByVersion',
        name: store,
        stores: [
          {
            name: store,
            kind: 'keyValue',
            key: entity,
            value: entityQueueSerde({ key, value }),
            items: entityQueueItems,
          },
          { name: `${store}-gaps`, kind: 'keyValue', key: entity, value: serdes.double },
        ],
        keyed: true,
        ...whenGiven(options),
        // The operator no longer waits for a version that comes later than this.
        ...(Number.isFinite(waitMs) && options.gap?.clock !== 'wall' && { nextClosing: withGrace(waitMs, waitMs) }),
        create: (context) =>
          new Reorder<KeyOf<R>, ValueOf<R>>(context, { ...options, maxBuffered }, waitMs, { key, value }, entity),
      },
      [source],
    ) as unknown as Stream<KeyOf<R>, ValueOf<R>>;
  };
}

/** A key of the input, or the text of an id. */
type Entity = unknown;

class Reorder<K, V> implements Processor {
  readonly #context: ProcessorContext;
  readonly #options: ReorderByVersionOptions<K, V>;
  readonly #queues: OperatorStore<Entity, EntityQueue>;
  readonly #gaps: KeptGaps<Entity>;
  readonly #waitMs: number;
  readonly #maxBuffered: number;
  readonly #serdes: HeldSerdes;
  readonly #wall: boolean;

  constructor(
    context: ProcessorContext,
    options: ReorderByVersionOptions<K, V> & { readonly maxBuffered: number },
    waitMs: number,
    serdes: HeldSerdes,
    entity: AnySerde,
  ) {
    this.#context = context;
    this.#options = options;
    this.#waitMs = waitMs;
    this.#maxBuffered = options.maxBuffered;
    this.#serdes = serdes;
    this.#queues = context.store(options.store);
    this.#gaps = new KeptGaps(context.store(`${options.store}-gaps`), waitMs, (key) => keyId(entity, key));
    this.#wall = options.gap?.clock === 'wall';
  }

  async start(): Promise<void> {
    await this.#gaps.load();
    if (this.#wall) this.#context.schedule(Math.max(1, Math.min(this.#waitMs, 1_000)), 'wall', () => this.#expire());
  }

  prepare(record: AnyRecord, _port: number, lookups: Lookups): Entity | null {
    const entity = this.#entityOf(record);
    if (entity !== null) lookups.add(this.#queues, entity);
    return entity;
  }

  process(record: AnyRecord, _port: number, prepared: unknown): void | Promise<void> {
    const entity = prepared as Entity | null;
    if (entity === null) return this.#context.drop('null-key');
    this.#queues.advanceTime(record.timestamp);
    this.#take(entity, record);
    if (!this.#wall && this.#gaps.due(this.#now()) !== undefined) return this.#expire();
  }

  #take(entity: Entity, record: AnyRecord): void {
    const version = this.#versionOf(record);
    const queue = this.#queues.get(entity) ?? { next: this.#options.first ?? version, held: [] };
    if (typeof version !== typeof queue.next)
      throw versionInvalid(
        this.#options.store,
        version,
        `a ${typeof queue.next}, as before for ${this.#of(entity).entity}`,
      );

    if (version === queue.next) {
      this.#context.emit(record);
      this.#release(entity, following(version), queue.held);
      return;
    }
    const { at, taken } = indexOfVersion(queue.held, version);
    if (version < queue.next || taken) return this.#stale(record, version, queue.next);
    if (queue.held.length >= this.#maxBuffered)
      throw reorderBufferFull(this.#of(entity), version, queue, this.#maxBuffered);
    this.#queues.put(entity, {
      next: queue.next,
      held: queue.held.toSpliced(at, 0, Held.of(version, this.#serdes, { record, position: this.#context.position })),
    });
    this.#context.count('out-of-order');
    if (queue.held.length === 0) this.#openGap(entity);
  }

  /** Emits the waiting records that follow without a gap, and keeps the rest. */
  #release(entity: Entity, from: EntityVersion, held: readonly Held[]): void {
    let next = from;
    let released = 0;
    for (const waiting of held) {
      if (waiting.version !== next) break;
      this.#context.emit(waiting.record);
      next = following(next);
      released++;
    }
    this.#queues.put(entity, { next, held: released === 0 ? held : held.slice(released) });
    if (held.length === 0) return;
    if (released === held.length) this.#gaps.close(entity);
    else this.#openGap(entity);
  }

  /** Ends the wait of every entity that is due. */
  async #expire(): Promise<void> {
    const { gap } = this.#options;
    // Without `gap` nothing is ever due.
    if (gap === undefined) return;
    for (let entity = this.#gaps.due(this.#now()); entity !== undefined; entity = this.#gaps.due(this.#now())) {
      const queue = await this.#queues.load(entity);
      const lowest = queue?.held[0];
      if (!queue || lowest === undefined) {
        this.#gaps.close(entity);
        continue;
      }
      if (gap.then === 'skip') {
        this.#context.count('skipped-versions', Number(lowest.version) - Number(queue.next));
        this.#release(entity, lowest.version, queue.held);
        continue;
      }
      const error = versionGap(this.#of(entity), queue, gap.wait);
      // Under `fail` the records stay. If the policy continues, they wait for another period.
      this.#openGap(entity);
      if (gap.then === 'fail') throw error;
      for (const { record, position } of queue.held) {
        const key = record.key === null ? null : this.#serdes.key.encode(record.key);
        const value = record.value === null ? null : this.#serdes.value.encode(record.value);
        this.#context.deadLetter(record, error, { position, key, value });
      }
      this.#queues.put(entity, { next: queue.next, held: [] });
      this.#gaps.close(entity);
    }
  }

  #stale(record: AnyRecord, version: EntityVersion, next: EntityVersion): void {
    if (this.#options.stale === 'pass') return this.#context.emit(record);
    if (this.#options.stale !== 'deadLetter') return this.#context.drop('stale');
    this.#context.deadLetter(record, new Error(`version ${version} has already been seen: ${next} is next`));
  }

  #openGap(entity: Entity): void {
    this.#gaps.open(entity, this.#now());
  }

  #now(): number {
    return this.#wall ? this.#context.wallTime : this.#queues.streamTime;
  }

  #entityOf(record: AnyRecord): Entity | null {
    const { entity, store } = this.#options;
    if (entity) return idText(checkedId(entity(record), 'the entity of a record', `reorderByVersion ${store}`));
    return record.key;
  }

  #versionOf(record: AnyRecord): EntityVersion {
    const version = this.#options.version(record);
    if (typeof version === 'bigint' || Number.isSafeInteger(version)) return version;
    throw versionInvalid(this.#options.store, version, 'an integer or a bigint');
  }

  /** The entity for messages. */
  #of(entity: Entity): { readonly store: string; readonly entity: string } {
    const { store, entity: ofUser } = this.#options;
    return { store, entity: ofUser ? shownId(entity as string) : show(entity) };
  }
}
