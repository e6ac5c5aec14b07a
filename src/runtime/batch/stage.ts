import type { AnyRecord, Lookups, Processor } from '../../dsl/contract/processor.js';
import type { Prefetched } from '../../state/cache/prefetched.js';
import type { OperatorStore } from '../../state/contract.js';
import { type Batch, BY_RECORD, byPlace, type Place } from '../record/place.js';
import type { BatchPhases } from './last-batch.js';
import { Timers } from './timers.js';

/** A processor of one task, as its stage sees it. */
export interface StageNode {
  readonly id: string;
  readonly processor: Processor;
}

/** A record queued at a processor. A class for the same reason as {@link Place}. */
export class Item {
  /** What the processor computed when it declared its reads, or the error that it threw. */
  prepared: unknown = undefined;
  failed = false;

  /** @param push The push that brought the record, so that the push can be taken back. */
  constructor(
    readonly node: StageNode,
    readonly port: number,
    readonly record: AnyRecord,
    readonly place: Place,
    readonly push: number,
  ) {}
}

/** What a stage needs of its task. */
export interface StageHost {
  /** Called before each timer: sets the scope and the cause of the changes that it makes. */
  enterTimer(index: number, due: number): void;
  /** Runs the processor on a record; the policy handles errors. */
  process(item: Item): void | Promise<void>;
  /** Runs a timer's function; an error ends the engine. */
  runTimer(run: () => void | Promise<void>): Promise<void>;
}

/** Collects keys over all stores, then reads them together. */
class ReadCollector implements Lookups {
  readonly #stores = new Set<Prefetched>();

  add<K>(store: OperatorStore<K, unknown>, key: K, asOf?: number): void {
    const prefetched = store as unknown as Prefetched;
    prefetched.want(key, asOf);
    if (prefetched.hasWanted) this.#stores.add(prefetched);
  }

  get pending(): boolean {
    return this.#stores.size > 0;
  }

  async load(): Promise<void> {
    const stores = [...this.#stores];
    this.#stores.clear();
    if (stores.length === 1) await stores[0]?.loadWanted();
    else await Promise.all(stores.map((store) => store.loadWanted()));
  }
}

/**
 * Processors that share stores, and their queue. Four rules make the result independent of how records are
 * cut into batches:
 *
 * 1. Processors that share a store are in one stage (plan.ts).
 * 2. The queue is sorted by the place of each item: by the record that caused it, effects of timers after
 *    effects of the record itself, and depth first. The stage's own timers fire at their place in this order.
 * 3. What a stage emits to itself is finished before the next item.
 * 4. Sinks sort by the same place (outbox.ts).
 */
export class Stage {
  readonly timers = new Timers();
  readonly #reads = new ReadCollector();
  #queue: Item[] = [];
  #sorted = true;
  #inner: Item[] | undefined;

  /** @param name The operators of the stage, for messages. */
  constructor(readonly name = 'a stage') {}

  add(item: Item): void {
    if (this.#inner) {
      this.#inner.push(item);
      return;
    }
    const last = this.#queue.at(-1);
    if (last !== undefined && byPlace(last.place, item.place) > 0) this.#sorted = false;
    this.#queue.push(item);
  }

  /** Removes the items that one push has queued at one node. */
  takeBack(node: string, push: number): void {
    const keep = (item: Item): boolean => item.push !== push || item.node.id !== node;
    // Changed in place, because the loop over inner items holds the array.
    if (this.#inner) this.#inner.push(...this.#inner.splice(0).filter(keep));
    else this.#queue = this.#queue.filter(keep);
  }

  async run(host: StageHost, batch: Batch, phases?: BatchPhases): Promise<void> {
    const queue = this.#queue;
    const last = batch.streamTimes.length - 1;
    // Checked after each record: it may have scheduled a timer that is due within this batch.
    const end = batch.streamTimes[last] ?? Number.NEGATIVE_INFINITY;
    const timersDue = (): boolean => this.timers.nextDue <= end;
    if (queue.length === 0 && !timersDue()) return;
    this.#queue = [];
    if (!this.#sorted) queue.sort((a, b) => byPlace(a.place, b.place));
    this.#sorted = true;

    for (const item of queue) this.#declareReads(item);
    if (this.#reads.pending) {
      const reading = this.#reads.load();
      phases?.waits();
      await reading;
      phases?.enter(this.name);
    }
    this.#inner = [];
    let fired = -1;
    for (const item of queue) {
      const { index, due } = item.place;
      if (index - 1 > fired) {
        if (timersDue()) await this.#fireTimers(host, batch, fired + 1, index - 1);
        fired = index - 1;
      }
      if (due !== BY_RECORD && timersDue()) await this.#fireTimersAt(host, batch, index, due);
      // One promise per record would dominate its cost, so only calls that really are asynchronous are
      // awaited.
      const pending = host.process(item);
      if (pending) await pending;
      if (this.#inner.length > 0) await this.#finishInner(host);
    }
    if (timersDue()) await this.#fireTimers(host, batch, fired + 1, last);
    this.#inner = undefined;
  }

  #declareReads(item: Item): void {
    const { processor } = item.node;
    if (!processor.prepare) return;
    try {
      item.prepared = processor.prepare(item.record, item.port, this.#reads);
    } catch (error) {
      item.prepared = error;
      item.failed = true;
    }
  }

  async #finishInner(host: StageHost): Promise<void> {
    const inner = this.#inner as Item[];
    // Depth first, as in Kafka Streams: what an item causes comes before the items that were queued after it.
    for (let item = inner.shift(); item !== undefined; item = inner.shift()) {
      const rest = inner.splice(0);
      this.#declareReads(item);
      if (this.#reads.pending) await this.#reads.load();
      const pending = host.process(item);
      if (pending) await pending;
      inner.push(...rest);
    }
  }

  /** Fires each due timer after the first record in this range of indices that made it due. */
  async #fireTimers(host: StageHost, batch: Batch, from: number, to: number): Promise<void> {
    for (let index = from; index <= to; index++) await this.#fireTimersAt(host, batch, index);
  }

  async #fireTimersAt(host: StageHost, batch: Batch, index: number, before?: number): Promise<void> {
    const now = batch.streamTimes[index] as number;
    if (this.timers.nextDue > now) return;
    for (const { due, run } of this.timers.take(now, before)) {
      host.enterTimer(index, due);
      await host.runTimer(() => run(now));
      await this.#finishInner(host);
    }
  }
}
