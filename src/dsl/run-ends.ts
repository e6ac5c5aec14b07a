import type { Observable } from 'rxjs';
import type { Declaring } from './declaring.js';
import type { Processor } from './processor.js';
import type { AnyRecord } from './push.js';

const NOTHING: Processor = { process: () => undefined };

/**
 * Adds a node that ignores its records at the end of each open pipeline. So the pipeline runs for its side
 * effects (`peek`).
 */
export function runEnds(current: Declaring): void {
  for (const end of current.ends.left as readonly Observable<AnyRecord>[]) {
    const [from] = current.inspect(end).from;
    // An observable of the user's own that does not come from a stream.
    if (from === undefined) continue;
    const name = current.freeName('end', from.slice(from.lastIndexOf(' ') + 1));
    current.processor({ operator: 'end', name, stores: [], keyed: false, create: () => NOTHING }, [end]);
  }
}
