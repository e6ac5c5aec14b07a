import type { Windowed } from '../model/window.js';
import { isWindowed } from '../serdes/serde.js';
import type { Row, ShownRow, ShownRows, StoreSpec } from '../state/contract.js';
import { keyIdOf } from './lookup-key.js';
import type { WrittenRow } from './row-writes.js';

/** A change of what a store is about: of a row, or of one of the windows that lie in a row together. */
export interface ShownChange {
  readonly key: unknown;
  /** Null: there was none. */
  readonly before: unknown;
  /** Null: it is gone. */
  readonly value: unknown;
  /** Of what is there now; of what is gone, that of the write which has removed it. */
  readonly timestamp: number;
}

/** A row as it lies in its store. */
export interface KeptRow extends Row<unknown> {
  readonly key: unknown;
}

/**
 * How people see a store: its rows, or what lies in them. The one place, together with `ShownStore`, that
 * knows of the difference.
 */
export const shownSerdes = ({ key, value, shown }: StoreSpec): Pick<ShownRows<unknown, unknown>, 'key' | 'value'> =>
  shown ?? { key, value };

/**
 * What people see of a row at that stream time of its store, in the order of the keys: the row itself, or
 * what lies in it.
 */
export function heldBy(
  { shown }: StoreSpec,
  { key, value, timestamp }: KeptRow,
  streamTime: number,
): readonly ShownRow<unknown, unknown>[] {
  return shown ? [...shown.of(key, value, streamTime)] : [{ key, value, timestamp }];
}

/**
 * What a write has changed for those who look at the store. Of a store whose rows are shown as they are, that
 * is the row, also if it was written as it was; nothing if it was deleted and had not been there. Of any
 * other it is what lies in the row and is not what it was: first what is gone, then the rest, each in the
 * order of the keys. What only expired meanwhile was gone already.
 */
export function shownChanges(spec: StoreSpec, written: WrittenRow): readonly ShownChange[] {
  const { key, before, value, timestamp, streamTime } = written;
  if (!spec.shown) {
    const old = before?.value ?? null;
    return old === null && value === null ? [] : [{ key, before: old, value, timestamp }];
  }
  const left = before ? heldBy(spec, { key, ...before }, streamTime) : [];
  const right = value === null ? [] : heldBy(spec, { key, value, timestamp }, streamTime);
  return changesBetween(spec, { before: left, after: right, goneAt: timestamp });
}

/** What a look-up has shown to people: what was found, or else the key with null. */
export function shownReads(
  spec: StoreSpec,
  { key, value, streamTime }: Pick<WrittenRow, 'key' | 'value' | 'streamTime'>,
): readonly { readonly key: unknown; readonly value: unknown }[] {
  if (!spec.shown) return [{ key, value }];
  const held = value === null ? [] : heldBy(spec, { key, value, timestamp: 0 }, streamTime);
  if (held.length > 0) return held;
  // The row of a stretch of time is nothing that anybody has asked for.
  return [{ key: isWindowed(spec.key) ? (key as Windowed<unknown>).key : key, value: null }];
}

/**
 * What differs between two lists of what is shown: first what is gone, then what is new or another, in the
 * order of the lists.
 */
export function changesBetween(
  spec: StoreSpec,
  lists: {
    readonly before: readonly ShownRow<unknown, unknown>[];
    readonly after: readonly ShownRow<unknown, unknown>[];
    /** The timestamp of what is gone. */
    readonly goneAt: number;
  },
): readonly ShownChange[] {
  const { before, after, goneAt } = lists;
  const { key: keys } = shownSerdes(spec);
  const left = new Map(before.map((row) => [keyIdOf(keys, row.key), row.value]));
  const changed: ShownChange[] = [];
  const there = new Set<string>();
  for (const { key, value, timestamp } of after) {
    const id = keyIdOf(keys, key);
    there.add(id);
    const change = { key, before: left.get(id) ?? null, value, timestamp };
    if (!changesNothing(spec, change)) changed.push(change);
  }
  const gone = before.filter(({ key }) => !there.has(keyIdOf(keys, key)));
  return [...gone.map(({ key, value }) => ({ key, before: value, value: null, timestamp: goneAt })), ...changed];
}

/** Whether something is left as it was, by its bytes. */
export function changesNothing(spec: StoreSpec, { before, value }: Pick<ShownChange, 'before' | 'value'>): boolean {
  if (before === null || value === null || before === value) return before === value;
  const { value: values } = shownSerdes(spec);
  return values.encode(before).equals(values.encode(value));
}
