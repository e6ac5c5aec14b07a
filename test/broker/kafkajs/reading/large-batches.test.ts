import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { gzip } from '#src/broker/compression/gzip.js';
import { takeFairly } from '#src/broker/fair-shares.js';
import { Cursor } from '#src/broker/kafkajs/reading/cursor.js';
import type { BrokerRecord } from '#src/broker/port.js';
import { checksum } from '#src/broker/record-batch/checksum.js';
import { RecordBatchEncoder } from '#src/broker/record-batch/encoder.js';
import { FIELD } from '#src/broker/record-batch/format.js';
import { UnpackedBatches } from '#src/broker/record-batch/unpacked.js';
import { varintSize, writeVarint } from '#src/broker/record-batch/varint.js';
import { Headers } from '#src/model/headers.js';
import { silentLogger } from '#src/model/ports.js';
import { collectGarbage } from '../../../support/garbage.js';
import { fails } from '../../contract.support.js';

const MIB = 1024 * 1024;

/** What a broker answers: batches from offset 0 on. */
const answer = (partition: number, records: Buffer, end: number) => ({
  topic: 't',
  partition,
  error: 0,
  highWatermark: end,
  lastStableOffset: end,
  logStart: 0,
  aborted: [],
  records,
});

async function cursorOf(batches: Buffer, end: number, partition = 0, unpacked?: UnpackedBatches): Promise<Cursor> {
  const cursor = new Cursor({ topic: 't', partition, offset: 0 }, silentLogger, unpacked);
  await cursor.receive(answer(partition, batches, end), true);
  return cursor;
}

/** A batch of so many records of so many zero bytes. */
function packed(baseOffset: number, records: number, bytes: number): Buffer {
  const encoder = new RecordBatchEncoder();
  const value = Buffer.alloc(bytes);
  for (let i = 0; i < records; i++) encoder.add(Buffer.from(`${baseOffset + i}`), value, 0, Headers.none);
  return encoder.finish({ baseOffset, codec: gzip });
}

/** A batch of so many records of nothing, in nine or ten bytes each. */
function empty(records: number): Buffer {
  const body = Buffer.alloc(records * 12);
  let at = 0;
  for (let i = 0; i < records; i++) {
    at = writeVarint(body, 5 + varintSize(i), at);
    at = writeVarint(body, i, at + 2);
    body[at++] = 1;
    body[at++] = 1;
    at++;
  }
  const bytes = gzipSync(body.subarray(0, at));
  const encoder = new RecordBatchEncoder();
  encoder.add(null, null, 0, Headers.none);
  const batch = Buffer.concat([encoder.finish().subarray(0, FIELD.records), bytes]);
  batch.writeInt32BE(batch.length - 12, FIELD.batchLength);
  batch.writeInt16BE(1, FIELD.attributes);
  batch.writeInt32BE(records - 1, FIELD.lastOffsetDelta);
  batch.writeInt32BE(records, FIELD.recordCount);
  batch.writeUInt32BE(checksum(batch.subarray(FIELD.attributes)), FIELD.checksum);
  return batch;
}

/** All that polls of at most so many records and bytes give of it. */
function polled(cursor: Cursor, maxRecords: number, maxBytes?: number): BrokerRecord[][] {
  const polls: BrokerRecord[][] = [];
  for (let turn = 0; ; turn++) {
    const ready = cursor.prepare() ? [cursor] : [];
    const records = takeFairly(ready, maxRecords, turn, maxBytes).flatMap((batch) => batch.records);
    if (records.length === 0) return polls;
    polls.push(records);
  }
}

