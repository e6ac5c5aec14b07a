import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Windowed, WindowKey } from '#src/model/window.js';
import { serdes } from '#src/serdes/serdes.js';
import { CacheBudget } from '#src/state/cache/cache-budget.js';
import { RecordCache } from '#src/state/cache/record-cache.js';
import type { StoreSpec } from '#src/state/contract.js';
import { RowCodec } from '#src/state/rows/row-codec.js';

const HOUR = 3_600_000;
const START = 472_222 * HOUR;

const counts: StoreSpec<string, number> = {
  name: 'counts',
  kind: 'keyValue',
  key: serdes.string,
  value: serdes.int64,
};
const windows: StoreSpec<Windowed<string>, number> = {
  name: 'windows',
  kind: 'window',
  key: serdes.windowed(serdes.string),
  value: serdes.int64,
};

/** A key as a record brings it: decoded, and its own. */
const text = (row: number): string => Buffer.from(`key-${row}`).toString();

const inWindow =
  (open: number) =>
  (row: number): Windowed<string> => {
    const start = START + (row % open) * HOUR;
    return new WindowKey(text(Math.floor(row / open)), start, start + HOUR);
  };

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heapUsed(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

/** Fills a cache as a task does, and says what a byte of its budget takes of the heap. */
function heapPerByte<K>(spec: StoreSpec<K, number>, keyOf: (row: number) => K): number {
  const budget = new CacheBudget(16 * 1024 * 1024);
  const cache = new RecordCache<K, number>(budget, new RowCodec(spec, 1));
  const before = heapUsed();
  for (let row = 0; !budget.exceeded; row++) {
    const entry = cache.insert(keyOf(row));
    entry.loaded = true;
    entry.value = row % 100;
    entry.timestamp = START + row;
    cache.weigh(entry, 16);
  }
  // What was wanted for a batch is forgotten with it.
  cache.evict();
  const used = heapUsed() - before;
  const perByte = used / budget.usedBytes;
  cache.close();
  return perByte;
}

describe('a record cache', () => {
  const cases: readonly (readonly [rows: string, perByte: () => number])[] = [
    ['rows', () => heapPerByte(counts, text)],
    ['rows of a window', () => heapPerByte(windows, inWindow(1))],
    ['rows of windows that are open at a time', () => heapPerByte(windows, inWindow(20))],
  ];
  for (const [rows, perByte] of cases) {
    it(`takes less memory for ${rows} than its budget counts`, () => {
      const taken = perByte();
      assert.ok(taken > 0.5 && taken < 0.95, `${taken.toFixed(2)} bytes of the heap for each of the budget`);
    });
  }

  it('gives the key of a window back as it was', () => {
    const cache = new RecordCache<Windowed<string>, number>(new CacheBudget(1_000), new RowCodec(windows, 1));
    for (const key of [
      new WindowKey('a', START, START + HOUR),
      new WindowKey('a', START, START + 1),
      new WindowKey('b', 0, Number.POSITIVE_INFINITY),
      { key: 'c', start: 1, end: 2 },
    ]) {
      const { key: text, start, end } = key;
      assert.deepEqual(cache.insert(key).key, new WindowKey(text, start, end));
    }
  });
});
