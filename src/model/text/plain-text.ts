/**
 * Makes text from others (keys, values, names, messages of servers) safe for a terminal or a log line. The
 * result is on one line. It has no characters that move the cursor, start an escape sequence, or change the
 * direction of neighbouring text.
 */

/**
 * C0 with line breaks and tabs, DEL and C1 (where U+009B starts a sequence like ESC [), the line and
 * paragraph separators, the marks that change text direction (Unicode 9.0, UAX 9), and the byte order mark.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the expression searches for control characters
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const SHORT: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

const escaped = (character: string): string =>
  SHORT.get(character) ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Text on one line: unsafe characters are escaped as in a JSON string (`\n`, `\u001b`). */
export const plainText = (text: string): string => text.replace(UNSAFE, escaped);

/** Like {@link plainText}, but keeps line breaks and tabs: for text with a layout. */
export const plainLayout = (text: string): string =>
  text.replace(UNSAFE, (found) => (found === '\n' || found === '\t' ? found : escaped(found)));

/**
 * Compact JSON with the same meaning. Unsafe characters can occur only in its strings, where an escape means
 * the same. The JSON must have no line breaks or tabs between tokens, because these would not keep their
 * meaning.
 */
export const plainJson = (json: string): string => plainText(json);
