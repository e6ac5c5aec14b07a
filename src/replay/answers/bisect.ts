import type { Topology } from '../../dsl/contract/processor.js';
import { messageOf, StreamsError } from '../../model/errors.js';
import { show } from '../../model/text/show.js';
import type { Row } from '../../state/contract.js';
import type { CachedStore } from '../../state/store/cached-store.js';
import { framePast, Past, type PastFrame, sliceOf } from '../past/past.js';
import type { PastOptions, PastSlice } from '../past/past-options.js';
import { taskStore } from '../rerun/event.js';
import type { RowWrite } from '../rerun/watcher.js';
import { LookupKey } from '../snapshots/lookup-key.js';
import { heldBy, type ShownChange } from '../snapshots/shown-changes.js';
import type { Snapshot } from '../snapshots/snapshots.js';
import { ChangeMaker, type Picked, type SeenChange, type StateChange, scanChanges } from './changes.js';
import { traceRecord } from './trace.js';
import type { Trace } from './tracer.js';

const ROWS_TOGETHER = 1_000;

/** What a predicate receives: a row that has just been written. */
export interface ChangedRow {
  /** In a window store, the window: `{ key, start, end }`. */
  // biome-ignore lint/suspicious/noExplicitAny: the caller knows the types of the store
  readonly key: any;
  /** Null: the row was deleted. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly value: any;
  /** The row before the write; null: there was none. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly before: any;
  /** Timestamp of the row, in milliseconds. */
  readonly timestamp: number;
}

export type Predicate = (row: ChangedRow) => unknown;

export interface BisectOptions extends PastOptions, PastSlice {
  readonly store: string;
  /**
   * Test this row only. In a window store: all windows of a key, or one window, `{ key, start, end }`.
   * Default: every row of the store.
   */
  readonly key?: unknown;
  readonly when: Predicate;
  /**
   * States that the predicate, once true, stays true. The search then tests snapshots first, by halves
   * (`before` is null there), and replays only the part between two of them. If the predicate does become
   * false again, the result is an event after which it holds, but not always the first. Default: every change
   * is tested, in order.
   */
  readonly monotone?: boolean;
}

export interface BisectResult {
  readonly change: StateChange;
  /** The path of the event through the topology. */
  readonly trace: Trace;
}

/**
 * Finds the first event after which a predicate holds. The predicate runs at each write of a row of the
 * store, as soon as the row is written, in the order of the merged history. It does not run for a deletion of
 * a row that does not exist. Returns undefined if the predicate never holds.
 *
 * In a window store a row is a window. Where several windows are stored together, as sessions are, the
 * predicate runs for the windows that the write has changed; deleted ones come first (`value` is null).
 *
 * Cost: a replay up to that event, and a second one that traces it through the topology. With snapshots, the
 * second begins at the last one before the event. With snapshots and a key, the first skips the parts in
 * which the row did not change, which loses nothing. `monotone` is for predicates that stay true.
 *
 * Errors: PREDICATE_FAILED if the predicate throws (the error names the event); STORE_UNKNOWN; those of
 * {@link replay}.
 *
 * ```ts no-run
 * const found = await bisect(shop, { broker, store: 'balances', key: 'alice', when: ({ value }) => value !== null && value.total < 0 });
 * console.log(found?.change.event.offset, found?.change.before, found?.change.value, found?.trace.steps);
 * ```
 */
export async function bisect(topology: Topology, options: BisectOptions): Promise<BisectResult | undefined> {
  const frame = await framePast(topology, options);
  const change = await firstChange(frame, options);
  if (!change) return undefined;
  return { change, trace: await traceRecord(frame, change.event, options.from) };
}

