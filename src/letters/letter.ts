import type { BrokerRecord } from '../broker/port.js';
import type { Headers } from '../model/headers.js';
import { isName } from '../model/names.js';
import type { SourcePosition } from '../model/record.js';
import { type LetterPosition, letterId } from './letter-id.js';

/** The record from which a letter was made. */
export interface LetterOrigin extends SourcePosition {
  /** The timestamp of the record; null if the dead letter topic does not keep it. */
  readonly timestamp: number | null;
}

/**
 * What has become of a letter, as the last entry of the ledger about it says.
 *
 * | state | meaning |
 * |---|---|
 * | `open` | it needs work: nothing was done, or it was fed in again and has failed again |
 * | `requested` | the application is to process it again, and has not said yet what came of it |
 * | `redriven` | the application has processed it again: it is settled |
 * | `discarded` | somebody said that it needs no more work: it is settled |
 */
export type LetterState =
  | { readonly name: 'open' }
  | {
      readonly name: 'discarded' | 'requested' | 'redriven';
      /** Who did it; null if the ledger does not say so. */
      readonly actor: string | null;
      /** When, in milliseconds since the epoch; null if the ledger does not say so. */
      readonly time: number | null;
      /** Why; null if the ledger does not say so. */
      readonly reason: string | null;
    };

/** A part of a letter that the broker did not accept as a whole. */
export interface ShortenedPart {
  readonly part: 'value' | 'key' | 'headers' | 'message';
  /** How many bytes it had. */
  readonly bytes: number;
}

/**
 * A record of a dead letter topic. Its texts are what somebody wrote: show them with their control characters
 * escaped.
 *
 * A foreign record has no header of millrace: somebody else wrote it. Then all that a header would say is
 * null. So is what a header says wrongly.
 */
export interface Letter extends LetterPosition {
  /** `PARTITION@OFFSET` in the dead letter topic. */
  readonly id: string;
  /** The dead letter topic. */
  readonly topic: string;
  /** The timestamp of the letter: that of its record, unless the topic stamps what is written to it. */
  readonly timestamp: number;
  /** When it was written, in milliseconds; null if that is not known. */
  readonly writtenAt: number | null;
  /** Whether no version of millrace has written it. */
  readonly foreign: boolean;
  /** The record from which it was made. */
  readonly origin: LetterOrigin | null;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** The headers of the record, and those that describe its failure. */
  readonly headers: Headers;
  /** The application that gave the record up. */
  readonly application: string | null;
  /** The operator, source or sink that gave it up. */
  readonly operator: string | null;
  /** The code of the error. */
  readonly code: string | null;
  /** The text of the error. */
  readonly message: string | null;
  /** How often the record was tried. */
  readonly attempt: number | null;
  /** What is shorter than it was. */
  readonly shortened: readonly ShortenedPart[];
  readonly state: LetterState;
}

export const OPEN: LetterState = { name: 'open' };

/** Longer texts are no names: they are cut. */
const MAX_NAME = 500;
/** Far more than an error says: what is longer is cut, for readers that show it. */
const MAX_MESSAGE_BYTES = 1024 * 1024;

/**
 * The letter of a record. Never throws, whatever the record holds.
 *
 * @param stamped Whether the topic stamps records with the time when they are written.
 */
export function letterOf(record: BrokerRecord, state: LetterState, stamped: boolean): Letter {
  const { topic, partition, offset, timestamp, key, value, headers } = record;
  const origin = originOf(headers);
  return {
    id: letterId(record),
    topic,
    partition,
    offset,
    timestamp,
    writtenAt: stamped ? timestamp : null,
    foreign: !MARKS.some((name) => headers.get(name) !== undefined),
    origin: origin && { ...origin, timestamp: stamped ? null : timestamp },
    key,
    value,
    headers,
    application: nameOf(headers, 'millrace.application'),
    operator: nameOf(headers, 'millrace.operator'),
    code: nameOf(headers, 'millrace.error.code'),
    message: textOf(headers, 'millrace.error.message', MAX_MESSAGE_BYTES),
    attempt: numberOf(headers, 'millrace.attempt'),
    shortened: shortenedParts(textOf(headers, 'millrace.shortened', MAX_NAME) ?? ''),
    state,
  };
}

/** The time by which a letter is found: when it was written if that is known, else that of its record. */
export const timeOfLetter = ({ writtenAt, timestamp }: Pick<Letter, 'writtenAt' | 'timestamp'>): number =>
  writtenAt ?? timestamp;

/** Every version has written these. */
const MARKS = ['millrace.topic', 'millrace.error.code'];

function originOf(headers: Headers): SourcePosition | null {
  const topic = textOf(headers, 'millrace.topic', MAX_NAME);
  const partition = numberOf(headers, 'millrace.partition');
  const offset = numberOf(headers, 'millrace.offset');
  return topic !== null && isName(topic, 249) && partition !== null && offset !== null
    ? { topic, partition, offset }
    : null;
}

const nameOf = (headers: Headers, name: string): string | null => textOf(headers, name, MAX_NAME);

function textOf(headers: Headers, name: string, longest: number): string | null {
  const bytes = headers.get(name);
  return bytes ? Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, longest)).toString('utf8') : null;
}

function numberOf(headers: Headers, name: string): number | null {
  const text = textOf(headers, name, MAX_NAME) ?? '';
  return /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : null;
}

/** `value 1048576, key 70000`; what does not read so is left out. */
function shortenedParts(text: string): readonly ShortenedPart[] {
  return text.split(', ').flatMap((each) => {
    const [, part, bytes] = /^(value|key|headers|message) (\d{1,15})$/.exec(each) ?? [];
    return part === undefined ? [] : [{ part: part as ShortenedPart['part'], bytes: Number(bytes) }];
  });
}
