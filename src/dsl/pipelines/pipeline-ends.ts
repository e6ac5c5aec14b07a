import type { Observable } from 'rxjs';
import type { Ends } from './ambient.js';
import { Origin } from './origin.js';

/** Tracks pipelines that nothing was made from and nothing has subscribed to. */
export class PipelineEnds implements Ends {
  readonly #followed = new WeakSet<object>();
  readonly #left = new Set<Observable<unknown>>();

  piped(from: Observable<unknown>, to: Observable<unknown>): void {
    this.followed(from);
    // A node runs without a subscriber to its output.
    if (!this.#followed.has(to) && !(to instanceof Origin)) this.#left.add(to);
  }

  followed(observable: object): void {
    this.#followed.add(observable);
    this.#left.delete(observable as Observable<unknown>);
  }

  isFollowed(observable: object): boolean {
    return this.#followed.has(observable);
  }

  /** In the order in which they were written. */
  get left(): readonly Observable<unknown>[] {
    return [...this.#left];
  }
}
