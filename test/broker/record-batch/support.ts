import type { BrokerRecord } from '#src/broker/port.js';
import { checksum } from '#src/broker/record-batch/checksum.js';
import type { BatchHead } from '#src/broker/record-batch/context.js';
import { decodeHead, decodeRecords } from '#src/broker/record-batch/decoder.js';
import { RecordBatchEncoder } from '#src/broker/record-batch/encoder.js';
import { FIELD } from '#src/broker/record-batch/format.js';
import { Headers } from '#src/model/headers.js';

export const context = { topic: 'payments', partition: 3 };

export function decode(bytes: Buffer, from = 0): { head: BatchHead; records: readonly BrokerRecord[] } {
  const head = decodeHead(bytes, 0, context);
  const records: BrokerRecord[] = [];
  decodeRecords(bytes, 0, head, context, from, records);
  return { head, records };
}

/** Three records, the second with headers, with room for damage everywhere. */
export function smallBatch(): Buffer {
  const encoder = new RecordBatchEncoder();
  encoder.add(Buffer.from('key'), Buffer.from('value'), 1_700_000_000_000, Headers.none);
  encoder.add(null, Buffer.from('x'), 1_700_000_000_001, Headers.of({ a: '1', b: null }));
  encoder.add(Buffer.from('k'), null, 1_699_999_999_999, Headers.none);
  return encoder.finish({ baseOffset: 42 });
}

/** A batch with other bytes in it and the right checksum: as a faulty producer would make it. */
export function forged(change: (batch: Buffer) => void): Buffer {
  const batch = smallBatch();
  change(batch);
  batch.writeUInt32BE(checksum(batch.subarray(FIELD.attributes)), FIELD.checksum);
  return batch;
}
