import type { BrokerRecord, ProducerRecord } from '../../broker/port.js';
import { StreamsError } from '../../model/errors.js';
import { Headers } from '../../model/headers.js';
import { isMoment, type SourcePosition } from '../../model/record.js';
import { show } from '../../model/text/show.js';

/** Longer texts are refused when they are written, and cut when they are read. */
export const MAX_ACTOR = 200;
export const MAX_REASON = 2_000;
const MAX_WORD = 100;

const FORMAT = 1;

/** An entry to be written. */
export interface NewLedgerEntry {
  /** What it is about. The ledger keeps the last entry about each thing: see {@link letterKey}. */
  readonly key: string;
  /** What was done: `discard`. */
  readonly what: string;
  readonly actor: string;
  readonly reason?: string;
  /** More about it, which JSON can write. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** An entry of a ledger, as it was found. Anybody may have written it. */
export interface LedgerEntry {
  /** Its offset in the ledger. */
  readonly offset: number;
  /** What it is about, such as `letter payments-dead-letter-0@17`. */
  readonly key: string;
  /** What was done, such as `discard`. */
  readonly what: string;
  /** Who did it; null if the entry does not say so. */
  readonly actor: string | null;
  /** When, in milliseconds since the epoch; null if the entry does not say so. */
  readonly time: number | null;
  /** Why; null if the entry does not say so. */
  readonly reason: string | null;
  /** All fields of the entry as they were written, also those that this version does not know. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What a record of a ledger is. A deleted entry has no content any more. */
export type LedgerRecord =
  | { readonly kind: 'entry'; readonly key: string; readonly entry: LedgerEntry }
  | { readonly kind: 'deleted'; readonly key: string }
  | { readonly kind: 'damaged'; readonly key: string | null; readonly offset: number; readonly why: string };

/** The key of entries about a dead letter: `letter <topic>-<partition>@<offset>`. */
export const letterKey = ({ topic, partition, offset }: SourcePosition): string =>
  `letter ${topic}-${partition}@${offset}`;

/** The dead letter that a key is about; undefined: it is about something else. */
export function letterOfKey(key: string): SourcePosition | undefined {
  const [, topic, partition = '', offset = ''] = /^letter ([^\s@]{1,249})-(\d{1,10})@(\d{1,16})$/.exec(key) ?? [];
  const at = topic === undefined ? undefined : { topic, partition: Number(partition), offset: Number(offset) };
  return at && Number.isSafeInteger(at.offset) ? at : undefined;
}

/** The record of an entry. Errors: CONFIG_INVALID for texts that are empty or too long. */
export function ledgerRecord(topic: string, entry: NewLedgerEntry, now: number): ProducerRecord {
  const { key, what, actor, reason, fields } = entry;
  checkText('actor', actor, MAX_ACTOR);
  if (reason !== undefined) checkText('reason', reason, MAX_REASON);
  const time = new Date(now).toISOString();
  const value = { format: FORMAT, what, actor, time, ...(reason !== undefined && { reason }), ...fields };
  return {
    topic,
    partition: 0,
    timestamp: now,
    key: Buffer.from(key),
    value: Buffer.from(JSON.stringify(value)),
    headers: Headers.none,
  };
}

/** Errors: CONFIG_INVALID for a text that is blank or too long. */
export function checkText(name: 'actor' | 'reason', text: string, longest: number): void {
  if (typeof text === 'string' && text.trim() !== '' && text.length <= longest) return;
  throw new StreamsError('CONFIG_INVALID', {
    what: `cannot use the ${name}`,
    saw: typeof text === 'string' && text.length > longest ? `${text.length} characters` : show(text),
    expected: `a text of 1 to ${longest} characters`,
    action: `Say in a few words ${name === 'actor' ? 'who does it' : 'why it is done'}.`,
  });
}

/** Reads a record of a ledger. Never throws. */
export function parseLedgerRecord({ key: bytes, value, offset }: BrokerRecord): LedgerRecord {
  const key = bytes === null ? null : bytes.subarray(0, 1_000).toString('utf8');
  const damaged = (why: string): LedgerRecord => ({ kind: 'damaged', key, offset, why });
  if (key === null) return damaged('it has no key');
  if (value === null) return { kind: 'deleted', key };
  const fields = objectOf(value);
  if (fields === undefined) return damaged('its value is no JSON object');
  const { format, what, actor, time, reason } = fields;
  if (format !== FORMAT) return damaged(`its format is ${show(format)}, and this version reads ${FORMAT}`);
  if (typeof what !== 'string') return damaged(`its "what" is ${show(what)}`);
  const entry: LedgerEntry = {
    offset,
    key,
    what: cut(what, MAX_WORD),
    actor: typeof actor === 'string' ? cut(actor, MAX_ACTOR) : null,
    time: timeOf(time),
    reason: typeof reason === 'string' ? cut(reason, MAX_REASON) : null,
    fields,
  };
  return { kind: 'entry', key, entry };
}

function objectOf(value: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(value.toString('utf8'));
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? { ...parsed } : undefined;
  } catch {
    return undefined;
  }
}

function timeOf(text: unknown): number | null {
  const time = typeof text === 'string' && /^[+-]?\d{4,6}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  return isMoment(time) ? time : null;
}

const cut = (text: string, longest: number): string => (text.length > longest ? `${text.slice(0, longest)}…` : text);
