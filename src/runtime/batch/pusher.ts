import type { BrokerRecord } from '../../broker/port.js';
import type { AnyRecord, Outlet } from '../../dsl/contract/processor.js';
import { isChange, type SourcePosition } from '../../model/record.js';
import type { Outgoing } from '../record/outbox.js';
import type { Place, Spot } from '../record/place.js';
import type { RecordContext } from '../record/record-context.js';
import type { Failure, FailureHandler } from '../send/failures.js';
import { pushGivenUp } from './give-up.js';

export interface PusherOptions {
  readonly recordContext: RecordContext;
  readonly failures: FailureHandler;
  /** The position that errors name as the source of a failure. */
  readonly sourceOf: (index: number) => BrokerRecord | SourcePosition;
  readonly deadLetter: (index: number) => (outgoing: Outgoing, node: string) => void;
}

/**
 * Pushes records into plain operators. Each record runs at once, up to the places where it queues. An error
 * of an operator is noted while the push continues; the policy handles it when the push is over.
 */
export class Pusher {
  readonly #options: PusherOptions;
  readonly #recordContext: RecordContext;
  /** Failures of the current push, handled as soon as it is over. */
  #pending: Failure[] = [];
  /** The current push: its record, and where it started. */
  #pushed: AnyRecord | undefined;
  #outlet: Outlet | undefined;
  #number = 0;

  constructor(options: PusherOptions) {
    this.#options = options;
    this.#recordContext = options.recordContext;
  }

  /** The number of the current push. */
  get number(): number {
    return this.#number;
  }

  /** Whether something threw: {@link resolve} must handle it before the next push. */
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

  /** Creates the places of records that arrive at a spot. */
  placing(spot: Spot): (index: number) => Place {
    let push = -1;
    let delivery = 0;
    return (index) => {
      delivery = push === this.#number ? delivery + 1 : 0;
      push = this.#number;
      return this.#recordContext.place(index, spot, delivery);
    };
  }

  /**
   * Several paths of one push to a node fail or succeed together. So do the paths to several nodes that
   * follow the operator that threw: it ran once, and each of them receives the same error.
   */
  caught(node: string, error: unknown, takeBack: (push: number) => void): void {
    const push = this.#number;
    const ofPush = this.#pending.filter((other) => other.push === push);
    if (!this.#outlet || !this.#pushed || ofPush.some(({ paths }) => paths.some((path) => path.node === node))) return;
    const path = { node, takeBack };
    const known = ofPush.find((other) => other.error === error);
    if (known) {
      known.paths = [...known.paths, path];
      return;
    }
    const { index, emission } = this.#recordContext;
    const [outlet, record] = [this.#outlet, this.#pushed];
    this.#pending.push({ outlet, record, paths: [path], error, index, emission, push });
  }

  /** Handles the errors of a push: repeats the paths to the failed nodes, according to the policy. */
  async resolve(): Promise<void> {
    const { failures, sourceOf, deadLetter } = this.#options;
    for (let failure = this.#pending.shift(); failure !== undefined; failure = this.#pending.shift()) {
      const { paths, record, error, index, emission, push } = failure;
      for (const { takeBack } of paths) takeBack(push);
      this.#recordContext.enterPush(index, record, emission);
      const again = (): void => this.#pushAgain(failure);
      // The record has failed once, however many nodes follow.
      const node = paths[0]?.node as string;
      const source = sourceOf(index);
      const givenUp = await failures.handle('process', { node, error, source }, deadLetter(index), again);
      if (givenUp && isChange(record)) await pushGivenUp(again, this.#recordContext);
    }
  }

  /**
   * Only what fails together with the first path is repeated again. What other paths throw is another
   * failure.
   */
  #pushAgain(failure: Failure): void {
    const { outlet, record, paths } = failure;
    const before = this.#pending.length;
    this.#number++;
    this.#pushed = record;
    this.#outlet = outlet;
    outlet.pushTo(
      record,
      paths.map(({ node }) => node),
    );
    this.#pushed = undefined;
    this.#outlet = undefined;
    const failed = this.#pending.splice(before);
    const { givenUp } = this.#recordContext;
    // When a record is given up, its errors have been handled.
    const still = givenUp ? failed : failed.filter((each) => each.paths.some(({ node }) => node === paths[0]?.node));
    if (!givenUp) this.#pending.push(...failed.filter((each) => !still.includes(each)));
    failure.paths = still.flatMap((each) => each.paths);
    for (const { takeBack } of failure.paths) takeBack(this.#number);
    if (still[0]) throw still[0].error;
  }
}
