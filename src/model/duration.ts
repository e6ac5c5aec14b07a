import { StreamsError } from './errors.js';
import { show } from './text/show.js';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A length of time with its unit: `'250ms'`, `'30s'`, `'1.5h'`, `'7d'`. */
export type Duration = `${number}${keyof typeof UNIT_MS}`;

const PATTERN = /^(\d{1,16})(?:\.(\d{1,16}))?(ms|s|m|h|d)$/;

/**
 * A duration in whole milliseconds.
 *
 * ```ts
 * durationMs('1.5h'); // → 5400000
 * ```
 *
 * Throws CONFIG_INVALID for anything that is not a non-negative number followed by ms, s, m, h or d, and for
 * what is no whole number of milliseconds (`'1.5ms'`); `what` names the option in the message.
 */
export function durationMs(duration: Duration, what = 'duration'): number {
  const ms = wholeMs(duration);
  if (ms === undefined) {
    throw new StreamsError('CONFIG_INVALID', {
      what: `cannot read ${what}`,
      saw: show(duration),
      expected: 'whole milliseconds as a number and a unit, for example "250ms", "30s", "5m", "2h" or "7d"',
      action: 'Write the duration with its unit.',
    });
  }
  return ms;
}

/** Computes with digits: a floating-point number does not hold most fractions exactly. */
function wholeMs(duration: Duration): number | undefined {
  const [, whole = '', fraction = '', unit = 'ms'] = PATTERN.exec(duration) ?? [];
  if (whole === '') return undefined;
  const parts = BigInt(whole + fraction) * BigInt(UNIT_MS[unit as keyof typeof UNIT_MS]);
  const scale = 10n ** BigInt(fraction.length);
  const ms = Number(parts / scale);
  return parts % scale === 0n && Number.isSafeInteger(ms) ? ms : undefined;
}

/** The same for a duration that must not be zero. CONFIG_INVALID for zero. */
export function positiveMs(duration: Duration, what: string): number {
  const ms = durationMs(duration, what);
  if (ms > 0) return ms;
  throw new StreamsError('CONFIG_INVALID', {
    what: `${what} is zero`,
    saw: show(duration),
    expected: 'at least "1ms"',
    action: 'Give it a length.',
  });
}

/** Milliseconds in readable form: `850 ms`, `12.3 s`, `4 min 05 s`, `3 h 20 min`. */
export function formatMs(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
  const minutes = Math.round(ms / 60_000);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}
