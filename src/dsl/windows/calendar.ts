import { show } from '../../model/text/show.js';
import { WindowKey } from '../../model/window.js';
import { TimeZone } from './time-zone.js';
import { closing, invalid, NO_WINDOW, type TimeWindows, type WindowOptions } from './windows.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/**
 * How much longer than its days a window may be because clocks are set back. This is the largest change of
 * any zone since 1970 (Antarctica/Vostok, in 1994).
 */
const PUT_BACK = 7 * HOUR;

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;
type Weekday = (typeof WEEKDAYS)[number];

/** The usual and the maximum length of each unit. */
const UNITS = {
  hour: { usualMs: HOUR, longestMs: HOUR },
  day: { usualMs: DAY, longestMs: DAY + PUT_BACK },
  week: { usualMs: 7 * DAY, longestMs: 7 * DAY + PUT_BACK },
  month: { usualMs: 30 * DAY, longestMs: 31 * DAY + PUT_BACK },
  quarter: { usualMs: 91 * DAY, longestMs: 92 * DAY + PUT_BACK },
  year: { usualMs: 365 * DAY, longestMs: 366 * DAY + PUT_BACK },
} as const;
export type CalendarUnit = keyof typeof UNITS;

export interface CalendarOptions extends WindowOptions {
  /** A zone of the IANA database: `'Europe/Berlin'`, `'UTC'`. */
  readonly timeZone: string;
  /** The first day of a week, for windows of weeks. Default: `'monday'`. */
  readonly weekStart?: Weekday;
}

/**
 * Windows of the calendar in a time zone. A day begins when local clocks show midnight; it has 23 or 25 hours
 * when clocks are set forward or back. Weeks, months, quarters and years begin with a day. The windows do not
 * overlap: a record belongs to one. The start is included, the end is not.
 *
 * ```ts
 * orders.pipe(count({ store: 'orders-per-day', window: calendar('day', { timeZone: 'Europe/Berlin', grace: '1h' }) }));
 * ```
 *
 * If clocks skip midnight, the day begins at the first moment that they show. If they show midnight twice, it
 * begins at the first of the two. The window that contains the epoch may begin before it. Its start is then
 * negative, which Java's own window deserializers reject. Hours begin at full hours, and where clocks change
 * by anything but whole hours. Retention counts from the start of a window, as for all windows. By default it
 * is the retention of the longest window.
 *
 * Cost: the boundaries are computed once per window, in some ten microseconds, and about a thousand are
 * cached. They follow the time zone data of Node: when a government changes its rules, future boundaries move
 * with the next update. CONFIG_INVALID for an unknown time zone, for a `weekStart` of any unit but weeks, and
 * for a retention shorter than the longest window and grace. Kafka Streams has no such windows.
 */
export function calendar(unit: CalendarUnit, { timeZone, weekStart, ...options }: CalendarOptions): TimeWindows {
  if (!Object.hasOwn(UNITS, unit))
    throw invalid('there is no such calendar window', show(unit), Object.keys(UNITS).join(', '), 'Use one of them.');
  if (weekStart !== undefined && (unit !== 'week' || !WEEKDAYS.includes(weekStart))) {
    throw invalid(
      `weekStart of windows of a ${unit} is not usable`,
      show(weekStart),
      unit === 'week' ? WEEKDAYS.join(', ') : 'none: only weeks begin on a day of the week',
      unit === 'week' ? 'Use one of them.' : 'Leave weekStart out.',
    );
  }
  const zone = new TimeZone(timeZone);
  const { usualMs, longestMs } = UNITS[unit];
  const firstDay = WEEKDAYS.indexOf(weekStart ?? 'monday');
  const windows = new Remembered(usualMs, (moment) =>
    unit === 'hour' ? hourOf(zone, moment) : daysOf(zone, (local, by) => dateOf(unit, local, by, firstDay), moment),
  );
  const label = `calendar ${unit} ${zone.name}`;
  return {
    kind: 'time',
    ...closing(label, { openMs: longestMs, behindMs: 0 }, options),
    of<K>(timestamp: number, key: K): readonly WindowKey<K>[] {
      if (timestamp < 0) return NO_WINDOW;
      const { start, end } = windows.of(timestamp);
      return [new WindowKey(key, start, end)];
    },
  };
}

interface Bounds {
  readonly start: number;
  readonly end: number;
}

/**
 * The first day of the unit that contains a day, or of the unit `by` units later. Local time, as if it were
 * UTC.
 */
function dateOf(unit: Exclude<CalendarUnit, 'hour'>, local: number, by: number, firstDay: number): number {
  const date = new Date(local);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  switch (unit) {
    case 'day':
      return Date.UTC(year, month, day + by);
    case 'week':
      return Date.UTC(year, month, day - ((date.getUTCDay() - firstDay + 7) % 7) + 7 * by);
    case 'month':
      return Date.UTC(year, month + by, 1);
    case 'quarter':
      return Date.UTC(year, month - (month % 3) + 3 * by, 1);
    case 'year':
      return Date.UTC(year + by, 0, 1);
  }
}

function daysOf(zone: TimeZone, date: (local: number, by: number) => number, moment: number): Bounds {
  const local = zone.local(moment);
  let by = 0;
  let start = zone.momentOf(date(local, by));
  let end = zone.momentOf(date(local, ++by));
  // If clocks are set back across midnight, they show the old day again after the new one has begun. A zone
  // may also skip a whole day.
  while (end <= moment) [start, end] = [end, zone.momentOf(date(local, ++by))];
  return { start, end };
}

function hourOf(zone: TimeZone, moment: number): Bounds {
  const offset = zone.offset(moment);
  const start = moment - modulo(moment + offset, HOUR);
  const end = start + HOUR;
  const odd = (other: number): boolean => (other - offset) % HOUR !== 0;
  return {
    start: odd(zone.offset(start)) ? zone.change(start, moment) : start,
    end: odd(zone.offset(end - 1)) ? zone.change(moment, end) : end,
  };
}

const modulo = (n: number, by: number): number => ((n % by) + by) % by;

/** How many stretches of time are cached. */
const STRETCHES = 1_000;

/**
 * A cache of recent windows, by stretches of a window's usual length: only a few windows begin in one
 * stretch.
 */
class Remembered {
  readonly #usualMs: number;
  readonly #compute: (moment: number) => Bounds;
  readonly #stretches = new Map<number, Bounds[]>();
  #last: Bounds = { start: 0, end: 0 };

  constructor(usualMs: number, compute: (moment: number) => Bounds) {
    this.#usualMs = usualMs;
    this.#compute = compute;
  }

  of(moment: number): Bounds {
    if (!holds(this.#last, moment)) this.#last = this.#find(moment);
    return this.#last;
  }

  #find(moment: number): Bounds {
    const stretch = Math.floor(moment / this.#usualMs);
    const known = this.#stretches.get(stretch);
    const found = known?.find((window) => holds(window, moment));
    if (found) return found;
    const computed = this.#compute(moment);
    if (known) known.push(computed);
    else {
      if (this.#stretches.size === STRETCHES) this.#stretches.clear();
      this.#stretches.set(stretch, [computed]);
    }
    return computed;
  }
}

const holds = ({ start, end }: Bounds, moment: number): boolean => start <= moment && moment < end;
