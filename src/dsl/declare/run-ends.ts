import type { Observable } from 'rxjs';
import type { Processor } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { Declaring } from './declaring.js';

const NOTHING: Processor = { process: () => undefined };

/**
 * Adds a node that ignores its records at the end of each open pipeline. So the pipeline runs for its side
 * effects (`peek`).
 */
export function runEnds(current: Declaring): void {
  const ends: { readonly end: Observable<AnyRecord>; readonly from: string }[] = [];
  // What follows was made later, maybe by functions that say nothing of it: that is met on the way up.
  for (const end of current.ends.left.toReversed() as readonly Observable<AnyRecord>[]) {
    if (current.ends.isFollowed(end)) continue;
    const [from] = current.inspect(end).from;
    // Else it is an observable of the user's own that does not come from a stream.
    if (from !== undefined) ends.unshift({ end, from });
  }
  for (const { end, from } of ends) {
    const name = current.freeName('end', from.slice(from.lastIndexOf(' ') + 1));
    current.processor({ operator: 'end', name, stores: [], keyed: false, create: () => NOTHING }, [end]);
  }
}
