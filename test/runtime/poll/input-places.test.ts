import assert from 'node:assert/strict';
import type { BrokerRecord } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { PastPlaces } from '#src/replay/slice/past-places.js';
import { afterText, withAfter } from '#src/runtime/inputs/after.js';
import { INPUT_PLACES } from '#src/runtime/poll/input-places.js';
import { Merge } from '#src/runtime/poll/merge.js';

type Positions = Readonly<Record<string, number>>;

const record = (topic: string, offset: number, timestamp: number, after?: Positions): BrokerRecord => ({
  ...{ topic, partition: 0, offset, key: null, value: null, timestamp },
  headers: after
    ? withAfter(
        Headers.none,
        afterText(Object.entries(after).map(([name, at]) => ({ topic: name, partition: 0, offset: at }))),
      )
    : Headers.none,
});

const at = (topic: string, end: number) => ({ topic, partition: 0, offset: 0, end });
const isInput = (topic: string): boolean => topic.startsWith('notes');

/** A merge of a running task. */
const running = (ends: Positions): Merge =>
  new Merge(
    Object.entries(ends).map(([topic, end]) => at(topic, end)),
    { grows: true, datesOf: (topic) => (isInput(topic) ? INPUT_PLACES : undefined) },
  );

const give = (merge: Merge, ...records: readonly BrokerRecord[]): void => {
  for (const topic of new Set(records.map((each) => each.topic))) {
    const own = records.filter((each) => each.topic === topic);
    const lane = merge.lane(topic, 0);
    assert.ok(lane);
    merge.receive(lane, own, (own.at(-1)?.offset ?? 0) + 1);
  }
};

const taken = (merge: Merge): readonly string[] => merge.take(100).map(({ topic, offset }) => `${topic}@${offset}`);

describe('the places of notes in a running task', () => {
  it('a note comes directly after all positions that it names', () => {
    const merge = running({ a: 3, b: 2, notes: 2 });
    give(merge, record('a', 0, 1), record('a', 1, 3), record('a', 2, 5), record('b', 0, 2), record('b', 1, 9));
    give(merge, record('notes', 0, 0, { a: 1, b: 1 }), record('notes', 1, 0, { a: 3, b: 1 }));
    assert.deepEqual(taken(merge), ['a@0', 'b@0', 'notes@0', 'a@1', 'a@2', 'notes@1', 'b@1']);
  });

  it('positions of partitions that the task does not read do not count, however many there are', () => {
    const merge = running({ a: 1, notes: 1 });
    const foreign = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`other${i}`, 7]));
    give(merge, record('a', 0, 1), record('notes', 0, 0, { a: 1, ...foreign }));
    assert.deepEqual(taken(merge), ['a@0', 'notes@0']);
    assert.equal(merge.lane('notes', 0)?.awaits.size, 1);
  });

  it('a place behind the known end is waited for, until the end is known to be lower', () => {
    const merge = running({ a: 1, notes: 2 });
    give(merge, record('a', 0, 1), record('notes', 0, 0, { a: 5 }), record('notes', 1, 0, { a: 5 }));
    assert.deepEqual(taken(merge), ['a@0']);
    const lane = merge.lane('a', 0);
    assert.ok(lane?.isDoubted && !merge.isReady);
    lane.end = 1;
    assert.deepEqual(taken(merge), ['notes@0', 'notes@1']);
    assert.ok(merge.isReady);
  });

  it('a place behind the known end comes after records that arrive late', () => {
    const merge = running({ a: 1, notes: 1 });
    give(merge, record('a', 0, 1), record('notes', 0, 0, { a: 2 }));
    assert.deepEqual(taken(merge), ['a@0']);
    give(merge, record('a', 1, 1));
    assert.deepEqual(taken(merge), ['a@1', 'notes@0']);
  });

  it('a position within what is held back counts up to there: fetched is not taken', () => {
    const merge = running({ a: 2, notes: 1 });
    const lane = merge.lane('a', 0);
    assert.ok(lane);
    lane.limit = 2;
    give(merge, record('a', 0, 1), record('a', 1, 1), record('notes', 0, 0, { a: 9 }));
    lane.end = 2;
    assert.deepEqual(taken(merge), ['a@0', 'a@1', 'notes@0']);
  });

  it('notes that wait for each other do not stop the task', () => {
    const merge = running({ a: 1, 'notes-x': 1, 'notes-y': 1 });
    give(
      merge,
      record('a', 0, 1),
      record('notes-x', 0, 0, { 'notes-y': 1 }),
      record('notes-y', 0, 0, { 'notes-x': 1 }),
    );
    assert.deepEqual(taken(merge), ['a@0', 'notes-x@0', 'notes-y@0']);
  });
});

describe('the places of notes in a slice that ends with a time', () => {
  const UNTIL = 50;
  const past = (ends: Positions): Merge => {
    const places = new PastPlaces({
      until: UNTIL,
      parts: Object.entries(ends).map(([topic, latest]) => ({ topic, partition: 0, latest })),
    });
    return new Merge(
      Object.entries(ends).map(([topic, end]) => at(topic, end)),
      { datesOf: (topic) => (isInput(topic) ? places : undefined) },
    );
  };

  it('a note of a later time is left out after the last record, and hides no other', () => {
    const merge = past({ a: 1, notes: 3 });
    give(merge, record('a', 0, 1));
    give(
      merge,
      record('notes', 0, 60, { a: 1, notes: 0 }),
      record('notes', 1, 40, { a: 1 }),
      record('notes', 2, 70, { a: 1 }),
    );
    assert.deepEqual(taken(merge), ['a@0', 'notes@1']);
    assert.ok(merge.hasLeftOut);
  });

  it('a note of a later time belongs to it if a record of its sources follows', () => {
    const merge = past({ a: 2, notes: 1 });
    give(merge, record('a', 0, 1), record('a', 1, 2), record('notes', 0, 60, { a: 1, notes: 0 }));
    assert.deepEqual(taken(merge), ['a@0', 'notes@0', 'a@1']);
    assert.ok(!merge.hasLeftOut);
  });

  it('a note that names no source counts by all of them', () => {
    const merge = past({ a: 1, notes: 1 });
    give(merge, record('a', 0, 1), record('notes', 0, 60, { 'app-by-repartition': 3, notes: 0 }));
    assert.deepEqual(taken(merge), ['notes@0', 'a@0']);
  });
});
