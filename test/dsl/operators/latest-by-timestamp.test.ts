import assert from 'node:assert/strict';
import fc from 'fast-check';
import { latestByTimestamp } from '#src/index.js';
import { deadLetters, failure, feed, open, outputOf, read, rows, type Short, through } from '../support.js';

interface Measured {
  readonly at?: number | null;
}

const byRecord = through<number>((input) => input.pipe(latestByTimestamp({ store: 'latest' })));
const byValue = through<Measured>((input) =>
  input.pipe(latestByTimestamp({ store: 'latest', timestamp: (record) => record.value.at as number })),
);

describe('latestByTimestamp', () => {
  it('drops what is older than what has already passed for its key, and counts it', async () => {
    const driver = await open(byRecord);
    await feed(driver, 'in', [
      ['a', 1, 1],
      ['a', 2, 3],
      ['a', 3, 2],
      ['b', 4, 1],
      ['a', 5, 4],
    ]);
    assert.deepEqual(await read(driver), [
      ['a', 1, 1],
      ['a', 2, 3],
      ['b', 4, 1],
      ['a', 5, 4],
    ]);
    assert.equal(driver.metrics.nodes['latestByTimestamp latest']?.older, 1);
    assert.deepEqual(await rows(driver, 'latest'), { a: 4, b: 1 });
  });

  it('lets the later arrival of equal timestamps pass', async () => {
    assert.deepEqual(
      await outputOf(byRecord, [
        ['a', 1, 5],
        ['a', 2, 5],
      ]),
      [
        ['a', 1, 5],
        ['a', 2, 5],
      ],
    );
  });

  it('takes null values like others, and drops null keys', async () => {
    const driver = await open(byRecord);
    await feed(driver, 'in', [
      ['a', null, 5],
      ['a', 1, 4],
      [null, 2, 6],
    ]);
    assert.deepEqual(await read(driver), [['a', null, 5]]);
    assert.equal(driver.metrics.nodes['latestByTimestamp latest']?.['null-key'], 1);
  });

  it('goes by a time in the value, and keeps the timestamp of the record', async () => {
    assert.deepEqual(
      await outputOf(byValue, [
        ['a', { at: 5 }, 1],
        ['a', { at: 4 }, 2],
        ['a', { at: 6.5 }, 0],
      ]),
      [
        ['a', { at: 5 }, 1],
        ['a', { at: 6.5 }, 0],
      ],
    );
  });

  it('sends older records to the dead letter topic if asked to', async () => {
    const target = through<number>((input) => input.pipe(latestByTimestamp({ store: 'latest', older: 'deadLetter' })));
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 1, 3],
      ['a', 2, 2],
    ]);
    const [letter] = await deadLetters(driver);
    assert.deepEqual(
      [letter?.value, letter?.message, letter?.from],
      [2, 'timestamp 2 is older than 3, which has already passed', 'in[0]@1'],
    );
  });

  it('fails a record whose time is no number', async () => {
    const driver = await open(
      through<Measured>((input) => input.pipe(latestByTimestamp({ store: 'latest', timestamp: () => Number.NaN }))),
    );
    await assert.rejects(feed(driver, 'in', [['a', {}]]), failure('PROCESS_FAILED', /saw NaN/));
  });

  it('equals a simple model, for any batches and over a crash', async () => {
    const given = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), timestamp: fc.nat({ max: 20 }) }), {
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(
        given,
        fc.constantFrom(1, 2, 7, 1_000),
        fc.nat({ max: 30 }),
        async (records, batchRecords, crashAt) => {
          const shorts = records.map(({ key, timestamp }, i): Short => [key, i, timestamp]);
          const latest = new Map<unknown, number>();
          const expected = shorts.filter(([key, , timestamp = 0]) => {
            if (timestamp < (latest.get(key) ?? 0)) return false;
            latest.set(key, timestamp);
            return true;
          });
          const driver = await open(byRecord, { batchRecords });
          await feed(driver, 'in', shorts.slice(0, crashAt));
          await driver.crash();
          await feed(driver, 'in', shorts.slice(crashAt));
          await driver.restart();
          assert.deepEqual(await read(driver), expected);
          await driver.close();
        },
      ),
      { numRuns: 60 },
    );
  });
});
