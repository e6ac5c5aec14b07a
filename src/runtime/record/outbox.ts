import type { ProducerRecord } from '../../broker/port.js';
import type { AnyRecord, DeclaredRepartition, DeclaredSink } from '../../dsl/contract/processor.js';
import { byPlace, type Place } from './place.js';

/**
 * A record that leaves the task: for a sink or a repartition topic, or a dead letter that is already encoded.
 */
export type Outgoing =
  | { readonly kind: 'sink'; readonly sink: DeclaredSink; readonly record: AnyRecord }
  | {
      readonly kind: 'repartition';
      readonly repartition: DeclaredRepartition;
      readonly record: AnyRecord;
      readonly carries: Carried;
    }
  | { readonly kind: 'raw'; readonly record: Omit<ProducerRecord, 'partition'> };

export type OutboxItem = Outgoing & { readonly place: Place; readonly node: string; readonly push: number };

/** What a record of a repartition topic carries for its readers. */
export interface Carried {
  /** The path that it took: see origin.ts. */
  readonly origin: boolean;
  /** The source record that caused it: see reached.ts. */
  readonly source: boolean;
}

/** A record for a sink. A class for the same reason as {@link Place}; so is the next one. */
export class SinkItem {
  readonly kind = 'sink';

  constructor(
    readonly sink: DeclaredSink,
    readonly record: AnyRecord,
    readonly node: string,
    readonly place: Place,
    readonly push: number,
  ) {}
}

/** A record for a repartition topic. */
export class RepartitionItem {
  readonly kind = 'repartition';

  constructor(
    readonly repartition: DeclaredRepartition,
    readonly record: AnyRecord,
    readonly node: string,
    readonly place: Place,
    readonly push: number,
    readonly carries: Carried,
  ) {}
}

/** Everything that a batch sends, ordered by place, across all stages. */
export class Outbox {
  #items: OutboxItem[] = [];
  #sorted = true;

  add(item: OutboxItem): void {
    const last = this.#items.at(-1);
    if (last !== undefined && byPlace(last.place, item.place) > 0) this.#sorted = false;
    this.#items.push(item);
  }

  takeBack(node: string, push: number): void {
    this.#items = this.#items.filter((item) => item.push !== push || item.node !== node);
  }

  clear(): void {
    this.#items = [];
    this.#sorted = true;
  }

  /** Takes everything, in order. */
  drain(): readonly OutboxItem[] {
    const items = this.#items;
    if (!this.#sorted) items.sort((a, b) => byPlace(a.place, b.place));
    this.clear();
    return items;
  }
}
