import type { Serde } from '../../serdes/serde.js';
import type { OperatorStore } from '../../state/contract.js';
import { factsOf, keyOf, momentOf, noted } from '../clock/noted.js';
import type { Alarm, AnyRecord, ProcessorContext } from '../contract/processor.js';
import { OpenGaps } from './open-gaps.js';

/** The longest interval between two looks at the wall clock. */
const LOOK_MS = 1_000;

/** In the row of a gap: it is not noted yet since when it is open. */
const UNNOTED = -1;

export interface WallGapsOptions<E> {
  /** The operator, for paths. */
  readonly name: string;
  /** The index of its internal input. */
  readonly input: number;
  readonly store: OperatorStore<E, number>;
  readonly entity: Serde<E>;
  readonly waitMs: number;
  /** Returns a text that identifies an entity. */
  readonly idOf: (entity: E) => string;
  /** The wait of an entity is over. */
  readonly end: (entity: E) => Promise<void>;
}

/**
 * The entities that wait for a missing version, by the wall clock. What the clock says takes effect only when
 * it is read from the internal input: since when a gap is open, and that its wait is over. A gap that closes
 * at once notes neither.
 *
 * State: one row for each open gap. Memory: about 200 bytes for each.
 */
export class WallGaps<E> {
  readonly #context: ProcessorContext;
  readonly #options: WallGapsOptions<E>;
  readonly #alarm: Alarm;
  /** The row of each open gap: since when it is open. */
  readonly #rows = new Map<string, number>();
  /** Gaps of which that is not noted, and when this task has seen them open. */
  readonly #fresh = new Map<string, { readonly entity: E; readonly seen: number }>();
  readonly #deadlines: OpenGaps<E>;
  #isSet = false;

  constructor(context: ProcessorContext, options: WallGapsOptions<E>) {
    this.#context = context;
    this.#options = options;
    this.#alarm = context.alarm((now) => this.#ring(now));
    this.#deadlines = new OpenGaps(options.waitMs, options.idOf);
  }

  async load(): Promise<void> {
    for await (const [entity, since] of this.#options.store.entries()) this.#known(entity, since);
    this.#arm();
  }

  /** Opens a gap, or begins the wait of an open one again. */
  open(entity: E): void {
    const { store, idOf } = this.#options;
    const { timestamp } = this.#context;
    const before = this.#rows.get(idOf(entity));
    if (before === undefined) store.insert(entity, UNNOTED, timestamp);
    else if (before !== UNNOTED) store.put(entity, UNNOTED, timestamp);
    this.#deadlines.close(entity);
    this.#known(entity, UNNOTED);
    this.#arm();
  }

  close(entity: E): void {
    const { store, idOf } = this.#options;
    const id = idOf(entity);
    if (!this.#rows.delete(id)) return;
    this.#fresh.delete(id);
    this.#deadlines.close(entity);
    store.delete(entity);
  }

  /** A record was read from the internal input. */
  process({ key, value, timestamp }: AnyRecord): void | Promise<void> {
    const { entity: serde, store, idOf, end } = this.#options;
    const facts = factsOf(value);
    const since = momentOf(facts.since);
    const known = keyOf(serde, key);
    if (since === undefined || known === undefined) return this.#context.drop('unknown-note');
    const entity = known.key;
    const row = this.#rows.get(idOf(entity));
    // It closed meanwhile, or a crash has made the record twice.
    if (row !== (facts.over === true ? since : UNNOTED)) return this.#context.drop('gap-gone');
    if (facts.over === true) return end(entity);
    store.put(entity, since, timestamp);
    this.#fresh.delete(idOf(entity));
    this.#known(entity, since);
  }

  #known(entity: E, since: number): void {
    const id = this.#options.idOf(entity);
    this.#rows.set(id, since);
    if (!this.#context.notes) return;
    if (since === UNNOTED) this.#fresh.set(id, { entity, seen: this.#context.wallTime });
    else this.#deadlines.open(entity, since);
  }

  #ring(now: number): void {
    this.#isSet = false;
    for (const [id, { entity, seen }] of this.#fresh) {
      // The clock may have been set back.
      if (seen <= now && seen + this.#lookMs > now) continue;
      this.#fresh.delete(id);
      this.#note(entity, { since: Math.min(seen, now) });
    }
    for (let entity = this.#deadlines.due(now); entity !== undefined; entity = this.#deadlines.due(now)) {
      this.#note(entity, { since: this.#deadlines.since(entity) as number, over: true });
      this.#deadlines.close(entity);
    }
    this.#arm(now);
  }

  #note(entity: E, facts: { readonly since: number; readonly over?: true }): void {
    const { name, input, entity: serde, idOf, waitMs } = this.#options;
    const { partition } = this.#context;
    const origin = `${name}[${partition}] gap@${facts.since}${facts.over ? ' over' : ''} ${idOf(entity)}`;
    const timestamp = facts.over ? facts.since + waitMs : facts.since;
    this.#context.note(input, noted(serde.encode(entity), facts, { timestamp, origin }));
  }

  /** Looks at the clock again. An alarm that is set stays: gaps that keep opening must not put it off. */
  #arm(now = this.#context.wallTime): void {
    if (this.#isSet || this.#rows.size === 0) return;
    this.#isSet = true;
    this.#alarm.set(now + this.#lookMs);
  }

  get #lookMs(): number {
    return Math.max(1, Math.min(this.#options.waitMs, LOOK_MS));
  }
}
