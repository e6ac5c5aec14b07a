import type { Windowed } from '#src/index.js';

/** What comes in: one record. */
export interface Given {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
}

/** A window of a model, and what is emitted: `value` null is a deletion. */
export interface Shown extends Windowed<string> {
  readonly value: string | null;
  readonly previous: string | null;
  readonly timestamp: number;
}

/** How the models fold: texts that show what was folded in which order. `initial` undefined: the first value is the aggregate. Null: the window is empty then. */
export interface Text {
  readonly initial: string | undefined;
  add(aggregate: string, value: string | null): string | null;
  merge(first: string, second: string): string | null;
}

interface Kept {
  readonly key: string;
  readonly start: number;
  readonly end: number;
  value: string;
  last: number;
  emitted: boolean;
}

const byKey = (a: Kept, b: Kept): number => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

/** What all models share: every window that ever was, and the rules of time. Naive on purpose: each record looks at all of them. */
abstract class Model {
  readonly shown: Shown[] = [];
  /** Records that no window took. */
  late = 0;
  protected kept: Kept[] = [];
  protected streamTime = Number.NEGATIVE_INFINITY;

  constructor(
    protected readonly text: Text,
    private readonly onClose: boolean,
  ) {}

  protected abstract fold(key: string, value: string | null, t: number): void;
  protected abstract closed(end: number): boolean;
  protected abstract readonly takesNulls: boolean;

  give({ key, value, timestamp }: Given): void {
    if (key === null || (value === null && !this.takesNulls)) return;
    this.streamTime = Math.max(this.streamTime, timestamp);
    this.fold(key, value, timestamp);
    if (!this.onClose) return;
    const due = this.kept.filter(({ end, emitted }) => !emitted && this.closed(end));
    for (const window of due.sort((a, b) => a.end - b.end || a.start - b.start || byKey(a, b))) {
      window.emitted = true;
      this.shown.push({ ...shape(window), value: window.value, previous: null, timestamp: window.last });
    }
  }

  /** The windows that are still to be looked up, in the order of a store. */
  rows(isKept: (window: { start: number; end: number }, streamTime: number) => boolean): unknown[] {
    return this.kept
      .filter((window) => isKept(window, this.streamTime))
      .sort((a, b) => byKey(a, b) || a.start - b.start || a.end - b.end)
      .map((window) => [shape(window), window.value]);
  }

  protected of(key: string): Kept[] {
    return this.kept.filter((window) => window.key === key);
  }

  protected added(base: string | null, value: string | null): string | null {
    if (base === null && this.text.initial === undefined) return value;
    return this.text.add(base ?? (this.text.initial as string), value);
  }

  protected remove(window: Kept): void {
    this.kept = this.kept.filter((other) => other !== window);
  }

  protected emit(window: Omit<Shown, 'previous'>, previous: string | null): void {
    if (!this.onClose) this.shown.push({ ...window, previous });
  }
}

const shape = ({ key, start, end }: Windowed<string>): Windowed<string> => ({ key, start, end });

/** Sessions, as the rules are told: all that are open and near become one. */
export class SessionModel extends Model {
  protected override readonly takesNulls = true;
  readonly #gap: number;
  readonly #grace: number;

  constructor({ gap, grace }: { gap: number; grace: number }, text: Text, onClose = false) {
    super(text, onClose);
    this.#gap = gap;
    this.#grace = grace;
  }

  protected override closed(end: number): boolean {
    return end < this.streamTime - this.#gap - this.#grace;
  }

  protected override fold(key: string, value: string | null, t: number): void {
    const met = this.of(key)
      .filter(({ start, end }) => !this.closed(end) && end >= t - this.#gap && start <= t + this.#gap)
      .sort((a, b) => a.end - b.end);
    const start = Math.min(t, ...met.map((session) => session.start));
    const end = Math.max(t, ...met.map((session) => session.end));
    if (this.closed(end)) {
      this.late++;
      return;
    }
    const { initial, merge } = this.text;
    let all: string | null = met.length > 0 ? (initial ?? null) : null;
    for (const session of met) all = all === null ? this.#begun(session.value) : merge(all, session.value);
    const next = this.added(all, value);
    const single = start === t && end === t;
    for (const session of met) {
      this.remove(session);
      if (!single) this.emit({ ...shape(session), value: null, timestamp: session.end }, session.value);
    }
    if (next !== null) this.kept.push({ key, start, end, value: next, last: end, emitted: false });
    this.emit({ key, start, end, value: next, timestamp: end }, single ? (met[0]?.value ?? null) : null);
  }

  #begun(value: string): string | null {
    const { initial, merge } = this.text;
    return initial === undefined ? value : merge(initial, value);
  }
}

/** Sliding windows, line by line as Kafka Streams makes them. */
export class SlidingModel extends Model {
  protected override readonly takesNulls = false;
  readonly #d: number;
  readonly #grace: number;
  /** What it took the record into, and what it would have if that were open. */
  #taken = 0;

  constructor({ difference, grace }: { difference: number; grace: number }, text: Text, onClose = false) {
    super(text, onClose);
    this.#d = difference;
    this.#grace = grace;
  }

  protected override closed(end: number): boolean {
    return end < this.streamTime - this.#grace;
  }

  protected override fold(key: string, value: string | null, t: number): void {
    const d = this.#d;
    if (t + d < this.streamTime - this.#grace) {
      this.late++;
      return;
    }
    this.#taken = 0;
    const W = this.of(key)
      .filter(({ start }) => start >= t - 2 * d && start <= t + 1)
      .map((window) => ({ ...window }));
    const at = (start: number): Kept | undefined => W.find((window) => window.start === start);
    const write = (start: number, next: string | null, last: number): void => {
      const there = this.of(key).find((window) => window.start === start);
      if (there) this.remove(there);
      if (next !== null) this.kept.push({ key, start, end: start + d, value: next, last, emitted: false });
      this.emit({ key, start, end: start + d, value: next, timestamp: last }, there?.value ?? null);
    };
    const fold = (start: number, base: Kept | undefined): void => {
      if (this.closed(start + d)) return;
      this.#taken++;
      write(start, this.added(base?.value ?? null, value), Math.max(base?.last ?? t, t));
    };
    const copy = (right: Kept | undefined): void => {
      if (right && right.last > t && !at(t + 1)) write(t + 1, right.value, right.last);
    };

    if (t >= d) {
      const covering = W.filter(({ start, end }) => start <= t && t <= end).sort((a, b) => b.start - a.start);
      for (const window of covering) fold(window.start, window);
      const left = at(t - d);
      if (!(left && left.last >= t)) {
        const before = W.filter(({ end }) => end < t).sort((a, b) => b.start - a.start)[0];
        const previous = left ? left.last : before?.last;
        if (previous !== undefined && !at(previous + 1) && previous + 1 + d >= t) fold(previous + 1, undefined);
        if (!left) fold(t - d, previous !== undefined && previous >= t - d ? before : undefined);
        copy(covering.find(({ end }) => end > t));
      }
    } else {
      const covering = W.filter(({ start }) => start > 0 && start <= t).sort((a, b) => a.start - b.start);
      for (const window of covering) fold(window.start, window);
      const zero = at(0);
      copy(covering.at(-1) ?? (zero && zero.last > t ? zero : undefined));
      if (zero && zero.last < t && !at(zero.last + 1)) fold(zero.last + 1, undefined);
      fold(0, zero);
    }
    if (this.#taken === 0) this.late++;
  }
}
