import { isUtf8 } from 'node:buffer';

const REPLACEMENT = '\ufffd';

/**
 * The text of UTF-8 bytes; undefined if they are not UTF-8. `Buffer.toString` replaces each invalid byte with
 * U+FFFD instead of failing. Only a text with U+FFFD needs the check, so it costs nothing on the hot path.
 */
export function text(bytes: Buffer): string | undefined {
  const decoded = bytes.toString('utf8');
  return decoded.includes(REPLACEMENT) && !isUtf8(bytes) ? undefined : decoded;
}

// Part of JavaScript since Node 20, but of TypeScript's library only from ES2024.
type WellFormedString = string & { isWellFormed(): boolean };

/** Whether UTF-8 can encode the text: a lone surrogate, half of an emoji, would become U+FFFD. */
export const isWellFormed = (value: string): boolean => (value as WellFormedString).isWellFormed();
