import { StreamsError } from '../../model/errors.js';
import { nearestName } from '../../model/text/nearest-name.js';
import { show } from '../../model/text/show.js';

const HOUR = 3_600_000;

/** The clocks of a time zone. Each call to Intl takes some microseconds, so call it only once per window. */
export class TimeZone {
  readonly name: string;
  readonly #format: Intl.DateTimeFormat;

  /** CONFIG_INVALID for a zone that Node does not know. */
  constructor(name: string) {
    // Without a name, Intl would use the zone of this machine.
    if (typeof name !== 'string') throw unknownZone(name);
    try {
      this.#format = new Intl.DateTimeFormat('en-US', {
        timeZone: name,
        calendar: 'gregory',
        numberingSystem: 'latn',
        hourCycle: 'h23',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      });
    } catch (error) {
      throw unknownZone(name, error);
    }
    this.name = name;
  }

  /** How far the local clock is ahead of UTC at a moment, in milliseconds. */
  offset(moment: number): number {
    const parts: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
    for (const { type, value } of this.#format.formatToParts(moment)) parts[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(moment / 1_000) * 1_000;
  }

  /** The local clock time, as if it were UTC. */
  local(moment: number): number {
    return moment + this.offset(moment);
  }

  /** The first moment at which clocks show a local time. If clocks skip it, the moment of the change. */
  momentOf(local: number): number {
    // Clocks are between 12 hours behind and 14 hours ahead of UTC. The moment and any relevant clock change
    // lie in this range.
    const before = this.offset(local - 15 * HOUR);
    const after = this.offset(local + 13 * HOUR);
    const candidates =
      before === after ? [local - before] : [local - Math.max(before, after), local - Math.min(before, after)];
    for (const candidate of candidates) if (this.local(candidate) === local) return candidate;
    return this.change(local - 15 * HOUR, local + 13 * HOUR);
  }

  /** The first moment after `from` at which clocks change. There must be a change before `to`. */
  change(from: number, to: number): number {
    const offset = this.offset(from);
    let [low, high] = [from, to];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.offset(middle) === offset) low = middle;
      else high = middle;
    }
    return high;
  }
}

function unknownZone(name: string, cause?: unknown): StreamsError {
  const nearest = nearestName(String(name), ['UTC', ...Intl.supportedValuesOf('timeZone')]);
  return new StreamsError('CONFIG_INVALID', {
    what: 'there is no such time zone',
    saw: show(name),
    expected: nearest === undefined ? 'a name of the IANA time zone database' : `perhaps ${show(nearest)}`,
    action: 'Use a name such as "Europe/Berlin" or "UTC".',
    cause,
  });
}
