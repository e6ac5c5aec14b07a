import assert from 'node:assert/strict';
import { nextClosingOf, withGrace } from '#src/dsl/declare/closings.js';
import { calendar, everyN, hopping, session, sliding, tumbling, unlimited } from '#src/index.js';

const DAY = 86_400_000;

describe('the next moment at which windows close', () => {
  it('tumbling: the end and grace of the window that is open longest', () => {
    const next = nextClosingOf(tumbling('10ms', { grace: '3ms' }));
    assert.deepEqual([0, 9, 12, 13, 22, 23].map(next), [13, 13, 13, 23, 23, 33]);
  });

  it('hopping: that of the window that began first', () => {
    const next = nextClosingOf(hopping('10ms', { every: '4ms', grace: '1ms' }));
    assert.deepEqual([0, 10, 11, 14, 15].map(next), [11, 11, 15, 15, 19]);
  });

  it('calendar: that of the day in its time zone', () => {
    const next = nextClosingOf(calendar('day', { timeZone: 'UTC', grace: '1h' }));
    assert.equal(next(5 * DAY), 5 * DAY + DAY / 24);
    assert.equal(next(5 * DAY + DAY / 24), 6 * DAY + DAY / 24);
  });

  it('sliding and sessions: half of the grace later, or a hundredth of the length', () => {
    assert.equal(nextClosingOf(sliding('1m', { grace: '10s' }))(1_000), 6_001);
    assert.equal(nextClosingOf(session('10m', { grace: '1m' }))(0), 30_001);
    assert.equal(nextClosingOf(session('10m'))(0), 6_001);
    assert.equal(withGrace(0, 100)(7), 9);
  });

  it('is never, for windows that no time closes', () => {
    for (const windows of [unlimited(), everyN(3)]) assert.equal(nextClosingOf(windows)(5), Number.POSITIVE_INFINITY);
  });
});
