import assert from 'node:assert/strict';
import { Headers } from '#src/model/headers.js';
import { Outbox, type OutboxItem } from '#src/runtime/record/outbox.js';
import { BY_RECORD, Place } from '#src/runtime/record/place.js';

let emitted = 0;

const item = (node: string, index: number, push = 0): OutboxItem => ({
  kind: 'raw',
  record: { topic: 't', key: null, value: null, timestamp: 0, headers: Headers.none },
  node,
  place: new Place(index, BY_RECORD, undefined, emitted++),
  push,
});

const shown = (items: readonly OutboxItem[]): string[] => items.map(({ node, place }) => `${node}${place.index}`);

describe('the outbox', () => {
  it('hands everything over in the order of the records that caused it, and of arrival for one record', () => {
    const outbox = new Outbox();
    for (const [node, index] of [
      ['a', 2],
      ['b', 0],
      ['c', 2],
      ['d', 1],
      ['e', 0],
    ] as const)
      outbox.add(item(node, index));
    assert.deepEqual(shown(outbox.drain()), ['b0', 'e0', 'd1', 'a2', 'c2']);
  });

  it('is empty afterwards, and sorts what comes next by itself', () => {
    const outbox = new Outbox();
    outbox.add(item('a', 5));
    outbox.drain();
    assert.deepEqual(outbox.drain(), []);
    outbox.add(item('b', 1));
    outbox.add(item('c', 0));
    assert.deepEqual(shown(outbox.drain()), ['c0', 'b1']);
  });

  it('takes back what one push brought to one node, and nothing else', () => {
    const outbox = new Outbox();
    outbox.add(item('a', 0, 1));
    outbox.add(item('b', 0, 1));
    outbox.add(item('a', 1, 2));
    outbox.takeBack('a', 1);
    assert.deepEqual(shown(outbox.drain()), ['b0', 'a1']);
  });

  it('forgets everything when it is cleared', () => {
    const outbox = new Outbox();
    outbox.add(item('a', 0));
    outbox.clear();
    assert.deepEqual(outbox.drain(), []);
  });
});
