import assert from 'node:assert/strict';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { BrokerRecord } from '#src/broker/port.js';
import { checksum } from '#src/broker/record-batch/checksum.js';
import { completeBatchSize, decodeHead, decodeRecords } from '#src/broker/record-batch/decoder.js';
import { RecordBatchEncoder, setBaseOffset } from '#src/broker/record-batch/encoder.js';
import { FIELD, LENGTH_PREFIX_BYTES } from '#src/broker/record-batch/format.js';
import { Headers } from '#src/model/headers.js';
import { fails } from '../contract.support.js';
import { context, decode, forged, smallBatch } from './support.js';

/** The last millisecond a Date knows. */
const MAX_TIMESTAMP = 8_640_000_000_000_000;

/** `MemoryRecords.withRecords` of kafka-clients 4.1.0, given the records of the first test. */
const WRITTEN_BY_JAVA =
  'AAAAAAAAACoAAAEz/////wK3CBKUABAAAAADAAABi8/laAAABgo7YJUoAAAAAQAAAAAAAAwAAAFZAAAABBwAAAAGa2V5CnZhbHVlAB4AAgIBAngEAmECMQTD' +
  'vAEUAP/ZxAkEAmsBAKwDAICA/oryq4QGBgCQAwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' +
  'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' +
  'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==';

interface Sample {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestamp: number;
  readonly headers: readonly (readonly [string, Buffer | null])[];
  readonly gap: number;
}

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const nullable = (arbitrary: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer | null> => fc.option(arbitrary, { nil: null });
const headerName = fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => Buffer.from(text).toString());
const samples: fc.Arbitrary<readonly Sample[]> = fc.array(
  fc.record<Sample>({
    key: nullable(bytes(40)),
    value: nullable(
      fc.oneof(
        bytes(300),
        fc.nat(20_000).map((length) => Buffer.alloc(length, 1) as Buffer),
      ),
    ),
    timestamp: fc.oneof(
      fc.maxSafeNat().map((n) => n % MAX_TIMESTAMP),
      fc.nat(100_000),
      fc.constantFrom(-1, 0, 2 ** 31, 2 ** 32, MAX_TIMESTAMP),
    ),
    headers: fc.array(fc.tuple(headerName, nullable(bytes(20))), { maxLength: 4 }),
    gap: fc.oneof(
      { weight: 9, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 ** 24 }) },
    ),
  }),
  { minLength: 1, maxLength: 60 },
);

function encode(
  records: readonly Sample[],
  encoder = new RecordBatchEncoder(),
  baseOffset = 0,
): { batch: Buffer; offsets: readonly number[] } {
  let delta = -1;
  const offsets: number[] = [];
  for (const { key, value, timestamp, headers, gap } of records) {
    delta += gap;
    offsets.push(baseOffset + delta);
    encoder.add(key, value, timestamp, headers.length === 0 ? Headers.none : new Headers(headers), delta);
  }
  return { batch: encoder.finish({ baseOffset }), offsets };
}

