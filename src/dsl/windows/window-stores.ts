import { type Windowed, WindowKey } from '../../model/window.js';
import type { Serde } from '../../serdes/serde.js';
import { windowed } from '../../serdes/windowed.js';
import type { ShownRow, StoreSpec } from '../../state/contract.js';
import { type Spans, spansSerde } from './spans.js';
import type { SessionWindows, SlidingWindows, TimeWindows, Windows } from './windows.js';

interface Naming<K, A> {
  readonly store: string;
  readonly key: Serde<K>;
  readonly value: Serde<A>;
}

/** The store of a fold over windows, with whatever layout the kind of window asks for. What is shown of it is always a row for each window. */
export function windowStore<K, A>(naming: Naming<K, A>, windows: Windows): StoreSpec {
  switch (windows.kind) {
    case 'time':
      return timeStore(naming, windows);
    case 'session':
      return sessionStore(naming, windows);
    case 'sliding':
      return slidingStore(naming, windows);
  }
}

/** A row for each window: it lives from its start for the retention. */
function timeStore<K, A>({ store, key, value }: Naming<K, A>, { retentionMs }: TimeWindows): StoreSpec<Windowed<K>, A> {
  const spec = { name: store, kind: 'window', key: windowed(key), value } as const;
  return Number.isFinite(retentionMs) ? { ...spec, ttlMs: retentionMs, bornAt: ({ start }) => start } : spec;
}

/** A row for each key, with its sessions in the order of their ends. Its timestamp is the last end: it lives for the retention from there. */
function sessionStore<K, A>({ store, key, value }: Naming<K, A>, { retentionMs }: SessionWindows): StoreSpec<K, Spans<A>> {
  return {
    name: store,
    kind: 'session',
    key,
    value: spansSerde(value),
    ttlMs: retentionMs,
    shown: {
      key: windowed(key),
      value,
      rowOf: (window: Windowed<K>) => window.key,
      of: (row, sessions, streamTime) =>
        sessions
          .filter(({ last }) => last + retentionMs >= streamTime)
          // By start: a session that grew backwards over one that was closed begins before it and ends behind it.
          .sort((a, b) => a.start - b.start || a.last - b.last)
          .map((session) => shown(new WindowKey(row, session.start, session.last), session.aggregate(value), session.last)),
    },
  };
}

/** A row for each key and stretch of time in which windows start, with them in the order of their starts. It lives for the retention from the end of the stretch. */
function slidingStore<K, A>(
  { store, key, value }: Naming<K, A>,
  { differenceMs, retentionMs }: SlidingWindows,
): StoreSpec<Windowed<K>, Spans<A>> {
  return {
    name: store,
    kind: 'sliding',
    key: windowed(key),
    value: spansSerde(value),
    ttlMs: retentionMs,
    bornAt: ({ end }) => end,
    shown: {
      key: windowed(key),
      value,
      rowOf: (window: Windowed<K>) => stretchAt(window.key, window.start, differenceMs),
      of: (stretch, windows, streamTime) =>
        windows
          .filter(({ start }) => start + retentionMs >= streamTime)
          .map((window) =>
            shown(
              new WindowKey(stretch.key, window.start, window.start + differenceMs),
              window.aggregate(value),
              window.last,
            ),
          ),
    },
  };
}

/**
 * The key of the row with the sliding windows of a key that start at a moment: that of the stretch of time, twice as long as a window, in which it lies. What concerns a record are windows that start
 * from 2 × difference before it until right behind it, so many moments as a stretch has: they lie in one of them or in two that follow each other.
 */
export function stretchAt<K>(key: K, start: number, differenceMs: number): WindowKey<K> {
  const lengthMs = 2 * (differenceMs + 1);
  const from = start - (start % lengthMs);
  return new WindowKey(key, from, from + lengthMs);
}

const shown = <K, A>(key: K, value: A, timestamp: number): ShownRow<K, A> => ({ key, value, timestamp });
