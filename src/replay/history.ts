import type { Topology } from '../dsl/processor.js';
import { ChangeMaker, changesNothing, type SeenChange, type StateChange, scanChanges } from './changes.js';
import { taskStore } from './event.js';
import { framePast, type PastOptions, type PastSlice } from './past.js';

export interface HistoryOptions extends PastOptions, PastSlice {
  readonly store: string;
  readonly key: unknown;
}

/**
 * Every change of one row: which event caused it, what the row was before and after. In the order of the events. A write that leaves the row as it was is no change; a row that expires is gone without an event, so that is none, either.
 *
 * Cost: a replay; with snapshots, one of those parts in which the row changed. Memory does not grow with the history. Errors: STORE_UNKNOWN, and those of {@link replay}.
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
  const pick = (write: Parameters<ChangeMaker['see']>[0]): SeenChange | undefined =>
    changesNothing(store, write) ? undefined : changes.see(write);
  for await (const some of scanChanges(frame, { ...scan, pick }))
    for (const { picked } of some) yield await changes.make(picked);
}
