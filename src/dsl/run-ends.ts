import type { Observable } from 'rxjs';
import type { Declaring } from './declaring.js';
import type { Processor } from './processor.js';
import type { AnyRecord } from './push.js';

const NOTHING: Processor = { process: () => undefined };

/**
 * Runs what leads nowhere, for what it does on the way (`peek`): a node that takes the records and does
 * nothing stands at its end.
 */
export function runEnds(current: Declaring): void {
  for (const end of current.ends.left as readonly Observable<AnyRecord>[]) {
    const [from] = current.inspect(end).from;
    // Something of the user's own, which has nothing to do with streams.
    if (from === undefined) continue;
    const name = current.freeName('end', from.slice(from.lastIndexOf(' ') + 1));
    current.processor({ operator: 'end', name, stores: [], keyed: false, create: () => NOTHING }, [end]);
  }
}
