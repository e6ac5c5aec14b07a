import type { BrokerRecord } from '../port.js';
import type { BatchHead } from '../record-batch/context.js';
import { decodeHead, decodeRecords } from '../record-batch/decoder.js';
import type { Log } from './log.js';
import type { PartitionLog } from './partition-log.js';
import type { StoredBatch } from './storage.js';

/** Batches per read during maintenance: 1 MiB if they are full. */
const CHUNK = 8;

export interface HeadedBatch {
  readonly stored: StoredBatch;
  readonly head: BatchHead;
}

/**
 * The batches of a partition that hold offsets from `from` to before `to`, read from the storage in chunks.
 */
export async function* batchesOf(
  log: Log,
  partition: PartitionLog,
  from: number,
  to: number,
): AsyncGenerator<readonly HeadedBatch[]> {
  let at = (await log.storage.floor(partition, from)) ?? from;
  while (at < to && !partition.topic.deleted) {
    const read = await log.storage.read(partition, at, CHUNK);
    const chunk = read
      .filter((stored) => stored.baseOffset < to)
      .map((stored) => ({ stored, head: decodeHead(stored.bytes, 0, contextOf(partition)) }));
    if (chunk.length > 0) yield chunk;
    if (chunk.length < read.length || read.length === 0) return;
    at = (read.at(-1) as StoredBatch).baseOffset + 1;
  }
}

/** The records of a batch that are still readable. */
export function recordsOf(partition: PartitionLog, { stored, head }: HeadedBatch): readonly BrokerRecord[] {
  const records: BrokerRecord[] = [];
  decodeRecords(stored.bytes, 0, head, contextOf(partition), partition.state.earliest, records);
  return records;
}

const contextOf = (partition: PartitionLog): { topic: string; partition: number } => ({
  topic: partition.topic.name,
  partition: partition.partition,
});
