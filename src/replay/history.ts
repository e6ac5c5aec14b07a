import type { Topology } from '../dsl/processor.js';
import { ChangeMaker, type SeenChange, type StateChange, scanChanges } from './changes.js';
import { taskStore } from './event.js';
import { framePast } from './past.js';
import type { PastOptions, PastSlice } from './past-options.js';
import { changesNothing, type ShownChange } from './shown-changes.js';
import type { RowWrite } from './watcher.js';

export interface HistoryOptions extends PastOptions, PastSlice {
  readonly store: string;
  /** Of a store of windows: a key, for all its windows; or one of them, `{ key, start, end }`. */
  readonly key: unknown;
}

/**
 * Every change of one row: which event caused it, what the row was before and after. In the order of the
 * events. A write that leaves the row as it was is no change; a row that expires is gone without an event, so
 * that is none, either.
 *
 * In a store of windows the rows are its windows, as `windows` of a store lists them: a key stands for all of
 * its own. What one event has done to several of them comes in the order in which it was done; where they are
 * kept together, as sessions are, first those that are gone (merged, or grown: then they begin or end
 * elsewhere), then the others in the order of their starts.
 *
 * Cost: a replay; with snapshots, one of those parts in which the row changed. Memory does not grow with the
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