/** The first change for which the predicate holds. */
async function firstChange(frame: PastFrame, options: BisectOptions): Promise<StateChange | undefined> {
  const store = taskStore(frame, options.store);
  const changes = new ChangeMaker(frame.declaration);
  const { from, until, key, when } = options;
  let found: Picked<Outcome> | undefined;
  const pick = (change: ShownChange, write: RowWrite): Outcome | undefined => {
    // The first match in record order counts. Within a read window it may arrive after others, from another
    // task.
    if (found !== undefined && write.at.index >= found.index) return undefined;
    const outcome = ask(when, change, (): SeenChange => changes.see(change, write));
    if (outcome) found = { index: write.at.index, picked: outcome };
    return outcome;
  };
  const scan = { ...(from && { from }), ...(until && { until }), store, key, pick };
  const begin = options.monotone && from === undefined ? await lastUntrue(frame, options) : undefined;
  for await (const some of scanChanges(frame, scan, begin)) {
    const [first] = some;
    if (!first) continue;
    if (first.picked.error) throw first.picked.error;
    return changes.make(first.picked.change);
  }
  return undefined;
}

interface Outcome {
  readonly change: SeenChange;
  readonly error?: StreamsError;
}

function ask(when: Predicate, shown: ShownChange, see: () => SeenChange): Outcome | undefined {
  try {
    return when(shown) ? { change: see() } : undefined;
  } catch (error) {
    const change = see();
    return { change, error: predicateFailed(error, change.key, shown.value, change.source) };
  }
}

function predicateFailed(
  error: unknown,
  key: unknown,
  value: unknown,
  at?: { readonly topic: string; readonly partition: number; readonly offset: number },
): StreamsError {
  return new StreamsError('PREDICATE_FAILED', {
    what: `the predicate threw: ${messageOf(error)}`,
    ...(at && { at: `${at.topic}[${at.partition}]@${at.offset}` }),
    saw: `key ${show(key)}, value ${show(value)}`,
    expected: 'true or false for every row',
    action: value === null ? 'The value of a row that was deleted is null: write value?.field.' : 'Correct it.',
    cause: error,
  });
}

/**
 * The last snapshot in which the predicate does not hold. Searches by halves, so the predicate must stay
 * true.
 */
async function lastUntrue(frame: PastFrame, options: BisectOptions): Promise<Snapshot | undefined> {
  const { until } = options;
  const slice = await sliceOf(frame, until ? { until } : {});
  const usable = (await frame.snapshots?.within(slice, frame.options.broker, frame.dates)) ?? [];
  let [low, high] = [0, usable.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (await holdsIn(frame, usable[middle] as Snapshot, options)) high = middle;
    else low = middle + 1;
  }
  return usable[low - 1];
}

async function holdsIn(frame: PastFrame, snapshot: Snapshot, { store, key, when }: BisectOptions): Promise<boolean> {
  const past = await Past.open(frame, { beginWith: () => snapshot });
  const asked = (row: ChangedRow): boolean => {
    try {
      return Boolean(when(row));
    } catch (error) {
      throw predicateFailed(error, row.key, row.value);
    }
  };
  try {
    for (const { state, subTopology } of past.run.tasks) {
      if (!state || !subTopology.stores.includes(store)) continue;
      const rows = state.cached(store);
      if (key !== undefined) {
        for await (const row of new LookupKey(rows.spec, key).of(rows))
          if (asked({ ...row, before: null })) return true;
        continue;
      }
      for await (const [each, row] of rowsOf(rows))
        for (const shown of heldBy(rows.spec, { key: each, ...row }, rows.streamTime))
          if (asked({ ...shown, before: null })) return true;
    }
    return false;
  } finally {
    await past.close();
  }
}

/**
 * All rows of a store with their timestamps. Store entries leave timestamps out, so it reads many rows
 * together.
 */
async function* rowsOf(store: CachedStore<unknown, unknown>): AsyncGenerator<readonly [unknown, Row<unknown>]> {
  let keys: unknown[] = [];
  const read = async (): Promise<readonly (readonly [unknown, Row<unknown>])[]> => {
    await store.loadAll(keys);
    const rows = keys.map((key) => [key, store.row(key)] as const);
    keys = [];
    store.evict();
    return rows.filter((row): row is readonly [unknown, Row<unknown>] => row[1] !== null);
  };
  for await (const [key] of store.entries()) {
    if (keys.push(key) === ROWS_TOGETHER) yield* await read();
  }
  yield* await read();
}
