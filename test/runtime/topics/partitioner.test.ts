import assert from 'node:assert/strict';
import fc from 'fast-check';
import { murmur2, partitionOf } from '#src/runtime/topics/partitioner.js';

describe('the partitioner', () => {
  // The vectors of Kafka's own UtilsTest.
  for (const [text, hash] of [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ] as const) {
    it(`hashes ${JSON.stringify(text)} as Kafka does`, () => assert.equal(murmur2(Buffer.from(text)), hash));
  }

  it('chooses as Kafka does: the hash without its sign, modulo the number of partitions', () => {
    assert.equal(partitionOf(Buffer.from('foobar'), 7), (-790332482 & 0x7fffffff) % 7);
    fc.assert(
      fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 1_000 }), (bytes, partitions) => {
        const partition = partitionOf(Buffer.from(bytes), partitions);
        assert.ok(Number.isInteger(partition) && partition >= 0 && partition < partitions);
      }),
    );
  });
});
