import type { Windowed } from '../../model/window.js';
import { isWindowed } from '../../serdes/serde.js';
import type { Row, ShownRow, ShownRows, StoreSpec } from '../../state/contract.js';
import type { WrittenRow } from '../rerun/row-writes.js';
import { keyIdOf } from './lookup-key.js';

/** A change in a store's public view: of a row, or of one of the windows that are packed in a row. */
export interface ShownChange {
  readonly key: unknown;
  /** Null: there was none. */
  readonly before: unknown;
  /** Null: it is gone. */
  readonly value: unknown;
  /** Timestamp of the new value, or of the write that removed it. */
  readonly timestamp: number;
}

/** A row as stored. */
export interface KeptRow extends Row<unknown> {
  readonly key: unknown;
}

/**
 * The serdes of a store's public view: its rows, or the entries in them. Only this file and `TypedStore` know
 * the difference.
 */
export const shownSerdes = ({ key, value, shown }: StoreSpec): Pick<ShownRows<unknown, unknown>, 'key' | 'value'> =>
  shown ?? { key, value };

/**
 * The public entries of a row at a stream time of its store, in key order: the row itself, or the entries in
 * it.
 */
export function heldBy(
  { shown }: StoreSpec,
  { key, value, timestamp }: KeptRow,
  streamTime: number,
): readonly ShownRow<unknown, unknown>[] {
  return shown ? [...shown.of(key, value, streamTime)] : [{ key, value, timestamp }];
}

/**
 * The changes that a write makes in the public view. If rows are public as stored, the change is the row,
 * also if its value stays the same. The deletion of a row that does not exist is no change. In other stores
 * the changes are the entries of the row that differ: first the deleted ones, then the others, each in key
 * order. Entries that have expired in between were already gone.
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

/** The public result of a lookup: the entries that were found, else the key with null. */
export function shownReads(
  spec: StoreSpec,
  { key, value, streamTime }: Pick<WrittenRow, 'key' | 'value' | 'streamTime'>,
): readonly { readonly key: unknown; readonly value: unknown }[] {
  if (!spec.shown) return [{ key, value }];
  const held = value === null ? [] : heldBy(spec, { key, value, timestamp: 0 }, streamTime);
  if (held.length > 0) return held;
  // A row packs a stretch of time, which is not a key that a user has looked up.
  return [{ key: isWindowed(spec.key) ? (key as Windowed<unknown>).key : key, value: null }];
}

/**
 * The differences between two lists of public entries: first the deleted ones, then new and changed ones, in
 * the order of the lists.
 */
export function changesBetween(
  spec: StoreSpec,
  lists: {
    readonly before: readonly ShownRow<unknown, unknown>[];
    readonly after: readonly ShownRow<unknown, unknown>[];
    /** Timestamp of the deleted entries. */
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

/** Whether a change leaves the bytes of a value as they were. */
export function changesNothing(spec: StoreSpec, { before, value }: Pick<ShownChange, 'before' | 'value'>): boolean {
  if (before === null || value === null || before === value) return before === value;
  const { value: values } = shownSerdes(spec);
  return values.encode(before).equals(values.encode(value));
}
