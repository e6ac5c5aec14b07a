import { type Duration, durationMs, positiveMs } from '../duration.js';
import { StreamsError } from '../errors.js';
import type { Random } from '../ports.js';
import { show } from '../text/show.js';
import { checkFields, isFields } from './fields.js';

/** Pauses of equal length. */
export interface FixedBackoff {
  readonly kind: 'fixed';
  readonly every: Duration;
  /**
   * The share of a pause, from 0 to 1, by which chance shortens it at most: of `1s` with 0.2, a pause has 800
   * ms to 1 s. The same record waits the same again. Default 0.
   */
  readonly jitter?: number;
}

/** Pauses of which each is longer than the one before, up to a limit. */
export interface ExponentialBackoff {
  readonly kind: 'exponential';
  /** The first pause. */
  readonly from: Duration;
  /** How many times as long each further pause is. Default 2. */
  readonly factor?: number;
  /** No pause is longer. */
  readonly max: Duration;
  /** As for pauses of equal length. Default 0. */
  readonly jitter?: number;
}

/** How long to wait before a record is tried again. A duration: always as long as that. */
export type Backoff = Duration | FixedBackoff | ExponentialBackoff;

/** A backoff with its defaults, as plain data. Pauses of equal length have the factor 1. */
export interface ResolvedBackoff {
  readonly fromMs: number;
  readonly factor: number;
  readonly maxMs: number;
  readonly jitter: number;
}

export const NO_BACKOFF: ResolvedBackoff = { fromMs: 0, factor: 1, maxMs: 0, jitter: 0 };

/** The fields of each kind. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  fixed: ['kind', 'every', 'jitter'],
  exponential: ['kind', 'from', 'factor', 'max', 'jitter'],
};

/** Checks a backoff and fills in its defaults. CONFIG_INVALID names `where`. */
export function resolveBackoff(backoff: Backoff, where: string): ResolvedBackoff {
  if (!isFields(backoff)) {
    const ms = durationMs(backoff, where);
    return { ...NO_BACKOFF, fromMs: ms, maxMs: ms };
  }
  const known = Object.hasOwn(KINDS, String(backoff.kind)) ? KINDS[backoff.kind] : undefined;
  if (known === undefined)
    throw invalid(`${where}.kind`, show(backoff.kind), Object.keys(KINDS).join(' or '), 'Choose a kind of pauses.');
  checkFields(backoff, known, where);
  const { jitter = 0 } = backoff;
  if (!(typeof jitter === 'number' && jitter >= 0 && jitter <= 1))
    throw invalid(`${where}.jitter`, show(jitter), 'a number from 0 to 1', 'Give the share of a pause, such as 0.2.');
  if (backoff.kind === 'fixed') {
    const ms = durationMs(backoff.every, `${where}.every`);
    return { fromMs: ms, factor: 1, maxMs: ms, jitter };
  }
  const { factor = 2 } = backoff;
  if (!(Number.isFinite(factor) && factor >= 1))
    throw invalid(`${where}.factor`, show(factor), 'a number of at least 1', 'Give how much longer each pause is.');
  const fromMs = positiveMs(backoff.from, `${where}.from`);
  const maxMs = durationMs(backoff.max, `${where}.max`);
  if (fromMs > maxMs)
    throw invalid(
      where,
      `from ${backoff.from}, max ${backoff.max}`,
      'a first pause that is not longer than the longest',
      'Raise max, or lower from.',
    );
  return { fromMs, factor, maxMs, jitter };
}

/** The pause after a failed attempt, in whole milliseconds. The first attempt is 1. */
export function pauseMs({ fromMs, factor, maxMs, jitter }: ResolvedBackoff, attempt: number, random: Random): number {
  const whole = Math.min(maxMs, fromMs * factor ** (attempt - 1));
  return Math.round(jitter === 0 ? whole : whole * (1 - jitter * random()));
}

const invalid = (where: string, saw: string, expected: string, action: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', { what: `cannot use ${where}`, saw, expected, action });
