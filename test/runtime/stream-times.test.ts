import assert from 'node:assert/strict';
import { streamTimesOf, withStreamTimes } from '#src/runtime/stream-times.js';

const NEVER = Number.NEGATIVE_INFINITY;
const positions = [{ topic: 'in', partition: 0, offset: 7 }];

describe('stream times that travel with offsets', () => {
  it('come back as they were: of the task, and of stores whose time is another, or that never had one', () => {
    const stores = new Map([
      ['same', 100],
      ['behind', 40],
      ['never', NEVER],
    ]);
    const times = streamTimesOf(withStreamTimes(positions, { task: 100, stores }));
    assert.equal(times.task, 100);
    assert.deepEqual([times.store('same'), times.store('behind'), times.store('never')], [100, 40, undefined]);
  });

  it('are not written before there are any', () => {
    assert.deepEqual(withStreamTimes(positions, { task: NEVER, stores: new Map() }), positions);
    const none = streamTimesOf(positions);
    assert.deepEqual([none.task, none.store('any')], [NEVER, undefined]);
  });

  it('are those of the last commit, if a partition has older ones', () => {
    const older = withStreamTimes(positions, { task: 5, stores: new Map([['s', 1]]) });
    const newer = withStreamTimes([{ topic: 'other', partition: 0, offset: 1 }], {
      task: 9,
      stores: new Map([['s', 3]]),
    });
    const times = streamTimesOf([...newer, ...older]);
    assert.deepEqual([times.task, times.store('s')], [9, 3]);
  });

  it('fit into what brokers keep with an offset, however many stores there are', () => {
    const stores = new Map(Array.from({ length: 1_000 }, (_, n) => [`store-with-a-name-${n}`, n] as const));
    const [position] = withStreamTimes(positions, { task: 1_000_000, stores });
    assert.ok(Buffer.byteLength(position?.metadata ?? '') <= 4_096);
    assert.equal(streamTimesOf([position as NonNullable<typeof position>]).store('store-with-a-name-3'), 3);
  });

  it('leave alone what somebody else wrote there', () => {
    const times = streamTimesOf([{ topic: 'in', partition: 0, offset: 7, metadata: 'by hand' }]);
    assert.deepEqual([times.task, times.store('s')], [NEVER, undefined]);
  });
});
