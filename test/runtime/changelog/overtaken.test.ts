import assert from 'node:assert/strict';
import fc from 'fast-check';
import { causeOf, changelogRecord } from '#src/runtime/changelog/change-log.js';
import {
  type Epoch,
  epochsOf,
  lastEpoch,
  overtakenFrom,
  withEpoch,
  withEpochs,
} from '#src/runtime/changelog/epochs.js';
import { Overtaken } from '#src/runtime/changelog/overtaken.js';
import { ChangelogEntry } from '#src/state/rows/changelog-entry.js';

const at = (epochs: readonly Epoch[]) =>
  withEpochs([{ topic: 'in', partition: 0, offset: 90 }], new Map([['in', epochs]]));
const change = (epoch: number, offset: number) => ({ topic: 'in', offset, from: undefined, epoch });

describe('the epochs of a task', () => {
  it('travel with its committed offsets, beside what others keep there', () => {
    const [position] = withEpochs(
      [{ topic: 'in', partition: 0, offset: 5, metadata: '{"format":1,"task":7}' }],
      new Map([
        [
          'in',
          [
            [1, null],
            [2, 3],
          ] as const,
        ],
      ]),
    );
    assert.deepEqual(JSON.parse(position?.metadata ?? ''), {
      format: 1,
      task: 7,
      epochs: [
        [1, null],
        [2, 3],
      ],
    });
    assert.equal(lastEpoch([position!]), 2);
    assert.equal(lastEpoch([{ topic: 'in', partition: 0, offset: 5, metadata: 'of another tool' }]), 0);
  });

  it('are few, and find room beside all else, however often the task had another owner', () => {
    let epochs: readonly Epoch[] = [];
    for (let epoch = 1; epoch < 100; epoch++) epochs = withEpoch(epochs, 2 ** 50 + epoch, 2 ** 52 + epoch);
    const [position] = at(epochs);
    assert.equal(epochsOf(position!).length, 8);
    assert.ok(Buffer.byteLength(position?.metadata ?? '') < 350);
    assert.equal(lastEpoch([position!]), 2 ** 50 + 99);
  });

  it('that began at the same offset count as the last of them', () => {
    const epochs = withEpoch(withEpoch([[1, 0]], 2, 10), 3, 10);
    assert.deepEqual(epochs, [
      [1, 0],
      [3, 10],
    ]);
    assert.deepEqual(
      [overtakenFrom(epochs, 1), overtakenFrom(epochs, 2), overtakenFrom(epochs, 3)],
      [10, 10, Infinity],
    );
  });
});

describe('a change of an owner that was overtaken', () => {
  it('is known by a record of a later epoch before it, whatever it was caused by', () => {
    const overtaken = new Overtaken([]);
    assert.equal(overtaken.has('a', change(2, 50)), false);
    assert.equal(overtaken.has('a', change(1, 3)), true);
    assert.equal(overtaken.has('b', change(1, 3)), false, 'another changelog');
    assert.deepEqual(overtaken.newest, { a: 2, b: 1 });
  });

  it('is known by where a later epoch began, without any record of it', () => {
    const overtaken = new Overtaken(
      at([
        [2, 40],
        [3, 60],
      ]),
    );
    assert.equal(overtaken.has('a', change(1, 39)), false);
    assert.equal(overtaken.has('a', change(1, 40)), true);
    assert.equal(overtaken.has('a', change(2, 59)), false);
    assert.equal(overtaken.has('a', change(2, 60)), true);
    assert.equal(overtaken.has('a', change(3, 60)), false);
  });

  it('is known when the state goes on in the middle of the changelog', () => {
    assert.equal(new Overtaken([], { a: 4 }).has('a', change(3, 1)), true);
  });

  it('is none if it has no epoch: an older version wrote it, or exactly_once did', () => {
    const overtaken = new Overtaken(at([[2, 0]]), { a: 4 });
    assert.equal(overtaken.has('a', change(0, 50)), false);
  });
});

describe('the header of a change', () => {
  it('has the cause, where its commit began and, if the task has one, the epoch', () => {
    fc.assert(
      fc.property(fc.string(), fc.maxSafeNat(), fc.maxSafeNat(), (topic, from, epoch) => {
        const offset = from + 1;
        const write = { key: Buffer.alloc(8), value: null };
        const { headers } = changelogRecord(new ChangelogEntry(write, 0, topic, offset), 'log', 0, {
          before: new Map([[topic, from]]),
          epoch,
        });
        assert.deepEqual(causeOf(headers), { topic: Buffer.from(topic).toString(), offset, from, epoch });
      }),
    );
  });
});
