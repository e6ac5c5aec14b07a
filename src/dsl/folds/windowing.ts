import type { Duration } from '../../model/duration.js';
import type { StreamRecord } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import type { Folding } from '../common/folding.js';
import type { Windows } from '../windows/windows.js';

/** The window options of a fold, in addition to its functions. */
// biome-ignore lint/suspicious/noExplicitAny: a fold that does not look at its late records need not say of what type they are
export interface Windowing<K = any, V = any> {
  readonly window: Windows;
  /**
   * `updates` (default): each record emits a change of the table. `onClose`: each window is emitted once,
   * when it closes, as a change from nothing. It has the highest timestamp in it (a session: its end) and no
   * headers. Empty windows are not emitted. Each record emits the windows that it closes, in the order of
   * their ends, then of their starts, then of the bytes of their keys. `<store>-closing` keeps a row per open
   * window. `<store>` holds open windows as well, so the table cannot be joined: use toStream() and toTable()
   * to keep the closed windows in a store.
   */
  readonly emit?: 'updates' | 'onClose';
  /**
   * What happens to a late record, one with only closed windows. By default it is counted (`late`) and
   * dropped. It can also be passed to a function, or sent to the dead letter topic (RECORD_LATE). A record
   * that is late for some of its windows is added to the others and counted (`partly-late`). It is not a late
   * record, since it would count twice if it were sent again.
   */
  readonly late?: 'deadLetter' | ((record: StreamRecord<K, V>) => void);
  /**
   * When no record has come for `idle` by the wall clock, stream time continues with the wall clock. Windows
   * that are due `idle` after the last record then close. Later records may be late because of it. Off by
   * default: the windows of a record then depend on when it came. A replay closes the same windows at the
   * same places, by the records of `<application>-<store>-timers`. The wait starts again after a restart.
   */
  readonly closeAfter?: { readonly idle: Duration };
}

/** The same options for a fold that may have no windows. */
export type AnyWindowing = { readonly [Option in keyof Windowing]?: Windowing[Option] | undefined };

/** The functions and options of a windowed fold, with what the declaration has resolved. */
export interface WindowedFolding<K, V, A> extends Folding<K, V, A>, AnyWindowing {
  readonly window: Windows;
  readonly key: Serde<K>;
  /** The operator's name, for messages. */
  readonly operator: string;
}
