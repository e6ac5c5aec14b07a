import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type PolledCursor, takeFairly } from '#src/broker/fair-shares.js';
import type { BrokerRecord } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';

/** A partition with so many records, and a move behind them. */
class Partition implements PolledCursor {
  #next = 0;
  #told = 0;
  takenBytes = 0;

  constructor(
    readonly partition: number,
    readonly records: number,
    readonly holes = 0,
    readonly recordBytes = 0,
  ) {}

  get #position(): number {
    return this.hasDecoded ? this.#next : this.records + this.holes;
  }
  get hasDecoded(): boolean {
    return this.#next < this.records;
  }
  get hasMoved(): boolean {
    return this.#position > this.#told;
  }
  more(): boolean {
    return false;
  }
  take(max: number, maxBytes: number): readonly BrokerRecord[] {
    const from = this.#next;
    const most = this.recordBytes === 0 ? max : Math.min(max, Math.max(1, Math.ceil(maxBytes / this.recordBytes)));
    this.#next = Math.min(this.records, from + most);
    this.takenBytes += (this.#next - from) * this.recordBytes;
    return Array.from({ length: this.#next - from }, (_, i) => ({
      ...{ topic: 't', partition: this.partition, offset: from + i, timestamp: 0 },
      ...{ key: null, value: null, headers: Headers.none },
    }));
  }
  batch(records: readonly BrokerRecord[]) {
    this.#told = this.#position;
    const { partition } = this;
    return { topic: 't', partition, records, nextOffset: this.#told, latestOffset: this.records + this.holes };
  }
}

describe('a poll', () => {
  it('takes all it may, gives no partition less than its share, and reports every move', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(30), fc.nat(2)), { maxLength: 6 }),
        fc.integer({ min: 1, max: 60 }),
        fc.nat(5),
        (sizes, max, turn) => {
          const partitions = sizes.map(([records, holes], i) => new Partition(i, records, holes));
          const batches = takeFairly(partitions, max, turn);
          const taken = partitions.map(
            ({ partition }) => batches.find((batch) => batch.partition === partition)?.records.length ?? 0,
          );
          const all = sizes.reduce((sum, [records]) => sum + records, 0);
          assert.equal(
            taken.reduce((sum, records) => sum + records, 0),
            Math.min(max, all),
          );
          const share = Math.floor(max / Math.max(1, sizes.length));
          for (const [i, [records, holes]] of sizes.entries()) {
            const got = taken[i] as number;
            assert.ok(got >= Math.min(records, share));
            const batch = batches.find(({ partition }) => partition === i);
            assert.equal(batch?.nextOffset ?? 0, got < records ? got : records + holes);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('stops at its bytes, takes one record in any case, and begins with another partition each time', () => {
    const sizes = fc.array(fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 5_000 })), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 20_000 }), (all, max, maxBytes) => {
        const partitions = all.map(([records, bytes], i) => new Partition(i, records, 0, bytes));
        const largest = Math.max(...all.map(([, bytes]) => bytes));
        for (let turn = 0; turn < all.length; turn++) {
          const before = partitions.reduce((sum, { takenBytes }) => sum + takenBytes, 0);
          const ready = partitions.filter(({ hasDecoded }) => hasDecoded);
          const batches = takeFairly(partitions, max, turn, maxBytes);
          const bytes = partitions.reduce((sum, { takenBytes }) => sum + takenBytes, 0) - before;
          assert.ok(bytes < maxBytes + largest, `${bytes}`);
          const first = partitions[turn] as Partition;
          if (!ready.includes(first)) continue;
          assert.ok(batches.some(({ partition, records }) => partition === turn && records.length > 0));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('tells of a move without records once', () => {
    const partitions = [new Partition(0, 0, 3), new Partition(1, 0)];
    assert.deepEqual(takeFairly(partitions, 10, 0), [
      { topic: 't', partition: 0, records: [], nextOffset: 3, latestOffset: 3 },
    ]);
    assert.deepEqual(takeFairly(partitions, 10, 1), []);
  });
});
