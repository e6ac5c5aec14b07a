import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { BrokerRecord } from '#src/broker/port.js';
import { checksum } from '#src/broker/record-batch/checksum.js';
import { decodeHead, decodeRecords } from '#src/broker/record-batch/decoder.js';
import { FIELD, LENGTH_PREFIX_BYTES } from '#src/broker/record-batch/format.js';
import { fails } from '../contract.support.js';
import { context, decode, forged, smallBatch } from './support.js';

describe('a damaged record batch', () => {
  it('is LOG_CORRUPT wherever it is cut off', () => {
    const batch = smallBatch();
    for (let length = 0; length < batch.length; length++)
      assert.throws(() => decode(batch.subarray(0, length)), fails('LOG_CORRUPT', 'payments[3]'));
  });

  it('is LOG_CORRUPT whichever bit is flipped, except in the fields that the checksum leaves out', () => {
    const batch = smallBatch();
    for (let at = 0; at < batch.length; at++) {
      const unchecked = at < FIELD.batchLength || (at >= FIELD.leaderEpoch && at < FIELD.magic);
      for (let bit = 0; bit < 8 && !unchecked; bit++) {
        const damaged = Buffer.from(batch);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        assert.throws(() => decode(damaged), fails('LOG_CORRUPT'), `byte ${at}, bit ${bit}`);
      }
    }
  });

  it('names the partition and the offset', () => {
    const batch = smallBatch();
    batch[batch.length - 1] = 0xff;
    assert.throws(() => decode(batch), fails('LOG_CORRUPT', 'payments[3]@42', 'checksum'));
  });

  const forgeries: readonly [string, (batch: Buffer) => void][] = [
    ['two thousand million records', (batch) => batch.writeInt32BE(2_000_000_000, FIELD.recordCount)],
    ['fewer than no records', (batch) => batch.writeInt32BE(-1, FIELD.recordCount)],
    ['fewer records than it has', (batch) => batch.writeInt32BE(2, FIELD.recordCount)],
    ['more records than it has', (batch) => batch.writeInt32BE(4, FIELD.recordCount)],
    ['a last offset before the first', (batch) => batch.writeInt32BE(-5, FIELD.lastOffsetDelta)],
    ['records past its last offset', (batch) => batch.writeInt32BE(1, FIELD.lastOffsetDelta)],
    ['a base timestamp beyond 2^53', (batch) => batch.writeInt32BE(0x7fffffff, FIELD.baseTimestamp)],
    ['a record longer than itself', (batch) => batch.writeUInt8(0x7e, FIELD.records)],
    ['a record of negative length', (batch) => batch.writeUInt8(0x01, FIELD.records)],
    ['a record length that never ends', (batch) => batch.fill(0xff, FIELD.records)],
    ['a key longer than the record', (batch) => batch.writeUInt8(0x7e, FIELD.records + 4)],
    ['an offset that goes back', (batch) => batch.writeUInt8(0x01, FIELD.records + 3)],
  ];
  for (const [what, change] of forgeries) {
    it(`with the right checksum and ${what} is LOG_CORRUPT`, () => {
      assert.throws(() => decode(forged(change)), fails('LOG_CORRUPT', 'payments[3]'));
    });
  }

  it('with any bytes behind a valid head is decoded or LOG_CORRUPT, also headers; nothing else is thrown', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 120 }), fc.integer({ min: 1, max: 8 }), (noise, count) => {
        const batch = Buffer.concat([smallBatch().subarray(0, FIELD.records), noise]);
        batch.writeInt32BE(batch.length - LENGTH_PREFIX_BYTES, FIELD.batchLength);
        batch.writeInt32BE(count, FIELD.recordCount);
        batch.writeUInt32BE(checksum(batch.subarray(FIELD.attributes)), FIELD.checksum);
        const records: BrokerRecord[] = [];
        try {
          decodeRecords(batch, 0, decodeHead(batch, 0, context), context, 0, records);
          for (const record of records) assert.ok(record.headers.size >= 0);
        } catch (error) {
          fails('LOG_CORRUPT')(error);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('with headers that do not fit is LOG_CORRUPT when the headers are touched, and not before', () => {
    // The second record's header name gets a length past the end of the record.
    const batch = forged((bytes) => {
      const name = bytes.indexOf(Buffer.from('\u0002a', 'latin1'));
      bytes.writeUInt8(0x7e, name);
    });
    const [, second] = decode(batch).records;
    assert.ok(second);
    assert.throws(() => second.headers.entries, fails('LOG_CORRUPT', 'payments[3]@43', 'header'));
  });
});
