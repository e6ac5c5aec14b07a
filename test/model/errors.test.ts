import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { ERROR_CODES, type ErrorCode, isStreamsError, messageOf, StreamsError } from '#src/model/errors.js';
import { projectFile } from '../support/project.js';

/** The rows "| `CODE` | summary | yes/no |" of the page about errors. */
function tableOfErrors(markdown: string): Record<string, { summary: string; retryable: boolean }> {
  const [, section = ''] = markdown.split(/^# Errors$/m);
  const [table = ''] = section.split(/^## /m);
  const rows = [...table.matchAll(/^\| `([A-Z_]+)` \| (.+?) \| (yes|no) \|$/gm)];
  return Object.fromEntries(
    rows.map(([, code, summary, retryable]) => [code, { summary: summary as string, retryable: retryable === 'yes' }]),
  );
}

describe('errors', () => {
  it('are those of the table in docs/errors.md, with the same summaries', () => {
    const { ...codes } = ERROR_CODES;
    const expected = Object.fromEntries(
      Object.entries(codes).map(([code, { summary, retryable }]) => [code, { summary, retryable }]),
    );
    assert.deepEqual(tableOfErrors(readFileSync(projectFile('docs/errors.md'), 'utf8')), expected);
  });

  it('are read from a table in that form', () => {
    const markdown =
      '# A\n\n| `NOT_HERE` | No. | no |\n\n# Errors\n\n| code | what | retryable |\n|---|---|---|\n| `A_B` | One | yes |\n| `C` | Two. | no |\n\n## More\n\n| `NOR_HERE` | No. | no |\n';
    assert.deepEqual(tableOfErrors(markdown), {
      A_B: { summary: 'One', retryable: true },
      C: { summary: 'Two.', retryable: false },
    });
  });

  it('say what failed, where, what was seen and expected, and what to do', () => {
    const error = new StreamsError('STATE_MISMATCH', {
      what: 'cannot use the state',
      at: 'store s',
      saw: 'a',
      expected: 'b',
      action: 'Do it.',
    });
    assert.equal(error.message, 'cannot use the state at store s: saw a, expected b. Do it.');
    assert.equal(error.problem, 'cannot use the state at store s: saw a, expected b');
    assert.equal(error.action, 'Do it.');
    assert.equal(error.retryable, false);
    assert.equal(error.name, 'StreamsError');
    assert.equal('cause' in error, false);
  });

  it('leave out what is not known', () => {
    const message = (details: object): string =>
      new StreamsError('USAGE', { what: 'it failed', action: 'Stop.', ...details }).message;
    assert.equal(message({}), 'it failed. Stop.');
    assert.equal(message({ saw: 'x' }), 'it failed: saw x. Stop.');
    assert.equal(message({ expected: 'y' }), 'it failed: expected y. Stop.');
    assert.equal(message({ at: 'here' }), 'it failed at here. Stop.');
  });

  it('keep their cause, and say whether trying again may help', () => {
    const cause = new Error('disk');
    const error = new StreamsError('STATE_IO', { what: 'x', action: 'y.', cause });
    assert.equal(error.cause, cause);
    assert.equal(error.retryable, true);
  });

  it('are known by name and code, also those of another copy of the library', () => {
    const foreign = Object.assign(new Error('x'), { name: 'StreamsError', code: 'STATE_IO' satisfies ErrorCode });
    assert.ok(isStreamsError(foreign));
    assert.equal(isStreamsError(Object.assign(new Error('x'), { name: 'StreamsError', code: 'OTHER' })), false);
    assert.equal(isStreamsError(new Error('x')), false);
    assert.equal(isStreamsError('x'), false);
  });

  it('each have a summary that is a sentence', () => {
    for (const { summary } of Object.values(ERROR_CODES)) assert.match(summary, /^[A-Z].*\.$/);
  });

  it('have a text whatever was thrown', () => {
    assert.equal(messageOf(new Error('x')), 'x');
    assert.equal(messageOf('y'), 'y');
    assert.equal(messageOf(undefined), 'undefined');
  });
});
