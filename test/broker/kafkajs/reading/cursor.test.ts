import assert from 'node:assert/strict';
import { Cursor } from '#src/broker/kafkajs/reading/cursor.js';
import { FIELD } from '#src/broker/record-batch/format.js';
import { fails } from '../../contract.support.js';
import { smallBatch } from '../../record-batch/support.js';

/** What a broker answers for a partition; the batch of three records begins at offset 42. */
const fetched = (records: Buffer) => ({
  topic: 'payments',
  partition: 3,
  error: 0,
  highWatermark: 45,
  lastStableOffset: 45,
  logStart: 0,
  aborted: [],
  records,
});
const cursor = (): Cursor => new Cursor({ topic: 'payments', partition: 3, offset: 42 });

describe('what a Kafka reader fetched', () => {
  it('may end within a batch, which comes again with the next fetch', async () => {
    const reading = cursor();
    await reading.receive(fetched(Buffer.concat([smallBatch(), smallBatch().subarray(0, 70)])), true);
    assert.ok(reading.prepare());
    assert.equal(reading.take(10).length, 3);
    assert.equal(reading.fetchFrom, 45);
  });

  // A reader that asked for it again would never end.
  it('begins with a whole batch: one that is cut off has a wrong length, and is LOG_CORRUPT', async () => {
    const batch = smallBatch();
    batch.writeInt32BE(10_000, FIELD.batchLength);
    await assert.rejects(cursor().receive(fetched(batch), true), fails('LOG_CORRUPT', 'payments[3]@42', '10012 bytes'));
    await assert.rejects(cursor().receive(fetched(batch.subarray(0, 30)), true), fails('LOG_CORRUPT', 'payments[3]'));
  });

  it('is LOG_CORRUPT also if the broker itself refuses to read it', () => {
    fails('LOG_CORRUPT', 'payments[3]@42', 'broker')(cursor().refused());
  });

  it('goes nowhere if the reader was sought elsewhere while a codec was loaded', async () => {
    const reading = cursor();
    const received = reading.receive(fetched(smallBatch()), true);
    reading.closed = true;
    await received;
    assert.equal(reading.prepare(), false);
  });
});
