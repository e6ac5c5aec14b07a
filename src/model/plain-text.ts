/**
 * Text of others (keys, values, names, messages of servers) as a terminal or a log line may show it: on one
 * line, and without characters that move the cursor, start an escape sequence, or turn the direction of what
 * stands beside them.
 */

/**
 * C0 with line breaks and tabs, DEL and C1 (of which U+009B begins a sequence as ESC [ does), the separators
 * of lines and paragraphs, the marks that change the direction of text (Unicode 9.0, UAX 9), and the byte
 * order mark.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const SHORT: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

const escaped = (character: string): string =>
  SHORT.get(character) ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** On one line: what is not safe to show is written as in a string of JSON (`\n`, `\u001b`). */
export const plainText = (text: string): string => text.replace(UNSAFE, escaped);

/**
 * What the command line itself writes to a terminal, beside lines and tabs: colours, and a line that begins
 * anew.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const OWN_SEQUENCES = /\u001b\[\d{0,3}m|\r\u001b\[K|[\n\t]/.source;
const OWN_OR_UNSAFE = new RegExp(`(${OWN_SEQUENCES})|${UNSAFE.source}`, 'g');

/**
 * As {@link plainText}, but for line breaks, tabs, colours and the return to the beginning of a line: for
 * what is laid out already.
 */
export const plainLayout = (text: string): string =>
  text.replace(OWN_OR_UNSAFE, (found, own: string | undefined) => own ?? escaped(found));

/**
 * Compact JSON with the same meaning: such characters can only stand in its strings, where the escapes say
 * the same. Line breaks and tabs between its tokens would not keep their meaning, so they must not be there.
 */
export const plainJson = (json: string): string => plainText(json);
