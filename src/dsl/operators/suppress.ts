import type { OperatorFunction } from 'rxjs';
import { type Duration, durationMs } from '../../model/duration.js';
import type { Change } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import type { Windowed } from '../../model/window.js';
import type { Serde } from '../../serdes/serde.js';
import { serdes } from '../../serdes/serdes.js';
import { dueStore } from '../buffers/due-queue.js';
import type { Bounds } from '../buffers/held-changes.js';
import { pendingRefSerde, pendingSerde } from '../buffers/pending.js';
import { SuppressUntilClosed, SuppressUntilDue } from '../buffers/suppress-until.js';
import { type PolicyOptions, whenGiven } from '../contract/policy-options.js';
import type { Processor, ProcessorContext } from '../contract/processor.js';
import type { ChangeOf, KeyOf, NeedsTable, ValueOf } from '../contract/types.js';
import { currentDeclaring } from '../declare/attach.js';
import { nextClosingOf, withGrace } from '../declare/closings.js';
import type { Declaring } from '../declare/declaring.js';
import { suppressedForMs } from '../windows/windows.js';

interface NeedsWindows<Advice extends string = 'put it after a fold with windows'> extends NeedsTable<Advice> {
  readonly key: Windowed<unknown>;
}

type InWindow<W> = W extends Windowed<infer K> ? K : never;

interface Held<K, V> extends PolicyOptions {
  /** The store that holds the waiting rows. */
  readonly store: string;
  /** How keys are written in the store. Default: the input's key serde. */
  readonly key?: Serde<K>;
  /** How values are written in the store. Default: JSON. */
  readonly value?: Serde<V>;
  /** How many rows may wait. Default: any number. */
  readonly maxRecords?: number;
  /**
   * How many bytes may wait: the encoded keys and values, headers, and about 30 bytes per row. Default: any
   * number.
   */
  readonly maxBytes?: number;
}

export interface SuppressUntilWindowClosesOptions<K, V> extends Held<Windowed<K>, V> {
  readonly until: 'windowCloses';
  /**
   * What happens when the buffer is full. It can only fail: a result that comes out early would not be final.
   */
  readonly whenFull?: 'fail';
}

export interface SuppressUntilTimeLimitOptions<K, V> extends Held<K, V> {
  /** How long a row waits, in stream time, after the change that put it into the buffer. */
  readonly until: { readonly timeLimit: Duration };
  /**
   * What happens when the buffer is full: the row that is due next comes out early, or SUPPRESS_BUFFER_FULL.
   * Default: `emitEarly`.
   */
  readonly whenFull?: 'emitEarly' | 'fail';
}

/**
 * Holds back the changes of a table and passes on only the last change of each row. It does so when the row's
 * window closes, or some time after the row's first change.
 *
 * Takes a table, returns a table. `until: 'windowCloses'` emits one result per window, when stream time has
 * reached the window's end + grace (a session's end + gap + grace). The fold that made the windows defines
 * them. `until: { timeLimit }` emits a row when stream time is that long past the change that put it into the
 * buffer. Later changes replace its value and timestamp, but not its due time. A late change is due at once.
 * Rows that are due together come out by due time, then by the bytes of their keys. The result has the
 * timestamp and headers of the last change. Its previous value is the one that came out before.
 *
 * Stream time is the highest timestamp that has reached this operator; it survives restarts. Records dropped
 * before it, changes that a filter removed, and `closeAfter` of the fold do not advance it. Null keys are
 * dropped and counted (`null-key`). So are out-of-order changes of a versioned table (`out-of-order`).
 * Deletions wait like values. With a time limit they come out, even for a row that never came out. Until
 * windows close they do not come out: a session that was merged into another one leaves no trace. Sliding
 * windows and sessions include their end. A record of exactly that timestamp may arrive just after its window
 * came out, and makes it come out again, as in Kafka Streams. `emit: 'onClose'` of the fold waits that
 * millisecond.
 *
 * State: the waiting rows, one row each in `store`, with a changelog. With a time limit, `<store>-places`
 * holds the place of each. The rows may exceed memory, which holds only the first few thousand due rows and
 * the record cache. `maxRecords` and `maxBytes` limit them. When the buffer is full, the row that is due next
 * comes out early, or the application ends with SUPPRESS_BUFFER_FULL. In that case `onError` does not apply,
 * because a final result must not miss anything. Cost: one look-up per change and one or two writes. A row
 * that comes and goes between two commits is never written to disk or changelog. With a limit, the waiting
 * rows are read once at start to count them.
 *
 * ```ts
 * clicks.pipe(
 *   count({ store: 'clicks-per-minute', window: tumbling('1m', { grace: '10s' }) }),
 *   suppress({ store: 'final-clicks', until: 'windowCloses' }),
 * ); // three clicks at 12:00:01, one at 12:01:20 → 3, for 12:00
 * ```
 *
 * Semantics: KTable#suppress of Kafka Streams (KIP-328), except for the previous value. In Kafka Streams it
 * is the value of the last suppressed change, and sums built on it go wrong.
 */
