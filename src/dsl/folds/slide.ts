import { firstFrom, type Span, type Spans } from './spans.js';

/** A window that a record writes. */
export interface Slid<A> {
  readonly start: number;
  /** The window before the record; undefined if it is new, and then `base` is its initial content. */
  readonly before: Span<A> | undefined;
  /** For a new window: the window that it starts as a copy of; undefined: it starts empty. */
  readonly base: Span<A> | undefined;
  /** True if the window contains the record. Otherwise it starts after the record, as a copy of `base`. */
  readonly folds: boolean;
}

/**
 * The windows that a record at `timestamp` writes, in the order in which they are emitted. They are the
 * windows that contain it, the one that ends with it, and the one that begins after the previous record. The
 * last is the one that begins after it, for later records already seen. `windows`: the windows of its key
 * that start in [timestamp − 2 × difference, timestamp + 1], in the order of their starts.
 *
 * This follows the sliding windows of Kafka Streams (KIP-450) step by step, including its order of emissions
 * and the windows that it writes twice.
 */
export function slide<A>(windows: Spans<A>, timestamp: number, difference: number): readonly Slid<A>[] {
  return timestamp < difference ? slideEarly(windows, timestamp) : slideLater(windows, timestamp, difference);
}

function slideLater<A>(windows: Spans<A>, timestamp: number, difference: number): Slid<A>[] {
  const first = timestamp - difference;
  const from = firstFrom(windows, first);
  const to = firstFrom(windows, timestamp + 1);
  const written: Slid<A>[] = [];
  for (let i = to - 1; i >= from; i--) written.push(folded(windows[i] as Span<A>));

  const left = from < to && windows[from]?.start === first ? windows[from] : undefined;
  // A record with this timestamp came before, so the windows around it exist.
  if (left && left.last >= timestamp) return written;
  const previous = left ?? windows[from - 1];
  if (previous && previous.last + 1 >= first && !has(windows, previous.last + 1))
    written.push(opened(previous.last + 1, undefined));
  if (!left) written.push(opened(first, previous && previous.last >= first ? previous : undefined));
  const right = to > from && windows[to - 1] !== left ? windows[to - 1] : undefined;
  pushRight(written, windows, to, timestamp, right);
  return written;
}

/** No window starts before 0, so all records before `difference` share the first window, [0, difference]. */
function slideEarly<A>(windows: Spans<A>, timestamp: number): Slid<A>[] {
  const zero = windows[0]?.start === 0 ? windows[0] : undefined;
  const from = zero ? 1 : 0;
  const to = firstFrom(windows, timestamp + 1);
  const written: Slid<A>[] = [];
  for (let i = from; i < to; i++) written.push(folded(windows[i] as Span<A>));

  pushRight(written, windows, to, timestamp, to > from ? windows[to - 1] : zero);
  if (zero && zero.last < timestamp && !has(windows, zero.last + 1)) written.push(opened(zero.last + 1, undefined));
  written.push(zero ? folded(zero) : opened(0, undefined));
  return written;
}

/**
 * Adds the window after the record, if it has records and does not exist yet. Its content is that of `right`
 * after the record.
 */
function pushRight<A>(
  written: Slid<A>[],
  windows: Spans<A>,
  to: number,
  timestamp: number,
  right: Span<A> | undefined,
): void {
  if (right && right.last > timestamp && windows[to]?.start !== timestamp + 1)
    written.push({ start: timestamp + 1, before: undefined, base: right, folds: false });
}

const folded = <A>(before: Span<A>): Slid<A> => ({ start: before.start, before, base: before, folds: true });

const opened = <A>(start: number, base: Span<A> | undefined): Slid<A> => ({
  start,
  before: undefined,
  base,
  folds: true,
});

const has = (windows: Spans<unknown>, start: number): boolean => windows[firstFrom(windows, start)]?.start === start;
