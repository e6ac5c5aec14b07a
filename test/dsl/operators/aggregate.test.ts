import assert from 'node:assert/strict';
import { aggregate, count, reduce, serdes } from '#src/index.js';
import { deadLetters, failure, feed, open, outputOf, read, rows, through, values } from '../support.js';

const sum = through<number>((input) =>
  input.pipe(
    aggregate({
      store: 'sums',
      value: serdes.json<number>(),
      initial: () => 100,
      add: (total, record) => total + record.value,
    }),
  ),
);

describe('aggregate on a stream', () => {
  it('starts each key at initial and emits the new aggregate for every record', async () => {
    const driver = await open(sum);
    await feed(driver, 'in', [
      ['a', 1, 1],
      ['b', 2, 2],
      ['a', 3, 3],
      ['a', 0, 4],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', 101, 1],
      ['b', 102, 2],
      ['a', 104, 3],
      ['a', 104, 4],
    ]);
    assert.deepEqual(await rows(driver, 'sums'), { a: 104, b: 102 });
  });

  it('drops records with a null key or value, and counts them', async () => {
    const driver = await open(sum);
    await feed(driver, 'in', [
      [null, 1, 1],
      ['a', null, 2],
      ['a', 1, 3],
    ]);
    assert.deepEqual(await read(driver), [['a', 101, 3]]);
    assert.deepEqual(driver.metrics.nodes['aggregate sums'], { 'null-key': 1, 'null-value': 1 });
  });

  it('adds late records like others, and never goes back in time', async () => {
    assert.deepEqual(
      await outputOf(sum, [
        ['a', 1, 9],
        ['a', 2, 3],
        ['b', 3, 1],
      ]),
      [
        ['a', 101, 9],
        ['a', 103, 9],
        ['b', 103, 1],
      ],
    );
  });

  it('counts a repeated record twice', async () => {
    assert.deepEqual(
      (
        await outputOf(sum, [
          ['a', 1, 1],
          ['a', 1, 1],
        ])
      ).map(([, value]) => value),
      [101, 102],
    );
  });

  it('deletes the row when add returns null, emits a tombstone, and starts afresh', async () => {
    const target = through<number>((input) =>
      input.pipe(
        aggregate({
          store: 'sums',
          value: serdes.json<number>(),
          initial: () => 0,
          add: (total, record) => (record.value < 0 ? null : total + record.value),
        }),
      ),
    );
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 5, 9],
      ['a', -1, 2],
      ['a', -1, 3],
      ['a', 7, 4],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', 5, 9],
      ['a', null, 9],
      ['a', null, 3],
      ['a', 7, 4],
    ]);
    assert.deepEqual(await rows(driver, 'sums'), { a: 7 });
  });

  it('leaves the row as it was when add throws', async () => {
    const target = through<number>((input) =>
      input.pipe(
        aggregate({
          store: 'sums',
          value: serdes.json<number>(),
          initial: () => 0,
          add: (total, record) => {
            if (record.value === 13) throw new Error('unlucky');
            return total + record.value;
          },
        }),
      ),
    );
    const driver = await open(target, { onError: { process: 'deadLetter' } });
    await feed(driver, 'in', [
      ['a', 1, 1],
      ['a', 13, 2],
      ['a', 2, 3],
    ]);
    assert.deepEqual(await values(driver), [1, 3]);
    const [letter] = await deadLetters(driver);
    assert.deepEqual([letter?.code, letter?.operator, letter?.value], ['PROCESS_FAILED', 'aggregate sums', 13]);
  });

  it('stops the engine when add throws and no policy says otherwise', async () => {
    const target = through<number>((input) =>
      input.pipe(
        aggregate({
          store: 'sums',
          value: serdes.json<number>(),
          initial: (): number => {
            throw new Error('no beginning');
          },
          add: (total) => total,
        }),
      ),
    );
    const driver = await open(target);
    await assert.rejects(feed(driver, 'in', [['a', 1]]), failure('PROCESS_FAILED', /in\[0\]@0, node aggregate sums/));
  });

  it('goes on with what was committed after a crash, and counts nothing twice', async () => {
    for (const step of ['1 settle', '2 log', '3 offsets', '4 apply'] as const) {
      const driver = await open(sum);
      await feed(driver, 'in', [
        ['a', 1, 1],
        ['a', 2, 2],
      ]);
      await driver.crash(step);
      await feed(driver, 'in', [
        ['a', 3, 3],
        ['b', 4, 4],
      ]);
      assert.equal(driver.crashed, true, step);
      await driver.restart();
      assert.deepEqual(await values(driver), [101, 103, 106, 104], step);
      assert.deepEqual(await rows(driver, 'sums'), { a: 106, b: 104 }, step);
    }
  });

  it('writes one changelog record a key and commit, however often the key changed', async () => {
    const driver = await open(sum);
    await feed(
      driver,
      'in',
      Array.from({ length: 50 }, (_, i) => ['ab'[i % 2] as string, 1, i] as const),
    );
    assert.equal(driver.metrics.changelogRecords, 2);
  });
});

describe('count', () => {
  it('counts the records of each key', async () => {
    const target = through((input) => input.pipe(count({ store: 'counts' })));
    const out = await outputOf(target, [
      ['a', 'x', 1],
      ['b', 'x', 2],
      ['a', 'y', 3],
      ['a', null, 4],
      [null, 'x', 5],
    ]);
    assert.deepEqual(out, [
      ['a', 1, 1],
      ['b', 1, 2],
      ['a', 2, 3],
    ]);
  });

  it('counts the keys of each partition in their own task', async () => {
    const driver = await open(
      through((input) => input.pipe(count({ store: 'counts' }))),
      { partitions: 3 },
    );
    const keys = Array.from({ length: 30 }, (_, i) => `k${i % 10}`);
    await feed(
      driver,
      'in',
      keys.map((key, i) => [key, 'x', i] as const),
    );
    assert.deepEqual(await rows(driver, 'counts'), Object.fromEntries(keys.map((key) => [key, 3])));
  });
});

describe('reduce', () => {
  const highest = through<number>((input) =>
    input.pipe(reduce({ store: 'highest', value: serdes.json<number>(), add: (a, b) => Math.max(a, b) })),
  );

  it('takes the first value of a key as it is, and combines the others with it', async () => {
    assert.deepEqual(
      await outputOf(highest, [
        ['a', 3, 1],
        ['a', 9, 2],
        ['a', 4, 3],
        ['b', 1, 4],
      ]),
      [
        ['a', 3, 1],
        ['a', 9, 2],
        ['a', 9, 3],
        ['b', 1, 4],
      ],
    );
  });

  it('drops records with a null key or value', async () => {
    assert.deepEqual(
      await outputOf(highest, [
        ['a', null, 1],
        [null, 2, 2],
        ['a', 1, 3],
      ]),
      [['a', 1, 3]],
    );
  });

  it('takes the next value as it is after add returned null', async () => {
    const target = through<number>((input) =>
      input.pipe(reduce({ store: 'sums', value: serdes.json<number>(), add: (a, b) => (a + b === 0 ? null : a + b) })),
    );
    assert.deepEqual(
      (
        await outputOf(target, [
          ['a', 3],
          ['a', -3],
          ['a', 5],
        ])
      ).map(([, value]) => value),
      [3, null, 5],
    );
  });
});
