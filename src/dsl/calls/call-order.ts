/** What waits for its turn. The order writes the other fields. */
export class Ordered {
  /** The next one of the same key. */
  behind: Ordered | undefined;
  isFirst = false;
  isCommitted = false;
  /** It is in a queue. */
  isQueued = false;
  isGone = false;
  /** It may begin at this moment, or later. */
  due = 0;

  /** @param keyId Those with the same one have their turns one after the other. Undefined: it has no order. */
  constructor(readonly keyId: string | undefined) {}
}

/**
 * Decides which call begins next. Of each key, one call has its turn until it is removed. Calls whose turn it
 * is begin in the order in which they became ready: a key that waits holds up no other.
 */
export class CallOrder<C extends Ordered> {
  readonly #keys = new Map<string, { readonly first: C; last: C }>();
  #fresh: C[] = [];
  #ready: C[] = [];
  #at = 0;
  /** By their due times. */
  readonly #later: C[] = [];

  /** Adds a call that may begin after the next {@link committed}. */
  add(call: C): void {
    this.#fresh.push(call);
    const { keyId } = call;
    const queue = keyId === undefined ? undefined : this.#keys.get(keyId);
    if (queue) {
      queue.last.behind = call;
      queue.last = call;
      return;
    }
    if (keyId !== undefined) this.#keys.set(keyId, { first: call, last: call });
    call.isFirst = true;
  }

  /** Calls wait for a commit. */
  get hasFresh(): boolean {
    return this.#fresh.length > 0;
  }

  /** What was added before is committed. */
  committed(): void {
    if (this.#fresh.length === 0) return;
    const fresh = this.#fresh;
    this.#fresh = [];
    for (const call of fresh) {
      call.isCommitted = true;
      if (call.isFirst) this.queue(call);
    }
  }

  /** Puts a call whose turn it is at the end of the queue; again, if it had begun. */
  queue(call: C): void {
    if (call.isGone || call.isQueued || !call.isCommitted) return;
    call.isQueued = true;
    if (call.due === 0) this.#ready.push(call);
    else this.#later.splice(this.#placeOf(call.due), 0, call);
  }

  /** Takes the next call that may begin. */
  take(now: number): C | undefined {
    while (this.#later[0] !== undefined && this.#later[0].due <= now) this.#ready.push(this.#later.shift() as C);
    while (this.#at < this.#ready.length) {
      const call = this.#ready[this.#at++] as C;
      if (this.#at > 1_024 && 2 * this.#at > this.#ready.length) {
        this.#ready = this.#ready.slice(this.#at);
        this.#at = 0;
      }
      call.isQueued = false;
      if (!call.isGone) return call;
    }
    this.#ready = [];
    this.#at = 0;
    return undefined;
  }

  /** When {@link take} has a call: zero if it has one now, positive infinity if none waits for a time. */
  get nextDue(): number {
    while (this.#at < this.#ready.length && this.#ready[this.#at]?.isGone) this.#at++;
    if (this.#at < this.#ready.length) return 0;
    while (this.#later[0]?.isGone) this.#later.shift();
    return this.#later[0]?.due ?? Number.POSITIVE_INFINITY;
  }

  /** The call is over: the next one of its key has its turn. */
  remove(call: C): void {
    call.isGone = true;
    const { keyId } = call;
    const queue = keyId === undefined ? undefined : this.#keys.get(keyId);
    if (keyId === undefined || queue === undefined) return;
    if (queue.first !== call) return this.#takeOut(queue, call);
    const next = call.behind as C | undefined;
    if (next === undefined) {
      this.#keys.delete(keyId);
      return;
    }
    this.#keys.set(keyId, { first: next, last: queue.last });
    next.isFirst = true;
    this.queue(next);
  }

  #takeOut(queue: { readonly first: C; last: C }, call: C): void {
    let before: C = queue.first;
    while (before.behind !== call && before.behind !== undefined) before = before.behind as C;
    if (before.behind !== call) return;
    before.behind = call.behind;
    if (queue.last === call) queue.last = before;
  }

  #placeOf(due: number): number {
    let low = 0;
    let high = this.#later.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#later[middle] as C).due <= due) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
