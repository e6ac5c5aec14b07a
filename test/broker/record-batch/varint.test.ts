import assert from 'node:assert/strict';
import fc from 'fast-check';
import { VarintReader, varintSize, writeVarint } from '#src/broker/record-batch/varint.js';

/** The definition, with BigInt. */
function reference(value: number): number[] {
  const wide = BigInt(value);
  let zigzag = wide < 0n ? -wide * 2n - 1n : wide * 2n;
  const bytes: number[] = [];
  for (; zigzag > 0x7fn; zigzag >>= 7n) bytes.push(Number(zigzag & 0x7fn) | 0x80);
  return [...bytes, Number(zigzag)];
}

const edges = [0, 7, 8, 13, 14, 20, 21, 27, 28, 29, 30, 31, 32, 33, 48, 52].flatMap((power) => [
  2 ** power - 1,
  2 ** power,
  -(2 ** power),
  -(2 ** power) - 1,
]);
const values = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer(),
  fc.constantFrom(...edges, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
);

describe('a varint', () => {
  it('is written as its definition says, in as many bytes as were announced, and read back', () => {
    fc.assert(
      fc.property(values, (value) => {
        const bytes = Buffer.alloc(12);
        const end = writeVarint(bytes, value, 1);
        const reader = new VarintReader(bytes, 1, end);
        assert.deepEqual([...bytes.subarray(1, end)], reference(value));
        assert.equal(varintSize(value), end - 1);
        assert.equal(reader.next(), value === 0 ? 0 : value);
        assert.equal(reader.at, end);
      }),
      { numRuns: 2_000 },
    );
  });

  it('that is cut off, too long or beyond 2^53 is no number', () => {
    const read = (...bytes: number[]): number => new VarintReader(Buffer.from(bytes), 0, bytes.length).next();
    assert.ok(Number.isNaN(read()));
    assert.ok(Number.isNaN(read(0x80)));
    assert.ok(Number.isNaN(read(0xff, 0xff, 0xff, 0xff, 0xff)));
    assert.ok(Number.isNaN(read(...Array(11).fill(0x80), 0x01)));
    assert.ok(Number.isNaN(read(...Array(9).fill(0xff), 0x01)));
  });

  it('with needless zero bytes at its end is read all the same', () => {
    assert.equal(new VarintReader(Buffer.from([0x82, 0x80, 0x80, 0x80, 0x80, 0x00]), 0, 6).next(), 1);
  });
});
