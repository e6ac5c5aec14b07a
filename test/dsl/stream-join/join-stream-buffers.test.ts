import assert from 'node:assert/strict';
import { BucketKey, bucketKeySerde } from '#src/dsl/stream-join/bucket-key.js';
import { Chunk, chunkSerde } from '#src/dsl/stream-join/chunk.js';
import { waitingKeySerde } from '#src/dsl/stream-join/waiting.js';
import { joinStream, leftJoinStream, serdes, type Topology, to, topology } from '#src/index.js';
import { feed, json, open, read, type Short } from '../support.js';

const joined = (join: typeof joinStream | typeof leftJoinStream): Topology =>
  topology('test', (t) => {
    const right = t.stream('right', json<number>());
    t.stream('left', json<number>()).pipe(
      (join as typeof leftJoinStream)<any, any, any>(right, {
        store: 'pairs',
        within: '100s',
        grace: '1s',
        join: (a: number, b: number | null) => [a, b],
      }),
      to('out', json<any>()),
    );
  });

describe('a key with many records within a window', () => {
  const MANY = 5_000;
  /** Times go up and down, so that chunks overlap. */
  const time = (n: number): number => 100_000 + 10 * n + (n % 7 === 0 ? 500 : 0) - (n % 11 === 0 ? 300 : 0);
  const left = Array.from({ length: MANY }, (_, n): Short => ['hot', n, time(n)]);
  const met = (from: number, to: number): number[] =>
    left
      .map(([, n]) => n as number)
      .filter((n) => time(n) >= from && time(n) <= to)
      .sort((a, b) => time(a) - time(b) || a - b);

  for (const batchRecords of [7, 1_000]) {
    it(`meets all of them in order, and after a restart, too, in batches of ${batchRecords}`, async () => {
      const driver = await open(joined(joinStream), { batchRecords, cacheBytes: 1 });
      await feed(driver, 'left', left);
      const lefts = async (): Promise<unknown[]> => (await read(driver)).map(([, value]) => (value as number[])[0]);
      await feed(driver, 'right', [['hot', 1, 110_000]]);
      assert.deepEqual(await lefts(), met(10_000, 210_000));
      await driver.crash();
      await driver.restart();
      await feed(driver, 'right', [
        ['hot', 2, 20_000],
        ['hot', 3, 230_000],
      ]);
      assert.deepEqual(await lefts(), [...met(0, 120_000), ...met(130_000, 330_000)]);
    });
  }

  it('takes each of them out of what waits once', async () => {
    const driver = await open(joined(leftJoinStream), { batchRecords: 100 });
    await feed(driver, 'left', left);
    await feed(driver, 'right', [['hot', 1, 15_000]]);
    const waiting = await driver.store('pairs-left-waiting').entries();
    assert.equal(waiting.length, met(115_001, Number.POSITIVE_INFINITY).length);
    await feed(driver, 'right', [['z', 0, 10_000_000]]);
    const alone = (await read(driver)).filter(([, value]) => (value as unknown[])[1] === null);
    assert.deepEqual(
      alone.map(([, value]) => (value as number[])[0]),
      met(115_001, Number.POSITIVE_INFINITY),
    );
  });

  it('writes no more than a row of 32 again for one record', async () => {
    const driver = await open(joined(joinStream));
    for (let n = 0; n < 200; n++) await feed(driver, 'left', [['hot', 1_000_000 + n, 100_000 + n]]);
    const bytes = { name: 'bytes', encode: (value: Buffer) => value, decode: (value: Buffer) => value };
    const rows = await driver.output('test-pairs-left-changelog', { key: bytes, value: bytes }).read();
    const longest = Math.max(...rows.map(({ value }) => value?.length ?? 0));
    // A header of 10 bytes, 12 and a value of 7 for each record, 16 for each full chunk.
    assert.ok(longest <= 10 + 32 * (12 + 7) + 16 * 6, `${longest} bytes`);
    assert.ok(rows.length <= 200 + 7, `${rows.length} rows`);
  });
});

describe('the rows of a join', () => {
  it('are read as they were written, with what was added later', () => {
    const serde = chunkSerde(serdes.json<{ n: number }>());
    const empty = new Chunk(serdes.json<{ n: number }>(), {
      full: [{ low: 1, high: 9 }],
      timestamps: [],
      waiting: 0,
      values: [],
    });
    const one = empty.with(5, { n: 1 }, false);
    const read = serde.decode(serde.encode(one));
    const more = read.with(3, { n: 2 }, true).with(8, { n: 3 }, false);
    const again = serde.decode(serde.encode(more));
    assert.deepEqual(again.full, [{ low: 1, high: 9 }]);
    assert.deepEqual(again.timestamps, [5, 3, 8]);
    assert.deepEqual(
      [0, 1, 2].map((at) => again.value(at)),
      [{ n: 1 }, { n: 2 }, { n: 3 }],
    );
    assert.deepEqual(
      [0, 1, 2].map((at) => again.waits(at)),
      [false, true, false],
    );
    assert.deepEqual(serde.encode(again), serde.encode(more));
  });

  it('hold 32 records, the last of which can wait, too', () => {
    const serde = chunkSerde(serdes.int64);
    let chunk = new Chunk(serdes.int64, { full: [], timestamps: [], waiting: 0, values: [] });
    for (let n = 0; n < 32; n++) chunk = chunk.with(n, n, n % 31 === 0);
    const read = serde.decode(serde.encode(chunk));
    assert.ok(read.isFull);
    assert.deepEqual(
      read.timestamps.map((_, at) => at).filter((at) => read.waits(at)),
      [0, 31],
    );
    assert.deepEqual(read.span, { low: 0, high: 31 });
  });

  it('have a format that is checked', () => {
    const serde = chunkSerde(serdes.int64);
    assert.throws(
      () => serde.decode(Buffer.of(9, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
      /saw a join's row of format 9, expected 1/,
    );
    const row = serde.encode(new Chunk(serdes.int64, { full: [], timestamps: [1], waiting: 0, values: [1] }));
    assert.throws(
      () => serde.decode(row.subarray(0, row.length - 1)),
      /saw 7 bytes of values in a join's row, expected 8/,
    );
    assert.throws(
      () => bucketKeySerde(serdes.string, 100).decode(Buffer.alloc(3)),
      /saw the key of a join's row of 3 bytes/,
    );
    assert.throws(() => waitingKeySerde(serdes.string).decode(Buffer.alloc(3)), /of 3 bytes, expected at least 6/);
  });

  it('have keys that are read as they were written', () => {
    const rowKeys = bucketKeySerde(serdes.string, 100);
    for (const key of [new BucketKey('a', 0, 0), new BucketKey('', 2 ** 41, 7), new BucketKey('ab', 1, 2 ** 32 - 1)])
      assert.deepEqual(rowKeys.decode(rowKeys.encode(key)), key);
    const waiting = waitingKeySerde(serdes.bytes);
    for (const bytes of [[], [0], [0, 0], [0, 255], [255, 0, 255], [1, 0, 2], [7]]) {
      const key = { key: Buffer.from(bytes), ordinal: 33 };
      assert.deepEqual(waiting.decode(waiting.encode(key)), key);
    }
  });
});