describe('a batch', () => {
  it('gives the same records, whether it is packed or not, and however few of them are taken at a time', async () => {
    const lengths = fc.array(fc.oneof(fc.nat(30), fc.integer({ min: 100_000, max: 700_000 })), {
      minLength: 1,
      maxLength: 8,
    });
    const maxBytes = fc.oneof(fc.constant(undefined), fc.integer({ min: 1, max: 2_000_000 }));
    await fc.assert(
      fc.asyncProperty(
        lengths,
        fc.boolean(),
        fc.integer({ min: 1, max: 9 }),
        maxBytes,
        async (all, pack, max, bytes) => {
          const encoder = new RecordBatchEncoder();
          const headers = Headers.of({ a: '1', b: null });
          all.forEach((length, i) => void encoder.add(Buffer.from(`k${i}`), Buffer.alloc(length, i), i, headers));
          const batch = encoder.finish(pack ? { codec: gzip } : {});
          const unpacked = new UnpackedBatches();
          const cursor = await cursorOf(Buffer.concat([batch]), all.length, 0, unpacked);
          const polls = polled(cursor, max, bytes);
          const records = polls.flat();
          assert.deepEqual(
            records.map(({ offset, key, value }) => [offset, String(key), value?.length, value?.[0]]),
            all.map((length, i) => [i, `k${i}`, length, length === 0 ? undefined : i]),
          );
          for (const record of records) assert.equal(record.headers.text('a'), '1');
          const sizes = all.map((length) => length + 30);
          for (const poll of polls) {
            assert.ok(poll.length <= max);
            const taken = poll.slice(0, -1).reduce((sum, { offset }) => sum + (sizes[offset] ?? 0) - 30, 0);
            if (bytes !== undefined) assert.ok(taken < bytes);
          }
          assert.equal(cursor.position, all.length);
          assert.equal(unpacked.isFull, false);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('of two million records of nothing costs the few that are taken of it', async () => {
    const cursor = await cursorOf(empty(2_000_000), 2_000_000);
    const before = process.memoryUsage().heapUsed;
    assert.ok(cursor.prepare());
    const [first] = takeFairly([cursor], 500, 0);
    assert.deepEqual([first?.records.length, first?.nextOffset], [500, 500]);
    assert.ok(process.memoryUsage().heapUsed - before < 20 * MIB);
    cursor.close();
  });

  it('with a damaged record gives those before it, and then LOG_CORRUPT as often as it is asked', async () => {
    const encoder = new RecordBatchEncoder();
    for (let i = 0; i < 5; i++) encoder.add(null, Buffer.from('value'), 0, Headers.none);
    const batch = encoder.finish();
    // The length of the fourth record: each has as many bytes as the others.
    const length = (batch.length - FIELD.records) / 5;
    batch[FIELD.records + 3 * length] = 0x7e;
    batch.writeUInt32BE(checksum(batch.subarray(FIELD.attributes)), FIELD.checksum);
    const cursor = await cursorOf(batch, 5);
    assert.ok(cursor.prepare());
    const [first] = takeFairly([cursor], 10, 0);
    assert.deepEqual([first?.records.length, first?.nextOffset], [3, 3]);
    for (let i = 0; i < 3; i++) assert.throws(() => cursor.prepare(), fails('LOG_CORRUPT', 't[0]@3'));
    assert.equal(cursor.position, 3);
  });
});

describe('batches that unpack to forty megabytes each', () => {
  const RECORDS = 800;
  const batch = packed(0, RECORDS, 50_000);
  /** Ten partitions with one each. */
  const open = (unpacked: UnpackedBatches): Promise<Cursor[]> =>
    Promise.all(Array.from({ length: 10 }, (_, partition) => cursorOf(batch, RECORDS, partition, unpacked)));

  it('are packed to less than a thousandth, and unpacked a few at a time, whatever is kept of them', async () => {
    assert.ok(batch.length < 80_000, `${batch.length}`);
    const unpacked = new UnpackedBatches();
    const cursors = await open(unpacked);
    const kept: BrokerRecord[] = [];
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    let records = 0;
    for (let turn = 0; records < 10 * RECORDS; turn++) {
      const ready = cursors.filter((cursor) => cursor.prepare());
      const batches = takeFairly(ready, 100, turn);
      const taken = batches.flatMap((one) => one.records);
      assert.ok(taken.length > 0);
      records += taken.length;
      kept.push(taken[0] as BrokerRecord);
      collectGarbage();
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    // Two that fill the room, what was taken of them, and what unpacking takes besides.
    assert.ok(most < 150 * MIB, `${most / MIB} MiB`);
    assert.ok(kept.every(({ value }) => value?.length === 50_000));
  });

  it('do not hold up others when they are not taken to their end', async () => {
    const unpacked = new UnpackedBatches();
    const cursors = await open(unpacked);
    for (const [turn, cursor] of cursors.entries()) {
      const take = (): number => {
        cursor.prepare();
        return takeFairly([cursor], 5, turn).flatMap((one) => one.records).length;
      };
      if (take() > 0) continue;
      assert.ok(unpacked.isFull);
      unpacked.makeRoom();
      assert.equal(take(), 5);
    }
    // Each goes on where it was, though what it had unpacked was dropped.
    for (const cursor of cursors) {
      unpacked.makeRoom();
      const offsets = polled(cursor, 1_000).flat();
      assert.deepEqual(
        offsets.map(({ offset, key }) => [offset, String(key)]),
        Array.from({ length: RECORDS - 5 }, (_, i) => [i + 5, `${i + 5}`]),
      );
    }
    assert.equal(unpacked.isFull, false);
  });
});
