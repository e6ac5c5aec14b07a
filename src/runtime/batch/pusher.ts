import type { BrokerRecord } from '../../broker/port.js';
import type { AnyRecord, GivenUp, Outlet } from '../../dsl/contract/processor.js';
import { isNotReady } from '../../model/not-ready.js';
import type { ResolvedPolicy } from '../../model/policy/policy.js';
import { isChange, type SourcePosition } from '../../model/record.js';
import type { Outgoing } from '../record/outbox.js';
import type { Place, Spot } from '../record/place.js';
import type { RecordContext } from '../record/record-context.js';
import { type FailureHandler, isFatal } from '../send/failures.js';
import { giveUp } from './give-up.js';

/** What an operator threw, and the policy that the operator has of its own. */
interface Thrown {
  readonly error: unknown;
  readonly own: ResolvedPolicy | undefined;
}

interface FailedPath {
  readonly node: string;
  /** Removes what a push has delivered to the node by other paths. */
  readonly takeBack: (push: number) => void;
}

/** A push that threw on its way to one node. */
interface Failure {
  /** The paths that it has not passed: several if they follow the operator that threw. */
  paths: readonly FailedPath[];
  readonly outlet: Outlet;
  readonly record: AnyRecord;
  thrown: Thrown;
  /** What operators with other policies threw on further paths to these nodes. */
  others: readonly Thrown[];
  /** The policies that have given up the record before. */
  givenUp: GivenUp;
  readonly index: number;
  /** The number of the push. */
  readonly push: number;
  /** The number of the emission within its cause. */
  readonly emission: number;
}

const NOBODY: GivenUp = new Set();

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

  /** @param nodes Only these get it. Default: all. */
  push(outlet: Outlet, record: AnyRecord, nodes?: readonly string[]): void {
    const pushed = this.#pushed;
    const before = this.#outlet;
    this.#pushed = record;
    this.#outlet = outlet;
    this.#number++;
    if (nodes) outlet.pushTo(record, nodes);
    else outlet.push(record);
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
  caught(node: string, thrown: Thrown, takeBack: (push: number) => void): void {
    const push = this.#number;
    const [outlet, record] = [this.#outlet, this.#pushed];
    if (!outlet || !record) return;
    const ofPush = this.#pending.filter((other) => other.push === push);
    const ofNode = ofPush.find(({ paths }) => paths.some((path) => path.node === node));
    if (ofNode) {
      if (ofNode.thrown.own !== thrown.own) ofNode.others = [...ofNode.others, thrown];
      return;
    }
    const path = { node, takeBack };
    const known = ofPush.find((other) => other.thrown.error === thrown.error && other.thrown.own === thrown.own);
    if (known) {
      known.paths = [...known.paths, path];
      return;
    }
    const { index, emission, givenUp = NOBODY } = this.#recordContext;
    this.#pending.push({ outlet, record, paths: [path], thrown, others: [], givenUp, index, emission, push });
  }

  /** Handles the errors of a push: repeats the paths to the failed nodes, according to the policies. */
  async resolve(): Promise<void> {
    for (let failure = this.#pending.shift(); failure !== undefined; failure = this.#pending.shift()) {
      const { paths, record, index, emission, push } = failure;
      for (const { takeBack } of paths) takeBack(push);
      this.#recordContext.enterPush(index, record, emission);
      await this.#settle(failure);
    }
  }

  /**
   * Applies the policy of the operator that threw. A change of a table cannot just be dropped: its previous
   * row must also leave everything downstream. So it is pushed again, and on its way it may fail in an
   * operator with another policy.
   */
  async #settle(failure: Failure): Promise<void> {
    const { failures, sourceOf, deadLetter } = this.#options;
    const { record, index } = failure;
    // The record has failed once, however many nodes follow.
    const node = failure.paths[0]?.node as string;
    const source = sourceOf(index);
    const handled = ({ error, own }: Thrown, again?: () => void): Promise<boolean> =>
      failures.handle(
        'process',
        { node, error, source, own: again ? () => failure.thrown.own : () => own },
        deadLetter(index),
        again,
      );
    while (await handled(failure.thrown, () => this.#pushAgain(failure))) {
      if (!isChange(record)) {
        for (const other of failure.others) if (!isNotReady(other.error)) await handled(other);
        return;
      }
      const givenUp = new Set(failure.givenUp).add(failure.thrown.own);
      failure.givenUp = givenUp;
      try {
        // On a path on which records are no longer rows, the change is dropped.
        await giveUp(
          () => this.#pushAgain(failure, true),
          (error) => !isFatal(error) && givenUp.has(failure.thrown.own),
        );
        return;
      } catch (error) {
        failure.thrown = { error, own: failure.thrown.own };
      }
    }
  }

  /**
   * Only what fails together with the first path is repeated again, unless a change is given up. What other
   * paths throw is another failure. What fails under a policy that has given up the record has been handled.
   */
  #pushAgain(failure: Failure, all = false): void {
    const { outlet, record, paths, givenUp } = failure;
    const before = this.#pending.length;
    this.#number++;
    this.#pushed = record;
    this.#outlet = outlet;
    this.#recordContext.givenUp = givenUp;
    try {
      outlet.pushTo(
        record,
        paths.map(({ node }) => node),
      );
    } finally {
      this.#recordContext.givenUp = undefined;
    }
    this.#pushed = undefined;
    this.#outlet = undefined;
    const still: Failure[] = [];
    for (const each of this.#pending.splice(before)) {
      const { error, own } = each.thrown;
      const isHandled = givenUp.has(own) && !isFatal(error) && !isNotReady(error);
      if (isHandled || all || each.paths.some(({ node }) => node === paths[0]?.node)) {
        for (const { takeBack } of each.paths) takeBack(this.#number);
        if (!isHandled) still.push(each);
      } else {
        this.#pending.push(each);
      }
    }
    const [first] = still;
    if (first === undefined) return;
    failure.paths = still.flatMap((each) => each.paths);
    failure.others = still.flatMap((each) => each.others);
    failure.thrown = first.thrown;
    throw first.thrown.error;
  }
}
