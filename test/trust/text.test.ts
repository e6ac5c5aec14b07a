import assert from 'node:assert/strict';
import { compileFunction } from 'node:vm';
import fc from 'fast-check';
import { coloured, ERASE_LINE, write } from '#src/cli/terminal/io.js';
import { reportError } from '#src/cli/terminal/report-error.js';
import { commentCode, stringCode, valueCode } from '#src/model/code-text.js';
import { StreamsError } from '#src/model/errors.js';
import { isName } from '#src/model/names.js';
import { plainJson, plainLayout, plainText } from '#src/model/text/plain-text.js';
import { testIo } from '../cli/test-io.js';
import { hostile, MOVES } from './hostile.js';
import { RUNS } from './mutants.js';

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

  it('keeps the lines and tabs of what is laid out', () => {
    assert.equal(plainLayout('a\n  b\tc'), 'a\n  b\tc');
    assert.equal(plainLayout('a\u001b]0;title\u0007b\rc\u001b[8md'), 'a\\u001b]0;title\\u0007b\\rc\\u001b[8md');
  });

  it('has the colours that are its own, and none of what others wrote', () => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    const own = /\u001b\[(?:31|39)m|\r\u001b\[K/g;
    fc.assert(
      fc.property(hostile, hostile, (code, line) => {
        const io = testIo({ colours: true, terminal: true });
        void write(io.stderr, `${ERASE_LINE}${coloured(io, io.stderr, 'red', code)}${line}\n`);
        assert.deepEqual(io.errors().match(own), ['\r\u001b[K', '\u001b[31m', '\u001b[39m']);
        for (const part of io
          .errors()
          .replaceAll(own, '')
          .split(/[\n\t]/))
          assert.doesNotMatch(part, MOVES);
      }),
      { numRuns: RUNS },
    );
  });

  it('of a stack is a line for the message, and one for each frame, whatever the message', async () => {
    const frame = /^ +at \S/;
    const stacks = fc.oneof(
      hostile,
      hostile.map((text) => `${text}\n    at pay (/bank.js:1:1)\n${text}`),
    );
    await fc.assert(
      fc.asyncProperty(stacks, async (text) => {
        const error = new StreamsError('PROCESS_FAILED', {
          what: 'it threw',
          action: 'Mend it.',
          cause: new Error(text),
        });
        const io = testIo();
        await reportError(io, error, true);
        const lines = io.errors().trimEnd().split('\n');
        const others = lines.filter((line) => !frame.test(line) || line.includes('bank.js'));
        for (const line of lines) assert.doesNotMatch(line, MOVES);
        assert.deepEqual(
          others.map((line) => line.slice(0, 5)),
          ['PROCE', 'Strea', 'Error'],
        );
        assert.match(lines[1] ?? '', /text\.test\.ts:\d+:\d+$/, 'the place is that of the real frame');
      }),
      { numRuns: RUNS },
    );
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
