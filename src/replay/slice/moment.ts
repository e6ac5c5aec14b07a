import { type Duration, durationMs, formatMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';
import { show } from '../../model/text/show.js';

/** An offset of one partition: everything before it is past. */
export interface OffsetOf {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/**
 * A position in the source topics, in the form in which users write it.
 *
 * | written | as a start | as an end |
 * |---|---|---|
 * | `earliest` | the first record that there is | nothing |
 * | `latest` | what comes after the last record | all there is |
 * | `offset:TOPIC:P=N,…` | from offset N of that partition on | the records before offset N of that partition |
 * | `time:ISO`, or a plain ISO date | from the first record with that timestamp or a later one on | up to the first record with a later timestamp |
 * | `ago:2h` | as `time:`, that long before now | the same |
 */
export type Moment =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'offset'; readonly offsets: readonly OffsetOf[] }
  /** Milliseconds since the epoch. */
  | { readonly kind: 'time'; readonly time: number }
  | { readonly kind: 'ago'; readonly ms: number };

const FORMS = 'earliest, latest, offset:TOPIC:PARTITION=OFFSET, time:ISO (or a plain ISO date), or ago:2h';
/**
 * A date with an optional time of day. Without an offset it is UTC, so that it means the same on every
 * machine.
 */
const ISO = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:?\d{2})?)?$/;
const OFFSET = /^([^:=,\s]+):(\d+)=(\d+)$/;

/**
 * Parses the written form of a position in the source topics; see {@link Moment}. A date without an offset
 * from UTC is UTC. `what` names the option in the error message.
 *
 * ```ts
 * parseMoment('2026-03-01T12:00'); // → { kind: 'time', time: 1772366400000 }
 * parseMoment('offset:payments:0=42'); // → { kind: 'offset', offsets: [{ topic: 'payments', partition: 0, offset: 42 }] }
 * ```
 *
 * Errors: USAGE for any other text.
 */
export function parseMoment(text: string, what = 'a moment'): Moment {
  const wrong = (saw = show(text)): StreamsError =>
    new StreamsError('USAGE', {
      what: `cannot read ${what}`,
      saw,
      expected: FORMS,
      action: 'For example 2026-03-01T12:00:00Z, or offset:payments:0=42.',
    });
  if (text === 'earliest' || text === 'latest') return { kind: text };
  if (text.startsWith('ago:')) {
    try {
      return { kind: 'ago', ms: durationMs(text.slice(4) as Duration) };
    } catch {
      throw wrong();
    }
  }
  if (text.startsWith('offset:')) {
    const offsets = text
      .slice('offset:'.length)
      .split(',')
      .map((part) => {
        const [, topic = '', partition = '', offset = ''] = OFFSET.exec(part) ?? [];
        if (topic === '' || !Number.isSafeInteger(Number(offset))) throw wrong();
        return { topic, partition: Number(partition), offset: Number(offset) };
      });
    const places = new Set(offsets.map(({ topic, partition }) => `${topic}:${partition}`));
    if (places.size < offsets.length) throw wrong(`${show(text)}, which names a partition twice`);
    return { kind: 'offset', offsets };
  }
  const match = ISO.exec(text.startsWith('time:') ? text.slice('time:'.length) : text);
  if (!match) throw wrong();
  const [, day, clock = '00:00', zone = 'Z'] = match;
  const time = Date.parse(`${day}T${clock}${zone}`);
  // JavaScript reads February 31 as a day in March.
  if (!Number.isFinite(time) || new Date(`${day}T00:00Z`).toISOString().slice(0, 10) !== day) throw wrong();
  return { kind: 'time', time };
}

/** The text of a moment, for messages. */
export function formatMoment(moment: Moment): string {
  if (moment.kind === 'time') return new Date(moment.time).toISOString();
  if (moment.kind === 'ago') return `${formatMs(moment.ms)} ago`;
  if (moment.kind === 'offset')
    return `offset:${moment.offsets.map(({ topic, partition, offset }) => `${topic}:${partition}=${offset}`).join(',')}`;
  return moment.kind;
}
