import { Headers } from '../../model/headers.js';
import { ByteReader, written } from '../common/bytes.js';
import type { NotedRecord } from '../contract/processor.js';
import type { PendingCall } from './pending-call.js';

/** How an attempt ended. It says all that follows, so that a replay with other options does the same. */
export type Outcome =
  /** `value`: what the function returned, encoded. */
  | { readonly kind: 'done'; readonly value: Buffer | null }
  /** The next attempt is made at this moment, or later. */
  | { readonly kind: 'again'; readonly next: number; readonly error: string }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  /** No call was made, because the application makes none. */
  | { readonly kind: 'silenced' };

/** An outcome, and the attempt that it belongs to. */
export interface ReadOutcome {
  readonly origin: string;
  readonly attempt: number;
  readonly outcome: Outcome;
}

const KINDS = ['done', 'again', 'failed', 'silenced'] as const;
const FORMAT = 1;

/**
 * The record of an internal input. Its key is that of the request. Its value, format 1 (integers big endian,
 * a text is its length in 4 bytes, then UTF-8): 1 byte format, 1 kind, 4 attempt, text origin. Then follow,
 * for a call that is done, 4 + n value (length −1: null); for one that is made again, 8 moment (double) and
 * text error; for one that failed, text code and text message.
 */
export function notedOutcome({ request, attempt }: PendingCall, outcome: Outcome): NotedRecord {
  const value = written((row) => {
    row.byte(FORMAT);
    row.byte(KINDS.indexOf(outcome.kind));
    row.int32(attempt);
    row.text(request.origin);
    if (outcome.kind === 'done') row.bytes(outcome.value);
    else if (outcome.kind === 'again') {
      row.double(outcome.next);
      row.text(outcome.error);
    } else if (outcome.kind === 'failed') {
      row.text(outcome.code);
      row.text(outcome.message);
    }
  });
  return { key: request.key, value, timestamp: request.timestamp, headers: Headers.none, origin: request.origin };
}

/** Undefined for what is no outcome: anyone who may write to the topic writes it. */
export function readOutcome(value: unknown): ReadOutcome | undefined {
  if (!Buffer.isBuffer(value)) return undefined;
  try {
    const row = new ByteReader(value, 'an outcome');
    if (row.byte() !== FORMAT) return undefined;
    const kind = KINDS[row.byte()];
    const [attempt, origin] = [row.int32(), row.text()];
    const outcome = outcomeOf(kind, row);
    return outcome && { origin, attempt, outcome };
  } catch {
    return undefined;
  }
}

function outcomeOf(kind: (typeof KINDS)[number] | undefined, row: ByteReader): Outcome | undefined {
  switch (kind) {
    case 'done':
      return { kind, value: row.bytes() };
    case 'again':
      return { kind, next: row.double(), error: row.text() };
    case 'failed':
      return { kind, code: row.text(), message: row.text() };
    case 'silenced':
      return { kind };
    default:
      return undefined;
  }
}
