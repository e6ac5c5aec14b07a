import assert from 'node:assert/strict';
import { isStreamsError, StreamsError } from '#src/model/errors.js';
import { Fencings } from '#src/runtime/group/fencings.js';
import { ManualClock } from '#src/testing/manual-clock.js';

const fenced = (code: 'PRODUCER_FENCED' | 'CHANGELOG_DISTURBED' | 'BROKER_UNAVAILABLE') =>
  new StreamsError(code, { what: 'cannot write', action: 'Try again.' });

describe('a task that is given up because of another writer', () => {
  it('five times within a minute is opened again, the sixth is an error that names both', () => {
    const clock = new ManualClock();
    const fencings = new Fencings(clock, 'shop');
    const error = fenced('PRODUCER_FENCED');
    for (let times = 0; times < 5; times++) assert.equal(fencings.count(error, 'orders-0'), error);
    const end = fencings.count(error, 'orders-0');
    assert.ok(isStreamsError(end) && end.code === 'FENCED_REPEATEDLY');
    assert.match(end.message, /the task orders-0 of the application shop .* with the transactional id shop:orders-0/s);
    assert.equal(end.cause, error);
  });

  it('names the other writer of its changelogs, if that is how the fencing was noticed', () => {
    const fencings = new Fencings(new ManualClock(), 'shop');
    let end: unknown;
    for (let times = 0; times < 21; times++) end = fencings.count(fenced('CHANGELOG_DISTURBED'), 'orders-0');
    assert.match(String(end), /another program that writes to its changelogs/);
  });

  it('is no reason to end if it is another task, another error, or seldom', () => {
    const clock = new ManualClock();
    const fencings = new Fencings(clock, 'shop');
    for (let times = 0; times < 50; times++) {
      for (const error of [fenced('PRODUCER_FENCED'), fenced('BROKER_UNAVAILABLE')])
        assert.equal(fencings.count(error, `orders-${times}`), error);
      const error = fenced('PRODUCER_FENCED');
      assert.equal(fencings.count(error, 'seldom'), error);
      clock.advance(13_000);
    }
  });
});
