import assert from 'node:assert/strict';
import type { BrokerRecord } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { LaterRecords, PastPlaces } from '#src/replay/slice/past-places.js';
import { afterOf, afterText, withAfter } from '#src/runtime/inputs/after.js';

const note = (offset: number, after?: Readonly<Record<string, number>>, timestamp = 0): BrokerRecord => ({
  topic: 'app-x-timers',
  partition: 0,
  offset,
  key: null,
  value: null,
  timestamp,
  headers: after
    ? withAfter(
        Headers.none,
        afterText(Object.entries(after).map(([topic, at]) => ({ topic, partition: 0, offset: at }))),
      )
    : Headers.none,
});

describe('the place of a note', () => {
  it('is behind all positions of its header, and parts that are none are left out', () => {
    assert.deepEqual(afterOf(note(0, { 'a-b': 3, c: 0 }).headers), [
      { topic: 'a-b', partition: 0, offset: 3 },
      { topic: 'c', partition: 0, offset: 0 },
    ]);
    assert.deepEqual(afterOf(Headers.of({ 'millrace.after': 'x a-1@2  a-b@c -1@2 a-1@' })), [
      { topic: 'a', partition: 1, offset: 2 },
    ]);
    assert.equal(afterOf(Headers.none), undefined);
  });

  const parts = [{ topic: 'in', partition: 0, latest: 5 }];

  it('in a slice that ends with a time: what was due after it is late', () => {
    const places = new PastPlaces({ until: 50, parts });
    const { after } = places.placeOf(note(0, { in: 3 })) ?? {};
    assert.deepEqual(after, [{ topic: 'in', partition: 0, offset: 3 }]);
    assert.equal(places.placeOf(note(0, { in: 3 }, 50))?.isLate, false);
    assert.equal(places.placeOf(note(0, { in: 3 }, 51))?.isLate, true);
    assert.equal(places.placeOf(note(0, undefined, 51)), undefined);
  });

  it('is at the end of a log that was created again, if it names an offset behind it', () => {
    const { after } = new PastPlaces({ parts }).placeOf(note(0, { in: 9, other: 9 })) ?? {};
    assert.deepEqual(after, [
      { topic: 'in', partition: 0, offset: 5 },
      { topic: 'other', partition: 0, offset: 9 },
    ]);
  });
});

describe('notes of a slice that begins in the middle', () => {
  const kept = (from: Readonly<Record<string, number>>, notes: readonly BrokerRecord[]): readonly number[] => {
    const later = new LaterRecords(new Map(Object.entries(from).map(([topic, at]) => [`${topic}:0`, at])));
    return notes.flatMap((each) => later.of([each]).map(({ offset }) => offset));
  };

  it('begin with the first whose place is at its beginning, or behind it in any source', () => {
    const notes = [note(0, { in: 3, more: 1 }), note(1, { in: 4, more: 1 }), note(2, { in: 4, more: 9 })];
    assert.deepEqual(kept({ in: 4, more: 1 }, notes), [1, 2]);
    assert.deepEqual(kept({ in: 4, more: 2 }, notes), [2]);
    assert.deepEqual(kept({ in: 0, more: 0 }, notes), [0, 1, 2]);
    assert.deepEqual(kept({ in: 9, more: 9 }, notes), []);
  });

  it('whatever the positions of other internal inputs were', () => {
    assert.deepEqual(kept({ in: 4 }, [note(0, { in: 3, 'app-y-timers': 7 })]), []);
  });
});
