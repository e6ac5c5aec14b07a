import type { Duration } from '../../model/duration.js';
import type { StreamRecord } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import type { Folding } from '../operators/folding.js';
import type { Windows } from './windows.js';

/** What a fold over windows is given besides how to fold. */
// biome-ignore lint/suspicious/noExplicitAny: a fold that does not look at its late records need not say of what type they are
export interface Windowing<K = any, V = any> {
  readonly window: Windows;
  /**
   * `updates` (default): a change of the table with each record. `onClose`: each window once, when it is
   * closed, as a change from nothing, with the highest timestamp in it (a session: its end) and no headers;
   * windows that are empty then are not emitted. After each record those that it closes, in the order of
   * their ends, then of their starts, then of the bytes of their keys. Keeps a row for each open window in
   * `<store>-closing`.
   */
  readonly emit?: 'updates' | 'onClose';
  /**
   * What becomes of a record all of whose windows are closed: it is counted (`late`) and dropped, which is
   * the default, shown to a function, or sent to the dead letter topic (RECORD_LATE). A record that is late
   * for some of its windows only is taken into the others and counted (`partly-late`): it is no late record,
   * since it would count twice if it were sent in again.
   */
  readonly late?: 'deadLetter' | ((record: StreamRecord<K, V>) => void);
  /**
   * When no record has come for `idle`, by the wall clock, stream time goes on with the wall clock: what was
   * due `idle` after the last record closes then. Records that come afterwards may be late by that. Off by
   * default, because it cannot be replayed: which windows a record reaches depends on when it came. After a
   * restart the wait begins anew.
   */
  readonly closeAfter?: { readonly idle: Duration };
}

/** The same of a fold that may have no windows. */
export type AnyWindowing = { readonly [Option in keyof Windowing]?: Windowing[Option] | undefined };

/** How to fold over windows, with what the declaration has found out. */
export interface WindowedFolding<K, V, A> extends Folding<K, V, A>, AnyWindowing {
  readonly window: Windows;
  readonly key: Serde<K>;
  /** Its name, for messages. */
  readonly operator: string;
}