describe('a record batch', () => {
  it('is, byte for byte, what the Java client of Kafka writes', () => {
    const encoder = new RecordBatchEncoder();
    encoder.add(Buffer.from('key'), Buffer.from('value'), 1_700_000_000_000, Headers.none);
    encoder.add(null, Buffer.from('x'), 1_700_000_000_001, Headers.of({ a: '1', ü: null }));
    encoder.add(Buffer.from('k'), null, 1_699_990_000_000, Headers.none);
    encoder.add(Buffer.alloc(0), Buffer.alloc(200), 1_700_100_000_000_000, Headers.none);
    const batch = encoder.finish({
      baseOffset: 42,
      producerId: 2 ** 40,
      producerEpoch: 12,
      baseSequence: 345,
      transactional: true,
    });
    assert.equal(batch.toString('base64'), WRITTEN_BY_JAVA);
    assert.deepEqual(
      decode(batch).records.map(({ timestamp }) => timestamp),
      [1_700_000_000_000, 1_700_000_000_001, 1_699_990_000_000, 1_700_100_000_000_000],
    );
  });

  it('gives back every record as it was added, whatever its sizes, times, headers and gaps of offsets', () => {
    const encoder = new RecordBatchEncoder();
    fc.assert(
      fc.property(
        samples,
        fc.oneof(fc.constant(0), fc.nat(1_000), fc.constantFrom(2 ** 31 - 1, 2 ** 32, 2 ** 52)),
        (input, baseOffset) => {
          const { batch, offsets } = encode(input, encoder, baseOffset);
          const { head, records } = decode(batch);
          assert.deepEqual(
            records.map(({ key, value, timestamp, offset, headers }) => ({
              key,
              value,
              timestamp,
              offset,
              headers: headers.entries.map(([name, content]) => [name, content && Buffer.from(content)]),
            })),
            input.map(({ key, value, timestamp, headers }, i) => ({
              key,
              value,
              timestamp,
              offset: offsets[i],
              headers: headers.map(([name, content]) => [name, content]),
            })),
          );
          assert.equal(head.maxTimestamp, Math.max(...input.map(({ timestamp }) => timestamp)));
          assert.deepEqual(
            [head.baseOffset, head.lastOffset, head.recordCount, head.size],
            [baseOffset, offsets.at(-1), input.length, batch.length],
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('gives only the records from an offset on', () => {
    assert.deepEqual(
      decode(smallBatch(), 43).records.map(({ offset }) => offset),
      [43, 44],
    );
    assert.deepEqual(decode(smallBatch(), 45).records, []);
  });

  it('carries producer id, epoch, sequence, the transactional flag and the delete horizon', () => {
    const encoder = new RecordBatchEncoder({ deleteHorizon: 5_000_000_000_000 });
    encoder.add(Buffer.from('k'), null, 1_000, Headers.none);
    const batch = encoder.finish({
      baseOffset: 7,
      producerId: 2 ** 40,
      producerEpoch: 12,
      baseSequence: 345,
      transactional: true,
      lastOffsetDelta: 9,
    });
    const { head, records } = decode(batch);
    assert.deepEqual(
      [
        head.producerId,
        head.producerEpoch,
        head.baseSequence,
        head.transactional,
        head.control,
        head.deleteHorizon,
        head.lastOffset,
      ],
      [2 ** 40, 12, 345, true, false, 5_000_000_000_000, 16],
    );
    assert.equal(records[0]?.timestamp, 1_000);
    const plain = decode(smallBatch()).head;
    assert.deepEqual(
      [plain.producerId, plain.producerEpoch, plain.baseSequence, plain.transactional, plain.deleteHorizon],
      [-1, -1, -1, false, undefined],
    );
  });

  it('can be given its base offset after it is finished', () => {
    const batch = smallBatch();
    setBaseOffset(batch, 2 ** 50 + 1);
    assert.deepEqual(
      decode(batch).records.map(({ offset }) => offset),
      [2 ** 50 + 1, 2 ** 50 + 2, 2 ** 50 + 3],
    );
  });

  it('may stand behind another in the same bytes, and its first bytes tell its length', () => {
    const both = Buffer.concat([smallBatch(), smallBatch()]);
    const first = completeBatchSize(both);
    assert.equal(first, smallBatch().length);
    assert.equal(decodeHead(both, first, context).recordCount, 3);
    assert.equal(completeBatchSize(both, both.length - 4), undefined);
    assert.equal(completeBatchSize(both.subarray(0, both.length - 1), first), undefined);
  });

  it('with log append time has the same time for all records', () => {
    const batch = forged((bytes) => bytes.writeInt16BE(0x08, FIELD.attributes));
    assert.deepEqual(
      decode(batch).records.map(({ timestamp }) => timestamp),
      [1_700_000_000_001, 1_700_000_000_001, 1_700_000_000_001],
    );
  });

  it('that is compressed is unpacked by the function that is given for it, and refused without one', () => {
    const plain = smallBatch();
    const packed = gzipSync(plain.subarray(FIELD.records));
    const batch = Buffer.concat([plain.subarray(0, FIELD.records), packed]);
    batch.writeInt32BE(batch.length - LENGTH_PREFIX_BYTES, FIELD.batchLength);
    batch.writeInt16BE(1, FIELD.attributes);
    batch.writeUInt32BE(checksum(batch.subarray(FIELD.attributes)), FIELD.checksum);
    assert.throws(() => decode(batch), fails('LOG_CORRUPT', 'compression 1'));
    const decompress = (compression: number, data: Buffer): Buffer => {
      assert.equal(compression, 1);
      return gunzipSync(data);
    };
    const records: BrokerRecord[] = [];
    decodeRecords(batch, 0, decodeHead(batch, 0, context), { ...context, decompress }, 0, records);
    assert.deepEqual(
      records.map(({ value }) => value?.toString()),
      ['value', 'x', undefined],
    );
  });

  it('refuses a timestamp that is no time, and the records around it stay whole', () => {
    const encoder = new RecordBatchEncoder();
    encoder.add(null, Buffer.from('a'), 1, Headers.none);
    for (const timestamp of [-2, 1.5, Number.NaN, MAX_TIMESTAMP + 1])
      assert.throws(
        () => encoder.add(null, Buffer.from('b'), timestamp, Headers.none),
        fails('PRODUCE_FAILED', String(timestamp)),
      );
    encoder.add(null, Buffer.from('c'), 2, Headers.none);
    assert.deepEqual(
      decode(encoder.finish()).records.map(({ value }) => value?.toString()),
      ['a', 'c'],
    );
  });
});
