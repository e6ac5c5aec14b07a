import assert from 'node:assert/strict';
import { streamTimesOf, withStreamTimes } from '#src/runtime/restore/stream-times.js';

const NEVER = Number.NEGATIVE_INFINITY;
const positions = [{ topic: 'in', partition: 0, offset: 7 }];

describe('stream times that travel with offsets', () => {
  it('come back as they were: of the task, and of stores whose time is another, or that never had one', () => {
    const stores = new Map([
      ['same', 100],
      ['behind', 40],
      ['never', NEVER],
    ]);
    const times = streamTimesOf(withStreamTimes(positions, { task: 100, stores, jumps: new Map() }));
    assert.equal(times.task, 100);
    assert.deepEqual([times.store('same'), times.store('behind'), times.store('never')], [100, 40, undefined]);
  });

  it('are not written before there are any', () => {
    assert.deepEqual(withStreamTimes(positions, { task: NEVER, stores: new Map(), jumps: new Map() }), positions);
    const none = streamTimesOf(positions);
    assert.deepEqual([none.task, none.store('any')], [NEVER, undefined]);
  });

  it('are those of the last commit, if a partition has older ones', () => {
    const older = withStreamTimes(positions, { task: 5, stores: new Map([['s', 1]]), jumps: new Map() });
    const newer = withStreamTimes([{ topic: 'other', partition: 0, offset: 1 }], {
      task: 9,
      stores: new Map([['s', 3]]),
      jumps: new Map(),
    });
    const times = streamTimesOf([...newer, ...older]);
    assert.deepEqual([times.task, times.store('s')], [9, 3]);
  });

  it('fit into what brokers keep with an offset, however many stores there are', () => {
    const stores = new Map(Array.from({ length: 1_000 }, (_, n) => [`store-with-a-name-${n}`, n] as const));
    const [position] = withStreamTimes(positions, { task: 1_000_000, stores, jumps: new Map() });
    assert.ok(Buffer.byteLength(position?.metadata ?? '') <= 4_096);
    assert.equal(streamTimesOf([position as NonNullable<typeof position>]).store('store-with-a-name-3'), 3);
  });

  it('bring with them what is known of jumps: of topics that have brought records, as far as there is room', () => {
    const known = new Map([
      ['calm', { refused: 0, last: 0 }],
      ['jumping', { refused: 3, last: 9_000 }],
    ]);
    const times = streamTimesOf(withStreamTimes(positions, { task: 100, stores: new Map(), jumps: known }));
    for (const [topic, state] of known) assert.deepEqual(times.jump(topic), state);
    assert.equal(times.jump('new'), undefined);

    const many = new Map(Array.from({ length: 50 }, (_, n) => [`${n}`.padEnd(200, 'x'), { refused: 1, last: n }]));
    const [position] = withStreamTimes(positions, { task: 100, stores: new Map(), jumps: many });
    assert.ok(Buffer.byteLength(position?.metadata ?? '') <= 4_096);
  });

  it('leave alone what others wrote there', () => {
    const times = streamTimesOf([{ topic: 'in', partition: 0, offset: 7, metadata: 'by hand' }]);
    assert.deepEqual([times.task, times.store('s')], [NEVER, undefined]);
  });
});
