import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  count,
  type Duration,
  joinTable,
  selectKey,
  type Topology,
  to,
  topology,
  toStream,
  tumbling,
  validate,
} from '#src/index.js';
import { deadLetters, failure, feed, json, open, read, rows, type Short } from '../support.js';

const YEARS = 4_000_000_000_000;

/** What is let through, and how many of each minute. */
const watched = (maxTimeJump: Duration): Topology =>
  topology('test', (t) => {
    const records = t.stream('in', { ...json<number>(), maxTimeJump });
    records.pipe(to('out', json<number>()));
    records.pipe(
      count({ store: 'counts', window: tumbling('1m') }),
      toStream(),
      selectKey(({ key }) => key.key),
      to('counts', json<any>()),
    );
  });

const timestamps = (driver: Awaited<ReturnType<typeof open>>) =>
  read(driver).then((records) => records.map(([, , timestamp]) => timestamp));

describe('maxTimeJump', () => {
  it('sends a record from the far future to the dead letters, and lets it move no time', async () => {
    const driver = await open(watched('1h'), { onError: { deserialize: 'deadLetter' } });
    await feed(driver, 'in', [
      ['a', 1, 1_000],
      ['a', 2, YEARS],
      ['a', 3, 2_000],
    ]);
    assert.deepEqual(await timestamps(driver), [1_000, 2_000]);
    const [letter, ...others] = await deadLetters(driver);
    assert.deepEqual(others, []);
    assert.equal(letter?.code, 'TIME_JUMP');
    assert.equal(letter?.from, 'in[0]@1');
    assert.match(
      String(letter?.message),
      /saw the timestamp 4000000000000, .* ahead, expected at most maxTimeJump = 1 h 00 min/,
    );
    assert.deepEqual(driver.metrics.nodes['source in'], { 'dead-letter': 1 });
    // The window is still open.
    assert.equal((await read(driver, 'counts')).length, 2);
  });

  it('TIME_JUMP: stops the application by default, and is not tried again', async () => {
    const jump: Short[] = [
      ['a', 1, 1_000],
      ['a', 2, YEARS],
    ];
    await assert.rejects(feed(await open(watched('1h')), 'in', jump), failure('TIME_JUMP', /in\[0\]@1/));
    const driver = await open(watched('1h'), {
      onError: { deserialize: { retry: 5, backoff: '1h', then: 'skip' } },
    });
    await feed(driver, 'in', jump);
    assert.deepEqual(await timestamps(driver), [1_000]);
  });

  it('takes everything up to the limit, and everything that is behind', async () => {
    const driver = await open(watched('1s'));
    await feed(driver, 'in', [
      ['a', 1, 5_000],
      ['a', 2, 6_000],
      ['a', 3, 7_000],
      ['a', 4, 0],
      ['a', 5, 8_000],
    ]);
    assert.deepEqual(await timestamps(driver), [5_000, 6_000, 7_000, 0, 8_000]);
  });

  it('believes the first record of each partition', async () => {
    const driver = await open(watched('1s'), { partitions: 2, onError: { deserialize: 'skip' } });
    await feed(driver, 'in', [
      ['a', 1, 10, 0],
      ['b', 2, YEARS, 1],
      ['a', 3, YEARS, 0],
      ['b', 4, 2 * YEARS, 1],
    ]);
    assert.deepEqual(await timestamps(driver), [10, YEARS]);
  });

  it('believes the first record of a topic that joins others later', async () => {
    const target = topology('test', (t) => {
      const table = t.table('rows', { ...json<number>(), store: 'rows' });
      t.stream('in', { ...json<number>(), maxTimeJump: '1s' }).pipe(
        joinTable(table, (a, b) => a + b),
        to('out', json<number>()),
      );
    });
    const driver = await open(target);
    await feed(driver, 'rows', [['a', 1, 10]]);
    await feed(driver, 'in', [['a', 1, 50_000]]);
    assert.deepEqual(await read(driver), [['a', 2, 50_000]]);
  });

  it('believes the tenth record in a row that agrees on a later time, also over a restart', async () => {
    const driver = await open(watched('1s'), { onError: { deserialize: 'deadLetter' } });
    const late = (from: number, to: number): Short[] =>
      Array.from({ length: to - from }, (_, n) => ['a', 0, 100_000 + (from + n) * 500]);
    await feed(driver, 'in', [['a', 1, 1_000], ...late(0, 4)]);
    await driver.crash();
    await driver.restart();
    await feed(driver, 'in', late(4, 9));
    assert.deepEqual(await timestamps(driver), [1_000]);
    await feed(driver, 'in', late(9, 12));
    assert.deepEqual(await timestamps(driver), [104_500, 105_000, 105_500]);
    assert.equal((await deadLetters(driver)).length, 9);
  });

  it('begins to count again when a record is in time, or disagrees', async () => {
    const driver = await open(watched('1s'), { onError: { deserialize: 'skip' } });
    const nine = Array.from({ length: 9 }, (): Short => ['a', 0, 100_000]);
    const far = Array.from({ length: 9 }, (): Short => ['a', 0, 200_000]);
    await feed(driver, 'in', [['a', 1, 1_000], ...nine, ['a', 1, 1_500], ...nine, ...far, ...nine]);
    assert.deepEqual(await timestamps(driver), [1_000, 1_500]);
  });

  it('watches tables, too: a row from the future does not replace another', async () => {
    const target = topology('test', (t) => {
      t.table('in', { ...json<number>(), store: 'rows', maxTimeJump: '1h' }).pipe(
        toStream(),
        to('out', json<number>()),
      );
    });
    const driver = await open(target, { onError: { deserialize: 'skip' } });
    await feed(driver, 'in', [
      ['a', 1, 10],
      ['a', 2, YEARS],
    ]);
    assert.deepEqual(await rows(driver, 'rows'), { a: 1 });
  });

  it('judges the timestamp that is taken from the value', async () => {
    const timestamp = (value: number): number => value;
    const target = topology('test', (t) => {
      t.stream('in', { ...json<number>(), timestamp, maxTimeJump: '1h' }).pipe(to('out', json<number>()));
    });
    const driver = await open(target, { onError: { deserialize: 'skip' } });
    await feed(driver, 'in', [
      ['a', 1_000, YEARS],
      ['a', YEARS, 1],
      ['a', 2_000, 2 * YEARS],
    ]);
    assert.deepEqual(await timestamps(driver), [1_000, 2_000]);
  });

  it('CONFIG_INVALID: a jump of zero', () => {
    const [problem] = validate(watched('0ms'));
    assert.match(problem?.what ?? '', /maxTimeJump of in is zero/);
  });

  it('refuses the same records whatever the batches and crashes', async () => {
    const limit = 20;
    const given = fc.array(
      fc.oneof(
        { weight: 3, arbitrary: fc.nat({ max: 60 }) },
        { weight: 4, arbitrary: fc.integer({ min: 1_000, max: 1_030 }) },
        { weight: 1, arbitrary: fc.constant(YEARS) },
      ),
      { minLength: 20, maxLength: 60 },
    );
    await fc.assert(
      fc.asyncProperty(
        given,
        fc.constantFrom(1, 2, 7, 1_000),
        fc.array(fc.nat({ max: 60 }), { maxLength: 3 }),
        async (times, batchRecords, crashes) => {
          const expected: number[] = [];
          let time: number | undefined;
          let run: number[] = [];
          for (const at of times) {
            const near = run.length > 0 && Math.abs(at - (run.at(-1) as number)) <= limit;
            if (time !== undefined && at > time + limit) {
              run = near ? [...run, at] : [at];
              if (run.length < 10) continue;
            }
            run = [];
            time = Math.max(time ?? at, at);
            expected.push(at);
          }
          const driver = await open(watched(`${limit}ms`), { batchRecords, onError: { deserialize: 'skip' } });
          const cuts = [0, ...crashes.sort((a, b) => a - b), times.length];
          for (let i = 1; i < cuts.length; i++) {
            await feed(
              driver,
              'in',
              times.slice(cuts[i - 1], cuts[i]).map((at): Short => ['a', 1, at]),
            );
            await driver.crash();
            await driver.restart();
          }
          assert.deepEqual(await timestamps(driver), expected);
          await driver.close();
        },
      ),
      { numRuns: 100 },
    );
  });
});
