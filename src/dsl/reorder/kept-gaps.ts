import type { OperatorStore } from '../../state/contract.js';
import { OpenGaps } from './open-gaps.js';

/**
 * {@link OpenGaps} that survive a restart: one row per open gap. A gap that opens and closes between two
 * commits is never written to disk.
 */
export class KeptGaps<E> {
  readonly #store: OperatorStore<E, number>;
  readonly #gaps: OpenGaps<E>;

  /** `idOf` returns a text that identifies an entity. */
  constructor(store: OperatorStore<E, number>, waitMs: number, idOf: (entity: E) => string) {
    this.#store = store;
    this.#gaps = new OpenGaps(waitMs, idOf);
  }

  /** Reads the gaps that were open at the last commit. */
  async load(): Promise<void> {
    for await (const [entity, since] of this.#store.entries()) this.#gaps.open(entity, since);
  }

  open(entity: E, since: number): void {
    const before = this.#gaps.since(entity);
    if (before === since) return;
    this.#gaps.open(entity, since);
    if (before === undefined) this.#store.insert(entity, since, since);
    else this.#store.put(entity, since, since);
  }

  close(entity: E): void {
    if (this.#gaps.since(entity) === undefined) return;
    this.#gaps.close(entity);
    this.#store.delete(entity);
  }

  /** See {@link OpenGaps.due}. */
  due(now: number): E | undefined {
    return this.#gaps.due(now);
  }
}
