import type { KeyValueStore } from '../../state/contract.js';
import { OpenGaps } from './open-gaps.js';

/**
 * {@link OpenGaps} that survive a restart: one row for each gap that is open at a commit. They are written at
 * commits only, so a gap that opens and closes between two costs no write.
 */
export class KeptGaps<E> {
  readonly #store: KeyValueStore<E, number>;
  readonly #idOf: (entity: E) => string;
  readonly #gaps: OpenGaps<E>;
  /** By their ids: entities whose gap has changed since the last commit; and those whose gap is written. */
  readonly #changed = new Map<string, E>();
  readonly #written = new Set<string>();

  /** `idOf`: what an entity is told from others by. */
  constructor(store: KeyValueStore<E, number>, waitMs: number, idOf: (entity: E) => string) {
    this.#store = store;
    this.#idOf = idOf;
    this.#gaps = new OpenGaps(waitMs, idOf);
  }

  /** Reads those that were open at the last commit. */
  async load(): Promise<void> {
    for await (const [entity, since] of this.#store.entries()) {
      this.#gaps.open(entity, since);
      this.#written.add(this.#idOf(entity));
    }
  }

  open(entity: E, since: number): void {
    this.#gaps.open(entity, since);
    this.#changed.set(this.#idOf(entity), entity);
  }

  close(entity: E): void {
    this.#gaps.close(entity);
    this.#changed.set(this.#idOf(entity), entity);
  }

  /** See {@link OpenGaps.due}. */
  due(now: number): E | undefined {
    return this.#gaps.due(now);
  }

  beforeCommit(): void {
    for (const [id, entity] of this.#changed) {
      const since = this.#gaps.since(entity);
      if (since !== undefined) {
        this.#store.put(entity, since, since);
        this.#written.add(id);
      } else if (this.#written.delete(id)) {
        this.#store.delete(entity);
      }
    }
    this.#changed.clear();
  }
}
