import type { OperatorFunction } from 'rxjs';
import { type Duration, durationMs } from '../../model/duration.js';
import type { StreamRecord } from '../../model/record.js';
import { show } from '../../model/show.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import type { OperatorStore } from '../../state/contract.js';
import type { AnySerde, Lookups, Processor, ProcessorContext } from '../processor.js';
import type { AnyRecord } from '../push.js';
import type { FactRecord, Stream } from '../types.js';
import { withGrace } from '../windows/closings.js';
import { currentDeclaring } from './attach.js';
import {
  type EntityQueue,
  type EntityVersion,
  entityQueueItems,
  entityQueueSerde,
  following,
  Held,
  type HeldSerdes,
  indexOfVersion,
} from './entity-queue.js';
import { checkedId, type Id, idSerde, idText, keyId, shownId } from './ids.js';
import { KeptGaps } from './kept-gaps.js';
import { reorderBufferFull, versionGap, versionInvalid } from './version-errors.js';

export interface ReorderByVersionOptions<K, V> {
  /** The store that holds what comes next for each entity, and what came too early. */
  readonly store: string;
  /** The record's version: an integer or a bigint, one kind for all records. */
  readonly version: (record: StreamRecord<K, V>) => number | bigint;
  /**
   * Whose versions they are. Default: the record's key, told from others by its bytes. Records of one entity
   * must have one key. 5 and "5" are two entities.
   */
  readonly entity?: (record: StreamRecord<K, V>) => Id;
  /** The first version of an entity. Default: whichever comes first. */
  readonly first?: number | bigint;
  /** What to do about a version that does not come. Default: wait for ever. */
  readonly gap?: {
    /** How long to wait, from when the first later version came. */
    readonly wait: Duration;
    /**
     * `skip`: go on with the lowest version that waits. `fail`: VERSION_GAP. `deadLetter`: send what waits to
     * the dead letter topic, and go on waiting for the missing version: nothing ever passes out of order, and
     * the dead letters can be fed in again behind it.
     */
    readonly then: 'skip' | 'fail' | 'deadLetter';
    /**
     * `stream` (default): the highest timestamp that has reached this operator. `wall`: the wall clock, which
     * also moves when no record comes, and is not replayable.
     */
    readonly clock?: 'stream' | 'wall';
  };
  /** What becomes of a version that has already passed, or waits already. Default: `drop`. */
  readonly stale?: 'drop' | 'deadLetter' | 'pass';
  /**
   * How many records may wait for one entity. One more is an error (REORDER_BUFFER_FULL), which goes the way
   * of `onError.process`. Default: 10,000.
   */
  readonly maxBuffered?: number;
  /** How the keys of waiting records are written. Default: as the input's keys are. */
  readonly key?: Serde<K>;
  /** How the values of waiting records are written. Default: JSON. */
  readonly value?: Serde<V>;
}

/**
 * Lets the records of each entity through in the order of their versions: after version n exactly n + 1. What
 * comes too early waits in the store; what came before is dropped, so that a repeated event is never applied
 * twice.
 *
 * State: one row an entity in `store` (the next version and what waits), one row for each gap that is open at
 * a commit, and the changelog. A row above 32 KiB lies in pages: a record of the changelog is no longer than
 * a page, or than a single record that waits. Cost: one look-up a record, reading what waits for that entity
 * and nothing else; never a scan of all entities. A commit writes each row that changed once, and of a long
 * one the pages that changed. In memory about 100 bytes for each gap that is open now, and all that waits for
 * an entity while its records are processed: up to `maxBuffered` records, whatever they are.
 *
 * Records that waited come out with their own key, timestamp and headers, at the place of the record that
 * closed the gap. Null values are records like any other; null keys are dropped and counted (`null-key`)
 * unless `entity` is given. Stale records are dropped and counted (`stale`), passed, or sent to the dead
 * letter topic; records that had to wait (`out-of-order`) and skipped versions (`skipped-versions`) are
 * counted. A record that arrives at the moment its wait ends still closes the gap.
 *
 * Errors: VERSION_INVALID (not an integer, or integers and bigints mixed), VERSION_GAP, REORDER_BUFFER_FULL;
 * PROCESS_FAILED for an `entity` that is missing or may stand for several; STATE_MISMATCH for a store of an
 * earlier version, unless keys are strings.
 *
 * ```ts
 * orders.pipe(
 *   reorderByVersion({ store: 'order-versions', version: (record) => record.value.version, first: 1, gap: { wait: '30s', then: 'deadLetter' } }),
 * ); // versions 1, 3, 2, 3 → 1, 2, 3
 * ```
 */
export function reorderByVersion<K, V>(
  options: ReorderByVersionOptions<K, V>,
): OperatorFunction<FactRecord<K, V>, StreamRecord<K, V>> {
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
    // Bound here, because records that wait are written by the queue, in the middle of a row.
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
        // A version that comes later than the wait is not waited for any more.
        ...(Number.isFinite(waitMs) && options.gap?.clock !== 'wall' && { nextClosing: withGrace(waitMs, waitMs) }),
        create: (context) => new Reorder<K, V>(context, { ...options, maxBuffered }, waitMs, { key, value }, entity),
      },
      [source],
    ) as unknown as Stream<K, V>;
  };
}

/** A key, as the input has it; or the text of an id. */
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

  /** Emits what waits for exactly the version that is next, and keeps the rest. */
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

  /** Ends the wait of every entity whose time is over. */
  async #expire(): Promise<void> {
    const { gap } = this.#options;
    // Nothing is ever due without it.
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
      // Under `fail` the records stay: whoever lets the engine go on waits for another turn.
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

  /** For messages. */
  #of(entity: Entity): { readonly store: string; readonly entity: string } {
    const { store, entity: ofUser } = this.#options;
    return { store, entity: ofUser ? shownId(entity as string) : show(entity) };
  }
}
