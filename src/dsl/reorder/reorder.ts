import { show } from '../../model/text/show.js';
import type { OperatorStore } from '../../state/contract.js';
import { checkedId, idText, keyId, shownId } from '../common/ids.js';
import type { AnyRecord, AnySerde, Lookups, Processor, ProcessorContext } from '../contract/processor.js';
import {
  type EntityQueue,
  type EntityVersion,
  following,
  Held,
  type HeldSerdes,
  indexOfVersion,
} from './entity-queue.js';
import { KeptGaps } from './kept-gaps.js';
import type { ReorderByVersionOptions } from './reorder-options.js';
import { reorderBufferFull, versionGap, versionInvalid } from './version-errors.js';
import { WallGaps } from './wall-gaps.js';

/** The port of the input; the other one is that of the internal input. */
const RECORDS = 0;

/** A key of the input, or the text of an id. */
type Entity = unknown;

/** The logic of `reorderByVersion` in one task. */
export class Reorder<K, V> implements Processor {
  readonly #context: ProcessorContext;
  readonly #options: ReorderByVersionOptions<K, V>;
  readonly #queues: OperatorStore<Entity, EntityQueue>;
  readonly #gaps: KeptGaps<Entity>;
  /** In the place of the gaps, if the wall clock ends the waits. */
  readonly #wall: WallGaps<Entity> | undefined;
  readonly #maxBuffered: number;
  readonly #serdes: HeldSerdes;

  constructor(
    context: ProcessorContext,
    options: ReorderByVersionOptions<K, V> & { readonly maxBuffered: number },
    waitMs: number,
    serdes: HeldSerdes,
    entity: AnySerde,
  ) {
    this.#context = context;
    this.#options = options;
    this.#maxBuffered = options.maxBuffered;
    this.#serdes = serdes;
    this.#queues = context.store(options.store);
    const gaps = context.store<Entity, number>(`${options.store}-gaps`);
    const idOf = (key: Entity): string => keyId(entity, key);
    this.#gaps = new KeptGaps(gaps, waitMs, idOf);
    if (options.gap?.clock !== 'wall') return;
    const name = `reorderByVersion ${options.store}`;
    const end = (found: Entity): Promise<void> => this.#end(found);
    this.#wall = new WallGaps(context, { name, input: 0, store: gaps, entity, waitMs, idOf, end });
  }

  start(): Promise<void> {
    return (this.#wall ?? this.#gaps).load();
  }

  prepare(record: AnyRecord, port: number, lookups: Lookups): Entity | null {
    if (port !== RECORDS) return null;
    const entity = this.#entityOf(record);
    if (entity !== null) lookups.add(this.#queues, entity);
    return entity;
  }

  process(record: AnyRecord, port: number, prepared: unknown): void | Promise<void> {
    if (port !== RECORDS) return this.#wall?.process(record);
    const entity = prepared as Entity | null;
    if (entity === null) return this.#context.drop('null-key');
    this.#queues.advanceTime(record.timestamp);
    this.#take(entity, record);
    if (!this.#wall && this.#gaps.due(this.#queues.streamTime) !== undefined) return this.#expire();
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
    if (released === held.length) this.#closeGap(entity);
    else this.#openGap(entity);
  }

  /** Ends the wait of every entity that is due. */
  async #expire(): Promise<void> {
    for (let entity = this.#due(); entity !== undefined; entity = this.#due()) await this.#end(entity);
  }

  /** Ends the wait of an entity. */
  async #end(entity: Entity): Promise<void> {
    const { gap } = this.#options;
    // Without `gap` nothing is ever due.
    if (gap === undefined) return;
    const queue = await this.#queues.load(entity);
    const lowest = queue?.held[0];
    if (!queue || lowest === undefined) return this.#closeGap(entity);
    if (gap.then === 'skip') {
      this.#context.count('skipped-versions', Number(lowest.version) - Number(queue.next));
      return this.#release(entity, lowest.version, queue.held);
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
    this.#closeGap(entity);
  }

  #due(): Entity | undefined {
    return this.#gaps.due(this.#queues.streamTime);
  }

  #stale(record: AnyRecord, version: EntityVersion, next: EntityVersion): void {
    if (this.#options.stale === 'pass') return this.#context.emit(record);
    if (this.#options.stale !== 'deadLetter') return this.#context.drop('stale');
    this.#context.deadLetter(record, new Error(`version ${version} has already been seen: ${next} is next`));
  }

  #openGap(entity: Entity): void {
    if (this.#wall) this.#wall.open(entity);
    else this.#gaps.open(entity, this.#queues.streamTime);
  }

  #closeGap(entity: Entity): void {
    (this.#wall ?? this.#gaps).close(entity);
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
