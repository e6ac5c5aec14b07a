import { serdes } from '../../serdes/serdes.js';
import type { OperatorStore, StoreSpec } from '../../state/contract.js';
import { Ordered } from './call-order.js';
import { type PendingCall, pendingCallSerde, type RequestSerdes } from './pending-call.js';

/** A waiting call of one task. */
export class Call extends Ordered {
  /** A call with the same origin that came later: under at_least_once, a record may come twice. */
  same: Call | undefined;

  constructor(
    readonly place: number,
    public row: PendingCall,
    keyId: string | undefined,
  ) {
    super(keyId);
  }
}

const storeName = (name: string): string => `${name}-pending`;

/** The store of an operator's pending calls. Its keys are places in the order of arrival. */
export const pendingStore = (name: string, request: RequestSerdes): StoreSpec<number, PendingCall> => ({
  name: storeName(name),
  kind: 'buffer',
  key: serdes.int64,
  value: pendingCallSerde(request),
});

export { storeName as pendingStoreName };

/**
 * The pending calls of an operator in one task: all rows of its store, in memory. Places are numbers that
 * rise; they begin again at 1 when nothing waits. So they follow from the rows alone, and a replay gives the
 * same ones.
 */
export class PendingCalls {
  readonly #store: OperatorStore<number, PendingCall>;
  readonly #byOrigin = new Map<string, Call>();
  /** In the order of their places, with gaps for those that are gone. */
  #calls: Call[] = [];
  #at = 0;
  #size = 0;

  constructor(store: OperatorStore<number, PendingCall>) {
    this.#store = store;
  }

  /** @param keyIdOf See {@link Ordered}. Returns the rows that are there, in order. */
  async load(keyIdOf: (row: PendingCall) => string | undefined): Promise<readonly Call[]> {
    for await (const [place, row] of this.#store.entries()) this.#take(new Call(place, row, keyIdOf(row)));
    return [...this.#calls];
  }

  get size(): number {
    return this.#size;
  }

  add(row: PendingCall, keyId: string | undefined): Call {
    const call = new Call((this.#calls.at(-1)?.place ?? 0) + 1, row, keyId);
    this.#take(call);
    this.#store.put(call.place, row, row.request.timestamp);
    return call;
  }

  /** The call that an outcome belongs to. `late`: there is one, in another attempt. */
  find(origin: string, attempt: number): Call | 'late' | undefined {
    const first = this.#byOrigin.get(origin);
    for (let call = first; call !== undefined; call = call.same) if (call.row.attempt === attempt) return call;
    return first && 'late';
  }

  replace(call: Call, row: PendingCall): void {
    call.row = row;
    this.#store.put(call.place, row, row.request.timestamp);
  }

  remove(call: Call): void {
    this.#store.delete(call.place);
    this.#size--;
    call.isGone = true;
    this.#forget(call);
    while (this.#calls.at(-1)?.isGone) this.#calls.pop();
    while (this.#calls[this.#at]?.isGone) this.#at++;
    if (this.#at > 1_024 && 2 * this.#at > this.#calls.length) {
      this.#calls = this.#calls.slice(this.#at);
      this.#at = 0;
    }
    if (this.#at >= this.#calls.length) this.#at = 0;
  }

  #take(call: Call): void {
    this.#calls.push(call);
    this.#size++;
    const { origin } = call.row.request;
    let before = this.#byOrigin.get(origin);
    if (before === undefined) {
      this.#byOrigin.set(origin, call);
      return;
    }
    while (before.same !== undefined) before = before.same;
    before.same = call;
  }

  #forget(call: Call): void {
    const { origin } = call.row.request;
    const first = this.#byOrigin.get(origin);
    if (first === call) {
      if (call.same === undefined) this.#byOrigin.delete(origin);
      else this.#byOrigin.set(origin, call.same);
      return;
    }
    for (let before = first; before !== undefined; before = before.same)
      if (before.same === call) before.same = call.same;
  }
}
