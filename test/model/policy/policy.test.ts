import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Backoff, pauseMs, resolveBackoff } from '#src/model/policy/backoff.js';
import { resolvePolicy } from '#src/model/policy/policy.js';
import { failure } from '../../dsl/support.js';

const never = (): number => assert.fail('nothing is drawn');
const pauses = (backoff: Backoff, attempts: number): number[] =>
  Array.from({ length: attempts }, (_, i) => pauseMs(resolveBackoff(backoff, 'backoff'), i + 1, never));

/** Every backoff that can be written, with its first and its longest pause. */
const growing = fc
  .record({
    from: fc.integer({ min: 1, max: 10_000 }),
    more: fc.integer({ min: 0, max: 100_000 }),
    factor: fc.double({ min: 1, max: 10, noNaN: true }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ from, more, factor, jitter }) => ({
    backoff: { kind: 'exponential', from: `${from}ms`, max: `${from + more}ms`, factor, jitter } as const,
    from,
    max: from + more,
  }));

describe('a pause between attempts', () => {
  it('is the duration itself, or grows by the factor up to its limit', () => {
    assert.deepEqual(pauses('1s', 3), [1_000, 1_000, 1_000]);
    assert.deepEqual(pauses('0ms', 2), [0, 0]);
    assert.deepEqual(pauses({ kind: 'fixed', every: '250ms' }, 2), [250, 250]);
    assert.deepEqual(pauses({ kind: 'exponential', from: '100ms', max: '1s' }, 6), [100, 200, 400, 800, 1_000, 1_000]);
    assert.deepEqual(pauses({ kind: 'exponential', from: '100ms', factor: 1.5, max: '1m' }, 4), [100, 150, 225, 338]);
    assert.deepEqual(pauses({ kind: 'exponential', from: '5s', factor: 1, max: '5s' }, 2), [5_000, 5_000]);
  });

  it('never falls, never exceeds its limit, and its jitter only shortens it, by that share (property)', () => {
    fc.assert(
      fc.property(
        growing,
        fc.integer({ min: 1, max: 5_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (one, n, draw) => {
          const backoff = resolveBackoff(one.backoff, 'backoff');
          const whole = (attempt: number): number => pauseMs({ ...backoff, jitter: 0 }, attempt, never);
          assert.ok(Number.isSafeInteger(whole(n)));
          assert.ok(one.from <= whole(n) && whole(n) <= one.max, `${whole(n)}`);
          assert.ok(whole(n) <= whole(n + 1));
          assert.equal(whole(1), one.from);
          const pause = pauseMs(backoff, n, () => draw);
          assert.ok(Number.isSafeInteger(pause));
          assert.ok(pause <= whole(n) && pause >= Math.floor(whole(n) * (1 - one.backoff.jitter)), `${pause}`);
        },
      ),
    );
  });
});

describe('a policy', () => {
  it('has its defaults filled in, and is plain data', () => {
    const none = { fromMs: 0, factor: 1, maxMs: 0, jitter: 0 };
    assert.deepEqual(resolvePolicy('skip', 'onError'), { retries: 0, backoff: none, then: 'skip' });
    const backoff = { kind: 'exponential', from: '100ms', max: '30s', jitter: 0.2 } as const;
    const resolved = resolvePolicy({ retry: 5, backoff, then: 'deadLetter' }, 'onError');
    const expected = {
      retries: 5,
      backoff: { fromMs: 100, factor: 2, maxMs: 30_000, jitter: 0.2 },
      then: 'deadLetter',
    };
    assert.deepEqual(resolved, expected);
    assert.deepEqual(JSON.parse(JSON.stringify(resolved)), expected);
  });

  const retry = (backoff: unknown): unknown => ({ retry: 1, backoff, then: 'skip' });
  const exponential = (more: object): unknown => retry({ kind: 'exponential', from: '1s', max: '2s', ...more });
  for (const [what, policy, message] of [
    ['no policy', 'retry', /cannot use onError: saw "retry", expected one of fail, skip, deadLetter, or \{ retry/],
    ['null', null, /cannot use onError: saw null/],
    ['a list', ['skip'], /cannot use onError: saw \[/],
    [
      'a field that nothing reads',
      { retrys: 1, backoff: '1s', then: 'skip' },
      /saw the field "retrys".*Did you mean retry\?/,
    ],
    ['no end', { retry: 1, backoff: '1s' }, /cannot use onError: saw/],
    ['an end that needs options', { retry: 1, backoff: '1s', then: { park: {} } }, /cannot use onError: saw/],
    ['endless retries', { retry: Number.POSITIVE_INFINITY, backoff: '1s', then: 'skip' }, /cannot use onError: saw/],
    ['no backoff', { retry: 1, then: 'skip' }, /cannot read onError.backoff: saw undefined/],
    ['a backoff that is a number', retry(5), /cannot read onError.backoff: saw 5/],
    [
      'an unknown kind',
      retry({ kind: 'linear', from: '1s' }),
      /onError.backoff.kind: saw "linear", expected fixed or exponential/,
    ],
    ['the name of a method as kind', retry({ kind: 'toString' }), /onError.backoff.kind: saw "toString"/],
    [
      'a field of the other kind',
      retry({ kind: 'fixed', every: '1s', max: '2s' }),
      /onError.backoff: saw the field "max", expected kind, every, jitter/,
    ],
    [
      'a negative jitter',
      exponential({ jitter: -0.1 }),
      /onError.backoff.jitter: saw -0.1, expected a number from 0 to 1/,
    ],
    ['a jitter above 1', retry({ kind: 'fixed', every: '1s', jitter: 1.5 }), /onError.backoff.jitter: saw 1.5/],
    ['a jitter that is no number', exponential({ jitter: '20%' }), /onError.backoff.jitter: saw "20%"/],
    [
      'a factor below 1',
      exponential({ factor: 0.5 }),
      /onError.backoff.factor: saw 0.5, expected a number of at least 1/,
    ],
    ['an endless factor', exponential({ factor: Number.POSITIVE_INFINITY }), /onError.backoff.factor: saw Infinity/],
    ['a first pause above the longest', exponential({ from: '3s' }), /onError.backoff: saw from 3s, max 2s/],
    ['a first pause of nothing', exponential({ from: '0ms' }), /onError.backoff.from is zero/],
    ['a duration that is none', exponential({ max: '2 s' }), /cannot read onError.backoff.max: saw "2 s"/],
    ['no length', retry({ kind: 'fixed' }), /cannot read onError.backoff.every: saw undefined/],
  ] as const) {
    it(`cannot have ${what}`, () =>
      assert.throws(() => resolvePolicy(policy as never, 'onError'), failure('CONFIG_INVALID', message)));
  }
});
