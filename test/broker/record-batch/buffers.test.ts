import assert from 'node:assert/strict';
import fc from 'fast-check';
import { unsentBytesOf } from '#src/broker/kafkajs/writing/writer.js';
import { RecordBatchEncoder } from '#src/broker/record-batch/encoder.js';
import { Headers } from '#src/model/headers.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { collectGarbage } from '../../support/garbage.js';

const MIB = 1024 * 1024;

/** What buffers held is given back beside the collection, and counted as given back by the next one. */
async function collected(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await nextTurn();
  }
}

describe('the buffers of many batches in the making', () => {
  it('serve one batch at a time: each is as if alone, whichever others begin, end or are dropped', () => {
    const steps = fc.array(
      fc.record({
        encoder: fc.nat(4),
        length: fc.oneof(fc.nat(40), fc.nat(3_000), fc.integer({ min: 100_000, max: 140_000 })),
        fill: fc.nat(255),
        end: fc.constantFrom('go on', 'go on', 'finish', 'clear'),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const encoders = Array.from({ length: 5 }, () => ({
          encoder: new RecordBatchEncoder(),
          values: [] as Buffer[],
        }));
        const check = (at: (typeof encoders)[number]): void => {
          const alone = new RecordBatchEncoder();
          for (const value of at.values) alone.add(null, value, 0, Headers.none);
          assert.ok(at.encoder.finish().equals(alone.finish()));
          at.values = [];
        };
        for (const { encoder, length, fill, end } of all) {
          const at = encoders[encoder] as (typeof encoders)[number];
          const value = Buffer.alloc(length, fill);
          at.encoder.add(null, value, 0, Headers.none);
          at.values.push(value);
          if (end === 'finish') check(at);
          if (end !== 'clear') continue;
          at.encoder.clear();
          at.values = [];
        }
        for (const at of encoders) check(at);
      }),
    );
  });

  it('take what the batches need, and little once they are made, for 40,000 partitions of tasks', async () => {
    const held = (): number => process.memoryUsage().arrayBuffers;
    await collected();
    const before = held();
    const value = Buffer.alloc(20);
    const encoders = Array.from({ length: 40_000 }, () => new RecordBatchEncoder());
    for (const encoder of encoders) for (let i = 0; i < 6; i++) encoder.add(value, value, i, Headers.none);
    assert.ok(held() - before < 60 * MIB, `${(held() - before) / MIB} MiB`);
    for (const encoder of encoders) encoder.clear();
    for (const encoder of encoders) {
      encoder.add(value, Buffer.alloc(300_000), 1, Headers.none);
      encoder.clear();
    }
    await collected();
    assert.ok(held() - before < 20 * MIB, `${(held() - before) / MIB} MiB`);
    assert.equal(encoders.length, 40_000);
  });
});

describe('what the writers of a broker may have unacknowledged', () => {
  it('is 16 MiB each for a few, and no more than 64 MiB in all for as many as have 256 KiB each', () => {
    for (const writers of [0, 1, 4]) assert.equal(unsentBytesOf(writers), 16 * MIB);
    for (let writers = 4; writers <= 256; writers++) assert.ok(unsentBytesOf(writers) * writers <= 64 * MIB);
    assert.equal(unsentBytesOf(10_000), MIB / 4);
  });
});
