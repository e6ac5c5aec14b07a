import { show } from '../../model/show.js';
import { WindowKey } from '../../model/window.js';
import { TimeZone } from './time-zone.js';
import { closing, invalid, NO_WINDOW, type TimeWindows, type WindowOptions } from './windows.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/**
 * How much longer than its days a window may be, because clocks are put back: as far as any zone did it since
 * 1970 (Antarctica/Vostok, in 1994).
 */
const PUT_BACK = 7 * HOUR;

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;
type Weekday = (typeof WEEKDAYS)[number];

/** How long they usually are, and at most. */
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
  /** The day on which weeks begin, for windows of weeks. Default: `'monday'`. */
  readonly weekStart?: Weekday;
}

/**
 * Windows of the calendar of a time zone: a day begins when clocks there show midnight, and has 23 or 25
 * hours when they are put forward or back; weeks, months, quarters and years begin with a day. Side by side:
 * a record belongs to one. The start is included, the end is not.
 *
 * ```ts
 * orders.pipe(count({ store: 'orders-per-day', window: calendar('day', { timeZone: 'Europe/Berlin', grace: '1h' }) }));
 * ```
 *
 * Where clocks are put forward past midnight, the day begins with the first moment that they show; where they
 * show it twice, with the first of the two. The window in which the epoch lies may begin before it: its start
 * is then negative, which Java's own deserializers of windows refuse. Hours begin at full hours, and where
 * clocks are put forward or back by something else than hours. Retention counts from the start of a window,
 * as with all; by default it is that of the longest of them.
 *
 * Cost: boundaries are computed once a window, which takes some ten microseconds, and the last thousand are
 * remembered. They follow the time zone data of Node: a government that changes its mind moves the boundaries
 * of the future with the next update. CONFIG_INVALID for a time zone that there is not, a `weekStart` of
 * anything but weeks, and a retention shorter than the longest window and grace. Kafka Streams has no such
 * windows.
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
 * The first day of the unit in which a day lies, or of that so many units later; local time, as if it were
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
  // Clocks that are put back across midnight show the old day again when the new one has begun; a day may be
  // left out as a whole.
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

/** How many stretches of time are remembered. */
const STRETCHES = 1_000;

/** The windows that were asked for last, by stretches of their usual length: few windows begin in one. */
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
