import type { Topology } from '../../dsl/contract/processor.js';
import { framePast } from '../past/past.js';
import type { PastOptions, PastSlice } from '../past/past-options.js';
import { taskStore } from '../rerun/event.js';
import type { RowWrite } from '../rerun/watcher.js';
import { changesNothing, type ShownChange } from '../snapshots/shown-changes.js';
import { ChangeMaker, type SeenChange, type StateChange, scanChanges } from './changes.js';

export interface HistoryOptions extends PastOptions, PastSlice {
  readonly store: string;
  /** In a window store: a key for all its windows, or one window, `{ key, start, end }`. */
  readonly key: unknown;
}

/**
 * Every change of one row, in the order of the events: which event caused it, and the row before and after. A
 * write that leaves the row as it was is no change. Neither is the expiry of a row, because no event causes
 * it.
 *
 * In a window store the rows are the windows, as `windows` of a store lists them; a key selects all its
 * windows. If one event changes several of them, the changes come in the order in which they were made. Where
 * windows are stored together, as sessions are, the deleted ones come first, then the others ordered by
 * start. Deleted sessions were merged, or have grown, which gives them another start or end.
 *
 * Cost: a replay; with snapshots, only of the parts in which the row changed. Memory does not grow with the
 * history. Errors: STORE_UNKNOWN, and those of {@link replay}.
 *
 * ```ts no-run
 * for await (const change of history(shop, { broker, store: 'balances', key: 'alice' }))
 *   console.log(change.event.eventId, change.before, change.value);
 * ```
 */
export async function* history(topology: Topology, options: HistoryOptions): AsyncGenerator<StateChange> {
  const frame = await framePast(topology, options);
  const store = taskStore(frame, options.store);
  const changes = new ChangeMaker(frame.declaration);
  const scan = {
    ...(options.from && { from: options.from }),
    ...(options.until && { until: options.until }),
    store,
    key: options.key,
  };
  const pick = (change: ShownChange, write: RowWrite): SeenChange | undefined =>
    changesNothing(store, change) ? undefined : changes.see(change, write);
  for await (const some of scanChanges(frame, { ...scan, pick }))
    for (const { picked } of some) yield await changes.make(picked);
}
