import type { BrokerRecord } from '../broker/port.js';
import type { Declaration } from '../dsl/processor.js';
import type { StoreSpec } from '../state/contract.js';
import { type EventInfo, EventReader, frozenCopy, taskStores } from './event.js';
import { Past, type PastFrame, type PastSlice, sliceOf } from './past.js';
import { segmentsOf } from './segments.js';
import { type ShownChange, shownChanges, shownSerdes } from './shown-changes.js';
import type { Snapshot } from './snapshots.js';
import { WantedKey } from './wanted-key.js';
import type { RowWrite } from './watcher.js';

/** One change of a row, and what caused it. In a store of windows a row is a window: its key is `{ key, start, end }`, however many of them are kept together. */
export interface StateChange {
  readonly store: string;
  readonly partition: number;
  readonly key: unknown;
  /** The row before; null: there was none. */
  readonly before: unknown;
  /** The row after; null: it is gone. A session that grows, or is merged into another, is gone: what it has become begins or ends elsewhere. */
  readonly value: unknown;
  /** Of the row; of one that is gone, that of the write which has removed it. */
  readonly timestamp: number;
  /** The record of a source topic that caused it. */
  readonly event: EventInfo;
  /** How many records the merged history has up to that one, from where it was begun. */
  readonly records: number;
}

/** Something that was picked from a write, and which record of the history caused that. */
export interface Picked<T> {
  readonly index: number;
  readonly picked: T;
}

export interface ChangeScan<T> extends PastSlice {
  readonly store: StoreSpec;
  /** Undefined: all rows. */
  readonly key: unknown;
  /** Shown what each write of such a row has changed, while it happens. */
  readonly pick: (change: ShownChange, write: RowWrite) => T | undefined;
}

/**
 * Goes through the writes of a store, window by window; what was picked comes in the order of the records that caused it. With a key and snapshots, parts of the history in which that row did not change are left out. `begin`: nothing before that snapshot is of interest.
 */
export async function* scanChanges<T>(
  frame: PastFrame,
  scan: ChangeScan<T>,
  begin?: Snapshot,
): AsyncGenerator<readonly Picked<T>[]> {
  const { options, snapshots } = frame;
  const { store, key, from, pick } = scan;
  const wanted = key === undefined ? undefined : new WantedKey(store, key);
  const wants = (name: string, row: unknown): boolean => name === store.name && wanted?.liesIn(row) !== false;
  const slice = await sliceOf(frame, scan);
  const all = snapshots && from === undefined ? await snapshots.within(slice, options.broker, frame.dates) : [];
  const usable = begin ? all.filter(({ records }) => records >= begin.records) : all;
  const mayMatter = async (snapshot: Snapshot): Promise<boolean> =>
    wanted === undefined || snapshots === undefined || snapshots.mayHaveChanged(snapshot, store.name, wanted.kept);
  const whole = usable.length === 0 || (!begin && slice.parts.every(({ earliest }) => earliest === 0));
  for (const { beginWith, records } of await segmentsOf(usable, whole, mayMatter)) {
    let found: Picked<T>[] = [];
    const wrote = (write: RowWrite): void => {
      for (const change of shownChanges(store, write)) {
        const picked = wanted?.is(change.key) === false ? undefined : pick(change, write);
        if (picked !== undefined) found.push({ index: write.at.index, picked });
      }
    };
    const past = await Past.open(frame, {
      ...(scan.from && { from: scan.from }),
      ...(scan.until && { until: scan.until }),
      records,
      beginWith: beginWith && (() => beginWith),
      watcher: { wants, wrote },
    });
    try {
      for (let some = await past.next(); ; some = await past.next()) {
        // Some operators write a part of their state at commits only.
        if (some.length === 0) await past.run.commit();
        else await past.process(some);
        if (found.length > 0) {
          yield found.sort((a, b) => a.index - b.index);
          found = [];
        }
        if (some.length === 0) break;
      }
    } finally {
      await past.close();
    }
  }
}

/** A change whose event is not decoded yet, which may take a while. */
export interface SeenChange extends Omit<StateChange, 'event'> {
  readonly source: BrokerRecord;
}

/** Makes changes of writes, with values that stay as they are. */
export class ChangeMaker {
  readonly #events: EventReader;
  readonly #stores: ReadonlyMap<string, StoreSpec>;

  constructor(declaration: Declaration) {
    this.#events = new EventReader(declaration);
    this.#stores = taskStores(declaration);
  }

  see({ key, before, value, timestamp }: ShownChange, { store, partition, at }: RowWrite): SeenChange {
    return {
      store,
      partition,
      key: this.#keyOf(store, key),
      before: frozenCopy(before),
      value: frozenCopy(value),
      timestamp,
      source: at.source,
      records: at.index + 1,
    };
  }

  /** A copy that its serde takes: of an instance none else is one. */
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
