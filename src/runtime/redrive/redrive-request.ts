import type { Headers } from '../../model/headers.js';
import { isName } from '../../model/names.js';
import type { SourcePosition } from '../../model/record.js';
import { isFields } from '../config/offset-texts.js';
import { MAX_ACTOR, MAX_REASON } from '../ledger/ledger-entry.js';
import type { RedriveRequest } from '../record/redriven-record.js';

/** The header of a record that asks to feed a letter in again: JSON of a {@link RedriveRequest}. */
const REDRIVE_HEADER = 'millrace.redrive';
/** The header of a letter that was noted: the offset of the record that asked for it. */
const REQUEST_HEADER = 'millrace.request';

export const withRequest = (headers: Headers, request: RedriveRequest): Headers =>
  headers.with(REDRIVE_HEADER, JSON.stringify(request));

export const withoutRequest = (headers: Headers): Headers => headers.without(REDRIVE_HEADER).without(REQUEST_HEADER);

export const asNoted = (headers: Headers, offset: number): Headers => headers.with(REQUEST_HEADER, String(offset));

/** Undefined: nothing is noted, the record only asks for it. */
export function requestOffset(headers: Headers): number | undefined {
  const offset = Number(headers.text(REQUEST_HEADER) ?? Number.NaN);
  return Number.isSafeInteger(offset) && offset >= 0 ? offset : undefined;
}

/** Undefined: the header says nothing that can be done. Anyone who may write to the topic writes it. */
export function requestOf(headers: Headers): RedriveRequest | undefined {
  let asked: unknown;
  try {
    asked = JSON.parse(headers.text(REDRIVE_HEADER) ?? '');
  } catch {
    return undefined;
  }
  if (!isFields(asked)) return undefined;
  const { letter, topicId, origin, at, actor, reason, patched } = asked;
  if (!isPlace(letter) || !isPlace(origin)) return undefined;
  // What the ledger would refuse must not get as far as a commit.
  if (typeof at !== 'string' || !isText(actor, MAX_ACTOR) || !isText(reason, MAX_REASON)) return undefined;
  return {
    letter,
    ...(typeof topicId === 'string' && { topicId }),
    ...{ origin, at, actor, reason, patched: patched === true },
  };
}

const isText = (text: unknown, longest: number): text is string =>
  typeof text === 'string' && text.trim() !== '' && text.length <= longest;

function isPlace(at: unknown): at is SourcePosition {
  if (!isFields(at)) return false;
  const { topic, partition, offset } = at;
  return isName(topic, 249) && [partition, offset].every((part) => Number.isSafeInteger(part) && (part as number) >= 0);
}
