import assert from 'node:assert/strict';
import { compileFunction } from 'node:vm';
import fc from 'fast-check';
import { commentCode, stringCode, valueCode } from '#src/model/code-text.js';
import { StreamsError } from '#src/model/errors.js';
import { isName } from '#src/model/names.js';
import { plainJson, plainLayout, plainText } from '#src/model/plain-text.js';
import { RUNS } from './mutants.js';

/** Text of which much is what programs, terminals and readers stumble over. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\n',
        '\r',
        '\t',
        '\u001b[2J',
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

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const MOVES = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

const evaluate = (code: string): unknown => compileFunction(`return (${code});`)();

describe('data in a program', () => {
  it('is the same text again, on one line, whatever is in it', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const code = stringCode(text);
        assert.doesNotMatch(code, MOVES);
        assert.equal(evaluate(code), text);
      }),
      { numRuns: RUNS },
    );
  });

  it('ends no comment that ends with its line', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        assert.equal(evaluate(`1 // ${commentCode(text)}\n`), 1);
      }),
      { numRuns: RUNS },
    );
  });

  it('is the same value again: fields called __proto__, bigints, bytes and numbers that JSON lacks', () => {
    const leaf = fc.oneof(
      hostile,
      fc.double(),
      fc.bigInt(),
      fc.boolean(),
      fc.constant(null),
      fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes)),
    );
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie('value'), { maxLength: 3 }),
        fc
          .array(fc.tuple(fc.oneof(fc.constant('__proto__'), hostile), tie('value')), { maxLength: 3 })
          .map((fields) => {
            const object = {};
            for (const [name, field] of fields)
              Object.defineProperty(object, name, {
                value: field,
                enumerable: true,
                configurable: true,
                writable: true,
              });
            return object;
          }),
      ),
    }));
    fc.assert(
      fc.property(value, (given) => {
        assert.deepStrictEqual(evaluate(valueCode(given)), given);
      }),
      { numRuns: RUNS },
    );
  });
});

describe('text on a terminal', () => {
  it('is on one line, and moves nothing', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        assert.doesNotMatch(plainText(text), MOVES);
        assert.equal(plainText(plainText(text)), plainText(text));
      }),
      { numRuns: RUNS },
    );
  });

  it('as JSON means what it meant', () => {
    fc.assert(
      fc.property(fc.dictionary(hostile, hostile), (value) => {
        const shown = plainJson(JSON.stringify(value));
        assert.doesNotMatch(shown, MOVES);
        assert.deepEqual(JSON.parse(shown), JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: RUNS },
    );
  });

  it('keeps the lines, tabs and colours that are its own', () => {
    const own = '\u001b[31mSTATE_IO\u001b[39m: a\n  b\tc\r\u001b[K';
    assert.equal(plainLayout(own), own);
    assert.equal(plainLayout('a\u001b]0;title\u0007b\rc'), 'a\\u001b]0;title\\u0007b\\rc');
  });

  it('of an error is on one line, but for its list', () => {
    fc.assert(
      fc.property(hostile, hostile, hostile, (at, saw, action) => {
        const error = new StreamsError('STATE_IO', { what: 'it failed', at, saw, action, list: [saw] });
        const [first = '', second = '', ...rest] = error.message.split('\n');
        for (const line of [first, second, error.problem, error.action]) assert.doesNotMatch(line, MOVES);
        assert.deepEqual([second.startsWith('  - '), rest], [true, []]);
      }),
      { numRuns: RUNS },
    );
  });
});

describe('a name', () => {
  it('leads nowhere, as the name of a file', () => {
    const names = fc.oneof(
      hostile,
      fc.string(),
      fc.constantFrom('..', '.', '', 'a/b', 'a\\b', '...', 'a'.repeat(200), 'a'.repeat(201), 'C:', 'nul\u0000'),
    );
    fc.assert(
      fc.property(names, (name) => {
        if (isName(name)) assert.match(name, /^(?!\.\.?$)[\w.-]{1,200}$/);
        else assert.doesNotMatch(name, /^(?!\.\.?$)[A-Za-z0-9._-]{1,200}$/);
      }),
      { numRuns: RUNS },
    );
  });
});
