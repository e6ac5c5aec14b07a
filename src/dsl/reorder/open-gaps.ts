/**
 * The entities that wait for a missing version, ordered by the end of their wait. In memory: about 100 bytes
 * per waiting entity; entities without a gap cost nothing.
 */
export class OpenGaps<E> {
  readonly #since = new Map<string, { readonly entity: E; readonly since: number }>();
  /**
   * Binary heap of [deadline, id of the entity]. Entries of gaps that have closed are skipped when they reach
   * the top.
   */
  #heap: (readonly [deadline: number, id: string])[] = [];
  readonly #waitMs: number;
  readonly #idOf: (entity: E) => string;

  /** `idOf` returns a text that identifies an entity. */
  constructor(waitMs: number, idOf: (entity: E) => string) {
    this.#waitMs = waitMs;
    this.#idOf = idOf;
  }

  since(entity: E): number | undefined {
    return this.#since.get(this.#idOf(entity))?.since;
  }

  open(entity: E, since: number): void {
    const id = this.#idOf(entity);
    this.#since.set(id, { entity, since });
    if (!Number.isFinite(this.#waitMs)) return;
    // Closed gaps leave their entries in the heap. A rebuild at twice the size keeps the heap proportional to
    // the open gaps, at constant average cost.
    if (this.#heap.length > 64 && this.#heap.length > 2 * this.#since.size) this.#rebuild();
    this.#push([since + this.#waitMs, id]);
  }

  close(entity: E): void {
    this.#since.delete(this.#idOf(entity));
  }

  /**
   * An entity with a wait that is over at time `now`, or undefined. Returns the same entity until its gap is
   * closed or opened again.
   */
  due(now: number): E | undefined {
    for (let top = this.#heap[0]; top !== undefined && top[0] <= now; top = this.#heap[0]) {
      const [deadline, id] = top;
      const gap = this.#since.get(id);
      if (gap !== undefined && gap.since + this.#waitMs === deadline) return gap.entity;
      this.#pop();
    }
    return undefined;
  }

  #rebuild(): void {
    this.#heap = [];
    for (const [id, { since }] of this.#since) this.#push([since + this.#waitMs, id]);
  }

  #push(entry: readonly [number, string]): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, heap[parent] as typeof entry)) break;
      heap[at] = heap[parent] as typeof entry;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, heap[child] as typeof right)) child++;
      if (!before(heap[child] as typeof last, last)) break;
      heap[at] = heap[child] as typeof last;
      at = child;
    }
    heap[at] = last;
  }
}

/** By deadline, then by id: the order of two gaps that end together must not depend on insertion order. */
const before = (a: readonly [number, string], b: readonly [number, string]): boolean =>
  a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
