import { batchesOf, recordsOf } from './batches.js';
import type { Log } from './log.js';
import type { PartitionLog } from './partition-log.js';

/**
 * Applies `retention.ms` and `retention.bytes` to a partition: removes its oldest records up to the first one
 * to keep. The earliest offset moves; the newest record always stays. Returns the number of removed records.
 *
 * Retention by time works per record: a partly expired batch stays stored, and its expired records are
 * hidden. Retention by size removes whole batches, as Kafka removes segments, so the log is never smaller
 * than `retention.bytes`.
 */
export async function applyRetention(log: Log, partition: PartitionLog, now: number): Promise<number> {
  const { settings } = partition.topic;
  if (!settings.delete || (settings.retentionMs < 0 && settings.retentionBytes < 0)) return 0;
  const keptSince = settings.retentionMs < 0 ? Number.NEGATIVE_INFINITY : now - settings.retentionMs;
  const newest = partition.state.next - 1;
  let excess = settings.retentionBytes < 0 ? 0 : partition.state.bytes - settings.retentionBytes;
  let removed = 0;

  for await (const chunk of batchesOf(log, partition, partition.state.earliest, newest + 1)) {
    const whole: number[] = [];
    let bytes = 0;
    let earliest = partition.state.earliest;
    let done = false;
    for (const batch of chunk) {
      const { head } = batch;
      const size = batch.stored.bytes.length;
      if (head.lastOffset < newest && (excess >= size || head.maxTimestamp < keptSince)) {
        removed += head.baseOffset < earliest ? recordsOf(partition, batch).length : head.recordCount;
        whole.push(head.baseOffset);
        bytes += size;
        excess -= size;
        earliest = head.lastOffset + 1;
        continue;
      }
      const records = recordsOf(partition, batch);
      const kept = records.findIndex((record) => record.timestamp >= keptSince || record.offset === newest);
      if (kept > 0) {
        removed += kept;
        earliest = records[kept]?.offset ?? earliest;
      }
      done = true;
      break;
    }
    if (earliest > partition.state.earliest) await trim(log, partition, whole, bytes, earliest);
    if (done) break;
  }
  return removed;
}

/** Removes the records of a partition before an offset, which must not be beyond its end. */
export async function trimBefore(log: Log, partition: PartitionLog, offset: number): Promise<void> {
  const { earliest } = partition.state;
  if (offset <= earliest) return;
  const whole: number[] = [];
  let bytes = 0;
  for await (const chunk of batchesOf(log, partition, earliest, offset)) {
    for (const { head, stored } of chunk) {
      if (head.lastOffset >= offset) continue;
      whole.push(head.baseOffset);
      bytes += stored.bytes.length;
    }
  }
  await trim(log, partition, whole, bytes, offset);
}

async function trim(
  log: Log,
  partition: PartitionLog,
  whole: readonly number[],
  bytes: number,
  earliest: number,
): Promise<void> {
  await log.queue.submit({
    sync: false,
    prepare: (draft) => {
      if (partition.topic.deleted) return;
      const { topicId, partition: number } = partition;
      for (const baseOffset of whole) draft.write.removedBatches.push({ topicId, partition: number, baseOffset });
      const state = draft.stateOf(partition);
      state.earliest = Math.max(state.earliest, earliest);
      state.bytes -= bytes;
      state.dirtyBytes = Math.min(state.dirtyBytes, state.bytes);
    },
    apply: () => {
      log.tail.clear(partition);
      partition.notify();
    },
  });
}
