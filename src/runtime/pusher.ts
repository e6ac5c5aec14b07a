import type { BrokerRecord } from '../broker/port.js';
import type { AnyRecord, Outlet } from '../dsl/processor.js';
import { isChange, type SourcePosition } from '../model/record.js';
import type { Place, Spot } from './batch.js';
import type { Failure, FailureHandler } from './failures.js';
import { pushGivenUp } from './give-up.js';
import type { Outgoing } from './outbox.js';
import type { RecordContext } from './record-context.js';

export interface PusherOptions {
  readonly recordContext: RecordContext;
  readonly failures: FailureHandler;
  /** What is named as the source of a failure. */
  readonly sourceOf: (index: number) => BrokerRecord | SourcePosition;
  readonly deadLetter: (index: number) => (outgoing: Outgoing, node: string) => void;
}

/**
 * Pushes records into plain operators: each runs at once, up to wherever it queues. An operator that throws
 * is noted while the push goes on, and is given to the policy when the push is over.
 */
export class Pusher {
  readonly #options: PusherOptions;
  readonly #recordContext: RecordContext;
  /** Failures of the push that is under way, handled as soon as it is over. */
  #pending: Failure[] = [];
  /** The push that is under way: of which record, from where. */
  #pushed: AnyRecord | undefined;
  #outlet: Outlet | undefined;
  #number = 0;

  constructor(options: PusherOptions) {
    this.#options = options;
    this.#recordContext = options.recordContext;
  }

  /** Which push it is: they are counted. */
  get number(): number {
    return this.#number;
  }

  /** Something threw, and {@link resolve} has to see to it before the next push. */
  get failed(): boolean {
    return this.#pending.length > 0;
  }

  push(outlet: Outlet, record: AnyRecord): void {
    const pushed = this.#pushed;
    const before = this.#outlet;
    this.#pushed = record;
    this.#outlet = outlet;
    this.#number++;
    outlet.push(record);
    this.#pushed = pushed;
    this.#outlet = before;
  }

  /** Gives what arrives at a spot its place. */
  placing(spot: Spot): (index: number) => Place {
    let push = -1;
    let delivery = 0;
    return (index) => {
      delivery = push === this.#number ? delivery + 1 : 0;
      push = this.#number;
      return this.#recordContext.place(index, spot, delivery);
    };
  }

  /** Several ways of one push to a node fail, or do not, as one. */
  caught(node: string, error: unknown, takeBack: (push: number) => void): void {
    const push = this.#number;
    if (!this.#outlet || !this.#pushed || this.#pending.some((other) => other.node === node && other.push === push))
      return;
    const { scope, emission } = this.#recordContext;
    const { index } = scope;
    this.#pending.push({ outlet: this.#outlet, record: this.#pushed, node, error, index, emission, push, takeBack });
  }

  /** What threw while a record was pushed: tries that node's ways again, as the policy says. */
  async resolve(): Promise<void> {
    const { failures, sourceOf, deadLetter } = this.#options;
    for (let failure = this.#pending.shift(); failure !== undefined; failure = this.#pending.shift()) {
      const { node, outlet, record, error, index, emission, push, takeBack } = failure;
      takeBack(push);
      this.#recordContext.enterPush(index, record, emission);
      const again = (): void => this.#pushAgain(outlet, record, node);
      const source = sourceOf(index);
      const givenUp = await failures.handle('process', { node, error, source }, deadLetter(index), again);
      if (givenUp && isChange(record)) await pushGivenUp(again, this.#recordContext.scope);
    }
  }

  #pushAgain(outlet: Outlet, record: AnyRecord, node: string): void {
    const before = this.#pending.length;
    this.#number++;
    this.#pushed = record;
    this.#outlet = outlet;
    outlet.pushTo(record, node);
    this.#pushed = undefined;
    this.#outlet = undefined;
    const [next] = this.#pending.splice(before);
    if (!next) return;
    next.takeBack(next.push);
    throw next.error;
  }
}
