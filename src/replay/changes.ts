import type { BrokerRecord } from '../broker/port.js';
import type { Declaration } from '../dsl/processor.js';
import type { StoreSpec } from '../state/contract.js';
import { type EventInfo, EventReader, frozenCopy } from './event.js';
import { Past, type PastFrame, type PastSlice, sliceOf } from './past.js';
import { segmentsOf } from './segments.js';
import { keyIdOf } from './snapshot-writer.js';
import type { Snapshot } from './snapshots.js';
import type { RowWrite } from './watcher.js';

/** One change of a row, and what caused it. */
export interface StateChange {
  readonly store: string;
  readonly partition: number;
  readonly key: unknown;
  /** The row before; null: there was none. */
  readonly before: unknown;
  /** The row after; null: it is gone. */
  readonly value: unknown;
  /** Of the row. */
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
  /** Shown each write of such a row while it happens. */
  readonly pick: (write: RowWrite) => T | undefined;
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
  const keyId = key === undefined ? undefined : keyIdOf(store.key, key);
  const wants = (name: string, other: unknown): boolean =>
    name === store.name && (keyId === undefined || keyIdOf(store.key, other) === keyId);
  const slice = await sliceOf(frame, scan);
  const all = snapshots && from === undefined ? await snapshots.within(slice, options.broker) : [];
  const usable = begin ? all.filter(({ records }) => records >= begin.records) : all;
  const mayMatter = async (snapshot: Snapshot): Promise<boolean> =>
    keyId === undefined || snapshots === undefined || snapshots.mayHaveChanged(snapshot, store.name, keyId);
  const whole = usable.length === 0 || (!begin && slice.parts.every(({ earliest }) => earliest === 0));
  for (const { beginWith, records } of await segmentsOf(usable, whole, mayMatter)) {
    let found: Picked<T>[] = [];
    const wrote = (write: RowWrite): void => {
      const picked = pick(write);
      if (picked !== undefined) found.push({ index: write.at.index, picked });
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

  constructor(declaration: Declaration) {
    this.#events = new EventReader(declaration);
  }

  see({ store, partition, key, before, value, timestamp, at }: RowWrite): SeenChange {
    return {
      store,
      partition,
      key: frozenCopy(key),
      before: before === null ? null : frozenCopy(before.value),
      value: frozenCopy(value),
      timestamp,
      source: at.source,
      records: at.index + 1,
    };
  }

  async make({ source, ...change }: SeenChange): Promise<StateChange> {
    return { ...change, event: await this.#events.read(source) };
  }
}

/** Whether a write leaves the row as it was, by its bytes. */
export function changesNothing({ value }: StoreSpec, { before, value: after }: RowWrite): boolean {
  if (before === null || after === null) return before === null && after === null;
  return before.value === after || value.encode(before.value).equals(value.encode(after));
}
