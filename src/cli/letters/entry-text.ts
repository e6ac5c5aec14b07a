import type { LedgerEntry, RedrivenLetter } from '../../letters/index.js';

/** An error may have a text of any length. */
const LONGEST = 2_000;

/** Why an entry was written; of letters that are fed in again also where, and what came of it. */
export function whyText({ what, reason, fields }: LedgerEntry): string {
  const why = reason ?? '-';
  const { at, patched, code, message } = fields;
  if (what === 'redrive-request') {
    const how = [...(typeof at === 'string' ? [`at ${cut(at)}`] : []), ...(patched === true ? ['patched'] : [])];
    return how.length === 0 ? why : `${why} (${how.join(', ')})`;
  }
  if (what !== 'redrive-failed') return why;
  const failure = {
    ...(typeof code === 'string' && { code }),
    ...(typeof message === 'string' && { message }),
  };
  return `${why}; failed again: ${failureText(failure)}`;
}

/** `PROCESS_FAILED: no such account`. */
export const failureText = ({ code, message }: Pick<RedrivenLetter, 'code' | 'message'>): string =>
  [code, message].flatMap((text) => (text === undefined ? [] : [cut(text)])).join(': ') || '-';

const cut = (text: string): string => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
