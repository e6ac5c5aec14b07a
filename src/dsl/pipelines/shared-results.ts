import { type Observable, Subject, Subscriber } from 'rxjs';
import type { ResolvedPolicy } from '../../model/policy/policy.js';
import { pushNumber } from './ambient.js';
import { noteThrown, thrownUnder } from './own-errors.js';

/** What an operator made of one record. */
interface Result<I, O> {
  readonly input: I;
  readonly outputs: readonly O[];
  readonly error: { readonly thrown: unknown; readonly policy: ResolvedPolicy | undefined } | undefined;
}

/**
 * Lets an operator run once for each record, however many subscriptions follow it: its results are kept
 * until the next push, for the others. Each subscription still has its own path up to the source. The graph
 * is drawn by these paths, and failed records are retried on them.
 *
 * A record is identified by its position in the push and by object identity. Plain operators of RxJS run once
 * per subscription, and each time emit other objects: after them this operator runs as often.
 *
 * Cost: a comparison per record if only one subscription follows.
 */
export class SharedResults<I, O> {
  readonly #subscribe: (source: Observable<I>, to: Subscriber<O>) => void;
  #followers = 0;
  #push = 0;
  #results: Result<I, O>[] = [];
  #outputs: O[] = [];
  #error: Result<I, O>['error'];
  /** The input of the operator that runs for all. */
  #inlet: Subject<I> | undefined;

  /** @param subscribe Runs the operator on a source. */
  constructor(subscribe: (source: Observable<I>, to: Subscriber<O>) => void) {
    this.#subscribe = subscribe;
  }

  get isShared(): boolean {
    return this.#followers > 1;
  }

  joined(): void {
    this.#followers++;
  }

  left(): void {
    this.#followers--;
  }

  /** The result of the record at that position of the push. */
  of(input: I, at: number, push: number): Result<I, O> {
    if (push !== this.#push) {
      this.#push = push;
      this.#results = [];
    }
    const known = this.#results[at];
    if (known?.input === input) return known;
    const result = this.#run(input);
    this.#results[at] = result;
    return result;
  }

  #run(input: I): Result<I, O> {
    this.#outputs = [];
    this.#error = undefined;
    this.#inlet ??= this.#open();
    this.#inlet.next(input);
    return { input, outputs: this.#outputs, error: this.#error };
  }

  #open(): Subject<I> {
    const inlet = new Subject<I>();
    const collector = new Subscriber<O>({
      next: (output) => void this.#outputs.push(output),
      error: (thrown: unknown) => {
        this.#error = { thrown, policy: thrownUnder(thrown) };
        // An error ends a subscription.
        this.#inlet = undefined;
      },
      complete: () => undefined,
    });
    this.#subscribe(inlet, collector);
    return inlet;
  }
}

/** The input of one subscription to an operator. */
export class Follower<I, O> extends Subscriber<I> {
  readonly #alone: Subscriber<I>;
  readonly #to: Subscriber<O>;
  readonly #shared: SharedResults<I, O>;
  #push = 0;
  #at = 0;

  /**
   * @param alone The operator for this subscription alone.
   * @param to Receives results that are shared.
   */
  constructor(alone: Subscriber<I>, to: Subscriber<O>, shared: SharedResults<I, O>) {
    super(alone);
    this.#alone = alone;
    this.#to = to;
    this.#shared = shared;
    shared.joined();
    this.add(() => shared.left());
  }

  /** Those that it passes records to check themselves whether they are closed. */
  override next(record: I): void {
    if (!this.#shared.isShared) {
      this.#alone.next(record);
      return;
    }
    const push = pushNumber();
    if (push !== this.#push) {
      this.#push = push;
      this.#at = 0;
    }
    const { outputs, error } = this.#shared.of(record, this.#at++, push);
    for (const output of outputs) {
      // An operator downstream has thrown.
      if (this.closed) return;
      this.#to.next(output);
    }
    if (!error) return;
    noteThrown(error.thrown, error.policy);
    this.#to.error(error.thrown);
  }
}