export function suppress<K, V, R extends NeedsWindows = ChangeOf<Windowed<K>, V>>(
  options: SuppressUntilWindowClosesOptions<InWindow<KeyOf<R>>, ValueOf<R>>,
): OperatorFunction<R, Change<KeyOf<R>, ValueOf<R>>>;
export function suppress<K, V, R extends NeedsTable = ChangeOf<K, V>>(
  options: SuppressUntilTimeLimitOptions<KeyOf<R>, ValueOf<R>>,
): OperatorFunction<R, Change<KeyOf<R>, ValueOf<R>>>;
export function suppress(
  // biome-ignore lint/suspicious/noExplicitAny: both signatures at once
  options: SuppressUntilWindowClosesOptions<any, any> | SuppressUntilTimeLimitOptions<any, any>,
  // biome-ignore lint/suspicious/noExplicitAny: as above
): OperatorFunction<any, any> {
  const { store, until, maxRecords, maxBytes } = options;
  const closes = until === 'windowCloses';
  const bounds: Bounds = {
    maxRecords: maxRecords ?? Number.POSITIVE_INFINITY,
    maxBytes: maxBytes ?? Number.POSITIVE_INFINITY,
    whenFull: options.whenFull ?? (closes ? 'fail' : 'emitEarly'),
  };
  const limitMs = closes ? undefined : durationMs(until?.timeLimit, `until.timeLimit of suppress ${store}`);
  return (source) => {
    const current = currentDeclaring('suppress');
    const where = `suppress ${store}`;
    const inspection = current.inspect(source);
    checkBounds(current, where, options);
    if (!inspection.table) {
      current.problem(
        where,
        'its input is a stream, and its records do not replace each other',
        'Make the stream a table first: with a fold, or with toTable({ store, value }).',
      );
    }
    if (inspection.grouped) {
      current.problem(
        where,
        'its input is a grouped table, where many rows have one key and would replace each other',
        'Fold the groups first: with count, reduce or aggregate.',
      );
    }
    const waitMs = limitMs ?? (inspection.window && suppressedForMs(inspection.window));
    if (waitMs === undefined || waitMs === Number.POSITIVE_INFINITY) current.problem(where, ...unclosed(waitMs));

    const given = { key: options.key ?? inspection.key, value: options.value ?? serdes.json() };
    // Bound here, because both are written inside a row.
    const { key, value } = current.bound(given, 'store', store);
    const rows = dueStore(store, key, pendingSerde(value));
    const places = { name: `${store}-places`, kind: 'keyValue', key, value: pendingRefSerde(value) } as const;
    const parts = { store, serdes: { key, value }, bounds, waitMs: waitMs ?? 0 };
    const create = (context: ProcessorContext): Processor =>
      closes
        ? new SuppressUntilClosed(context, parts)
        : new SuppressUntilDue(context, { ...parts, places: places.name });
    const stores = closes ? [rows] : [rows, places];
    // A row that waits for a time limit absorbs the changes until then, without any grace.
    const nextClosing =
      limitMs !== undefined ? withGrace(0, limitMs) : inspection.window && nextClosingOf(inspection.window);
    const spec = {
      operator: 'suppress',
      name: store,
      stores,
      keyed: true,
      create,
      ...(nextClosing && { nextClosing }),
      ...whenGiven(options),
    };
    // The id of the node stands for the store: the result is a table without one, and no store name has a
    // space.
    return current.processor(spec, [source], where);
  };
}

function checkBounds(
  current: Declaring,
  where: string,
  { until, maxRecords, maxBytes, whenFull }: Held<unknown, unknown> & { until?: unknown; whenFull?: unknown },
): void {
  for (const [option, bound] of Object.entries({ maxRecords, maxBytes })) {
    if (bound === undefined || (Number.isSafeInteger(bound) && bound > 0)) continue;
    current.problem(where, `${option} is ${bound}`, 'Give a whole number of at least 1, or leave it out.');
  }
  if (whenFull === undefined || whenFull === 'fail') return;
  if (until === 'windowCloses') {
    current.problem(
      where,
      `whenFull is ${show(whenFull)}, and a result that comes out early would not be final`,
      "Leave whenFull out, or wait for a time limit instead: until: { timeLimit: '5m' }.",
    );
  } else if (whenFull !== 'emitEarly') {
    current.problem(where, `whenFull is ${show(whenFull)}`, "Give 'emitEarly' or 'fail'.");
  }
}

const unclosed = (waitMs: number | undefined): readonly [what: string, advice: string] =>
  waitMs !== undefined
    ? [
        'the windows of its input never close',
        "Use windows that end by time, emit: 'onClose' of the fold, or a time limit: until: { timeLimit: '5m' }.",
      ]
    : [
        'it is unknown when the windows of its input close',
        "Put it after the windowed fold, before the key changes (if streams are merged, their windows must close at the same time), or use a time limit: until: { timeLimit: '5m' }.",
      ];
