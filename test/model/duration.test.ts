import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Duration, durationMs, formatMs } from '#src/model/duration.js';
import { isStreamsError } from '#src/model/errors.js';

describe('a duration', () => {
  for (const [duration, ms] of [
    ['0ms', 0],
    ['250ms', 250],
    ['30s', 30_000],
    ['1.5h', 5_400_000],
    ['5m', 300_000],
    ['7d', 604_800_000],
    ['0.5s', 500],
    ['0.001s', 1],
    ['2.0ms', 2],
  ] as const) {
    it(`${duration} is ${ms} milliseconds`, () => assert.equal(durationMs(duration), ms));
  }

  for (const wrong of [
    '',
    '5',
    's',
    '-1s',
    '1 s',
    '1S',
    '1.s',
    '.5s',
    '1e3s',
    '5 minutes',
    '1s ',
    '99999999999999999999d',
    '0.5ms',
    '1.5ms',
    '1.0005s',
    '0.33333333m',
    5,
    null,
    undefined,
    {},
  ]) {
    it(`CONFIG_INVALID: ${JSON.stringify(wrong)} is none, and the message names the option`, () => {
      assert.throws(
        () => durationMs(wrong as Duration, 'within of dedupe seen'),
        (error) =>
          isStreamsError(error) &&
          error.code === 'CONFIG_INVALID' &&
          error.message.startsWith('cannot read within of dedupe seen: saw '),
      );
    });
  }

  it('in whole milliseconds is itself, in whatever unit it is written', () => {
    fc.assert(
      fc.property(fc.nat(), (ms) => {
        assert.equal(durationMs(`${ms}ms`), ms);
        assert.equal(durationMs(`${Math.floor(ms / 1_000)}.${String(ms % 1_000).padStart(3, '0')}s` as Duration), ms);
      }),
    );
  });
});

describe('milliseconds for people', () => {
  for (const [ms, text] of [
    [0, '0 ms'],
    [850, '850 ms'],
    [1_000, '1.0 s'],
    [12_340, '12.3 s'],
    [60_000, '1 min 00 s'],
    [245_000, '4 min 05 s'],
    [3_600_000, '1 h 00 min'],
    [12_000_000, '3 h 20 min'],
  ] as const) {
    it(`${ms} read "${text}"`, () => assert.equal(formatMs(ms), text));
  }

  it('never read 60 s or 60 min', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200_000_000 }), (ms) =>
        assert.doesNotMatch(formatMs(ms), /\b(1000 ms|60(\.0)? s|60 min)/),
      ),
    );
  });
});
