import type { BrokerRecord } from '../../broker/port.js';
import type { Declaration } from '../../dsl/contract/processor.js';
import type { StoreSpec } from '../../state/contract.js';
import { Past, type PastFrame, sliceOf } from '../past/past.js';
import type { PastSlice } from '../past/past-options.js';
import { type EventInfo, EventReader, frozenCopy, taskStores } from '../rerun/event.js';
import type { RowWrite } from '../rerun/watcher.js';
import type { Moment } from '../slice/moment.js';
import { LookupKey } from '../snapshots/lookup-key.js';
import { segmentsOf } from '../snapshots/segments.js';
import { type ShownChange, shownChanges, shownSerdes } from '../snapshots/shown-changes.js';
import type { Snapshot } from '../snapshots/snapshots.js';

/**
 * One change of a row, and its cause. In a window store a row is a window with the key `{ key, start, end }`,
 * also where several windows are stored together.
 */
export interface StateChange {
  readonly store: string;
  readonly partition: number;
  readonly key: unknown;
  /** The row before the change; null: there was none. */
  readonly before: unknown;
  /**
   * The row after the change; null: it was deleted. A session that grows or is merged counts as deleted,
   * because the resulting session has another start or end.
   */
  readonly value: unknown;
  /** Timestamp of the row, or of the deletion if it was deleted. */
  readonly timestamp: number;
  /** The source record that caused the change. */
  readonly event: EventInfo;
  /**
   * Number of records in the merged history up to and including that record, counted from where the replay
   * began.
   */
  readonly records: number;
}

/** A result that was picked from a write, and the index of the record that caused the write. */
export interface Picked<T> {
  readonly index: number;
  readonly picked: T;
}

export interface ChangeScan<T> extends PastSlice {
  readonly store: StoreSpec;
  /** Undefined: all rows. */
  readonly key: unknown;
  /** Called for each change that a write of such a row makes; a result other than undefined is kept. */
  readonly pick: (change: ShownChange, write: RowWrite) => T | undefined;
}

/**
 * Scans the writes of a store, window by window; yields the picked results in the order of the records that
 * caused them. With a key and snapshots, it skips parts of the history in which that row did not change.
 * `begin`: skip everything before this snapshot.
 */
export async function* scanChanges<T>(
  frame: PastFrame,
  scan: ChangeScan<T>,
  begin?: Snapshot,
): AsyncGenerator<readonly Picked<T>[]> {
  const { options, snapshots } = frame;
  const { store, key, from, pick } = scan;
  const wanted = key === undefined ? undefined : new LookupKey(store, key);
  const follows = (name: string, row: unknown): boolean => name === store.name && wanted?.liesIn(row) !== false;
  const slice = await sliceOf(frame, scan);
  const all = snapshots && from === undefined ? await snapshots.within(slice, options.broker, frame.dates) : [];
  const usable = begin ? all.slice(all.findIndex(({ directory }) => directory === begin.directory)) : all;
  const mayMatter = async (snapshot: Snapshot): Promise<boolean> =>
    wanted === undefined || snapshots === undefined || snapshots.mayHaveChanged(snapshot, store.name, wanted.kept);
  const whole = usable.length === 0 || (!begin && slice.parts.every(({ earliest }) => earliest === 0));
  for (const { beginWith, endWith } of await segmentsOf(usable, whole, mayMatter)) {
    let found: Picked<T>[] = [];
    const wrote = (write: RowWrite): void => {
      for (const change of shownChanges(store, write)) {
        const picked = wanted?.is(change.key) === false ? undefined : pick(change, write);
        if (picked !== undefined) found.push({ index: write.at.index, picked });
      }
    };
    // By offsets, not by a record count: compaction may have removed some of the records since.
    const until: Moment | undefined = endWith ? { kind: 'offset', offsets: endWith.positions } : scan.until;
    const past = await Past.open(frame, {
      ...(from && { from }),
      ...(until && { until }),
      beginWith: beginWith && (() => beginWith),
      watcher: { follows, wrote },
    });
    try {
      for (let some = await past.next(); some.length > 0; some = await past.next()) {
        await past.process(some);
        if (found.length === 0) continue;
        yield found.sort((a, b) => a.index - b.index);
        found = [];
      }
    } finally {
      await past.close();
    }
  }
}

/** A change with an undecoded event: decoding is asynchronous and may take a while. */
export interface SeenChange extends Omit<StateChange, 'event'> {
  readonly source: BrokerRecord;
}

/** Makes changes from writes. */
export class ChangeMaker {
  readonly #events: EventReader;
  readonly #stores: ReadonlyMap<string, StoreSpec>;

  constructor(declaration: Declaration) {
    this.#events = new EventReader(declaration);
    this.#stores = taskStores(declaration);
  }

  see({ key, before, value, timestamp }: ShownChange, { store, partition, at }: RowWrite): SeenChange {
    const { source, index } = at;
    return { store, partition, key: this.#keyOf(store, key), before, value, timestamp, source, records: index + 1 };
  }

  /** Copies the key through its serde, because a plain clone of a class instance loses its class. */
  #keyOf(store: string, key: unknown): unknown {
    const spec = this.#stores.get(store);
    if (spec === undefined) return frozenCopy(key);
    const { key: serde } = shownSerdes(spec);
    return serde.decode(serde.encode(key));
  }

  async make({ source, ...change }: SeenChange): Promise<StateChange> {
    return { ...change, event: await this.#events.read(source) };
  }
}
