import { isUtf8 } from 'node:buffer';

const REPLACEMENT = '\ufffd';

/**
 * The text of UTF-8 bytes; undefined if they are not UTF-8. `Buffer.toString` turns each invalid byte into
 * U+FFFD instead of failing, so only a text that has one needs the check: it costs nothing on the hot path.
 */
export function text(bytes: Buffer): string | undefined {
  const decoded = bytes.toString('utf8');
  return decoded.includes(REPLACEMENT) && !isUtf8(bytes) ? undefined : decoded;
}

// In the language since Node 20, in TypeScript's library only from ES2024.
type WellFormedString = string & { isWellFormed(): boolean };

/** Whether UTF-8 can hold the text: a lone surrogate, half of an emoji, would be replaced by U+FFFD. */
export const isWellFormed = (value: string): boolean => (value as WellFormedString).isWellFormed();
