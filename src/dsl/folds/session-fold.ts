import { type Windowed, WindowKey } from '../../model/window.js';
import { checkEncodes } from '../../serdes/check.js';
import { windowed } from '../../serdes/windowed.js';
import type { OperatorStore, Row, StoreSpec } from '../../state/contract.js';
import { added, merged } from '../common/folding.js';
import type { Lookups, Processor } from '../contract/processor.js';
import type { AnyRecord } from '../contract/push.js';
import type { SessionWindows } from '../windows/windows.js';
import { NO_SPANS, Span, type Spans, spanItems, spansSerde } from './spans.js';
import { type FoldKind, type FoldSetup, WindowResults } from './window-results.js';
import type { WindowedFolding } from './windowing.js';

/**
 * The store has one row per key, with its sessions in the order of their ends. The row's timestamp is the
 * last end, so the row lives for the retention from there.
 */
export function sessionFold<K, V, A>(folding: WindowedFolding<K, V, A>, windows: SessionWindows): FoldKind<K, V, A> {
  const { store, key, value } = folding;
  const { retentionMs } = windows;
  const rows: StoreSpec<K, Spans<A>> = {
    name: store,
    kind: 'session',
    key,
    value: spansSerde(value),
    items: spanItems(value),
    ttlMs: retentionMs,
    shown: {
      key: windowed(key),
      value,
      bornAt: ({ end }: Windowed<K>) => end,
      rowOf: (window: Windowed<K>) => window.key,
      of: (row, sessions, streamTime) =>
        sessions
          .filter(({ last }) => last + retentionMs >= streamTime)
          // A session that grew backwards over a closed one begins before it and ends after it.
          .sort((a, b) => a.start - b.start || a.last - b.last)
          .map((session) => ({
            key: new WindowKey(row, session.start, session.last),
            value: session.aggregate,
            timestamp: session.last,
          })),
    },
  };
  return { rows, create: (setup) => new SessionFold(setup, windows) };
}

/**
 * Folds each record into the session of its key, and merges sessions that the record connects. The sessions
 * of a key lie in one row, in the order of their ends: one look-up and one write per record.
 *
 * No two sessions have the same end. Open ones are further apart than the gap, and closed ones ended before
 * all open ones. (A closed one may overlap an open one that was later extended backwards over it.) Therefore
 * the sessions that a record meets are adjacent.
 */
class SessionFold<K, V, A> implements Processor {
  readonly #setup: FoldSetup<K, V, A>;
  readonly #store: OperatorStore<K, Spans<A>>;
  readonly #windows: SessionWindows;
  readonly #results: WindowResults<K, V, A>;

  constructor(setup: FoldSetup<K, V, A>, windows: SessionWindows) {
    const store = setup.context.store<K, Spans<A>>(setup.folding.store);
    this.#setup = setup;
    this.#store = store;
    this.#windows = windows;
    this.#results = new WindowResults(setup, store, {
      load: (closed) => store.loadAll(closed.map(({ key }) => key)),
      row: (window) => this.#row(window),
      now: (window) => this.#now(window),
    });
  }

  start(): Promise<void> {
    return this.#results.start();
  }

  prepare(record: AnyRecord, _port: number, lookups: Lookups): void {
    if (record.key !== null) lookups.add(this.#store, record.key);
  }

  process(record: AnyRecord): void | Promise<void> {
    if (record.key === null) return this.#setup.context.drop('null-key');
    const closing = this.#results.advance(record.timestamp);
    if (closing) return closing.then(() => this.#fold(record));
    this.#fold(record);
  }

  #fold(record: AnyRecord): void {
    const { key, timestamp, headers } = record;
    // No window begins before the epoch.
    if (timestamp < 0) return this.#setup.context.drop('no-window');
    const { folding } = this.#setup;
    const sessions = this.#store.get(key) ?? NO_SPANS;
    const closed = this.#results.closedUntil;
    const { gapMs } = this.#windows;

    // Search from the end, where almost every record belongs.
    let to = sessions.length;
    while (to > 0 && (sessions[to - 1] as Span<A>).start > timestamp + gapMs) to--;
    let from = to;
    while (from > 0 && meets(sessions[from - 1] as Span<A>, timestamp - gapMs, closed)) from--;
    const met = sessions.slice(from, to);
    if (met.length === 0 && timestamp <= closed) return this.#results.late(record);

    const aggregates = met.map((session) => session.aggregate);
    const aggregate = added(folding, merged(folding, aggregates), record);
    if (aggregate !== null) checkEncodes(folding.value, aggregate);
    const start = Math.min(timestamp, met[0]?.start ?? timestamp);
    const last = Math.max(timestamp, met.at(-1)?.last ?? timestamp);
    const next = aggregate === null ? [] : [Span.of(start, last, aggregate)];
    const rest = sessions.length === met.length ? next : this.#replaced(sessions, from, to, next);
    this.#store.put(key, rest.length > 0 ? rest : null, rest.at(-1)?.last ?? last);

    const moment = start === last;
    if (!moment) {
      for (let i = 0; i < met.length; i++) {
        const session = met[i] as Span<A>;
        this.#results.removed(
          new WindowKey(key, session.start, session.last),
          aggregates[i] as A,
          session.last,
          headers,
        );
      }
    }
    // A session of a single moment keeps its bounds, so it is not deleted first.
    const previous = moment ? (aggregates[0] ?? null) : null;
    const window = new WindowKey(key, start, last);
    if (met.length > 0) this.#results.grown(window, aggregate, previous, last, headers);
    else this.#results.changed(window, aggregate, null, last, headers);
  }

  /** The list with some sessions replaced, and without sessions past their retention. */
  #replaced(sessions: Spans<A>, from: number, to: number, next: Spans<A>): Spans<A> {
    const forgotten = this.#store.streamTime - this.#windows.retentionMs;
    let kept = 0;
    while (kept < from && (sessions[kept] as Span<A>).last < forgotten) kept++;
    const left = kept === 0 ? sessions : sessions.slice(kept);
    return left.toSpliced(from - kept, to - from, ...next);
  }

  /** The open session that contains the end of the given one: it has grown from it. */
  #now({ key, end }: WindowKey<K>): WindowKey<K> | null {
    const closed = this.#results.closedUntil;
    const now = this.#store.get(key)?.find(({ start, last }) => start <= end && last >= end && last > closed);
    return now ? new WindowKey(key, now.start, now.last) : null;
  }

  #row({ key, end }: WindowKey<K>): Row<A> | null {
    const session = this.#store.get(key)?.find(({ last }) => last === end);
    return session ? { value: session.aggregate, timestamp: end } : null;
  }
}

/**
 * Whether a session is open and ends at `earliest` or later. The caller has checked that it does not begin
 * too late for the record.
 */
const meets = ({ last }: Span<unknown>, earliest: number, closed: number): boolean => last >= earliest && last > closed;
