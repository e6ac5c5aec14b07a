import { isUtf8 } from 'node:buffer';

const REPLACEMENT = '\ufffd';

/**
 * The text of UTF-8 bytes; undefined if they are not UTF-8. `Buffer.toString` turns each invalid byte into U+FFFD instead of failing, so only a
 * text that has one needs the check: it costs nothing on the hot path.
 */
export function text(bytes: Buffer): string | undefined {
  const decoded = bytes.toString('utf8');
  return decoded.includes(REPLACEMENT) && !isUtf8(bytes) ? undefined : decoded;
}
