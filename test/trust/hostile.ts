import fc from 'fast-check';

/** Text of which much is what programs, terminals and readers stumble over. */
export const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\n',
        '\r',
        '\t',
        '\u001b[2J',
        '\r\u001b[K',
        '\u001b[8m',
        '\u001b[31m',
        '\u009b31m',
        '\u0007',
        '\u202e',
        '\u2066',
        '\u2028',
        '\u2029',
        '\ufeff',
        '\ud83d',
        "'",
        '"',
        '`',
        '\\',
        '${',
        '*/',
        '//',
        '<!--',
        '-->',
        '__proto__',
        '\u0000',
        '\u007f',
      ),
      fc.string({ unit: 'binary' }),
    ),
  )
  .map((parts) => parts.join(''));

/** What moves a cursor, hides text or turns it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
export const MOVES = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;
