import type { BrokerRecord } from '../port.js';
import { RecordBatchEncoder } from '../record-batch/encoder.js';
import { batchesOf, type HeadedBatch, recordsOf } from './batches.js';
import type { Log } from './log.js';
import type { PartitionLog } from './partition-log.js';
import type { StoredBatch } from './storage.js';

/**
 * Maximum number of keys per pass: limits its memory to about 100 MB with keys of 50 bytes. A log with more
 * keys takes several passes.
 */
const MAX_KEYS = 500_000;

/**
 * Compacts a partition: only the last record of each key stays, with its offset. Returns the number of
 * removed records.
 *
 * - Records younger than `min.compaction.lag.ms`, and all records after the first of them, are left alone.
 *   They are not removed and do not replace others.
 * - A tombstone stays for `delete.retention.ms` after the first compaction that reaches it, so that readers
 *   can see it. The time is stored as the batch's delete horizon. Afterwards the tombstone is removed.
 * - The newest record always stays. Records without a key stay.
 *
 * Each pass reads the records since the last compaction, then the whole partition, and rewrites changed
 * batches in place. Memory: the keys of one pass. A crash in between leaves a valid log; the next compaction
 * starts over.
 */
export async function compact(log: Log, partition: PartitionLog, now: number): Promise<number> {
  if (!partition.topic.settings.compact || partition.state.next === 0) return 0;
  const goal = partition.state.next;
  let removed = 0;
  for (;;) {
    const { latest, end } = await lastOffsets(log, partition, goal, now);
    const nothingNew = latest.size === 0;
    if (nothingNew && (partition.nextDeleteHorizon ?? 0) > now) return removed;
    removed += await rewrite(log, partition, latest, end, now);
    if (nothingNew || end >= goal || partition.topic.deleted) return removed;
  }
}

/** The last offset of each key, from the end of the last compaction up to `end`. */
async function lastOffsets(
  log: Log,
  partition: PartitionLog,
  goal: number,
  now: number,
): Promise<{ latest: Map<string, number>; end: number }> {
  const youngest = now - partition.topic.settings.minCompactionLagMs;
  const from = Math.max(partition.state.cleanedTo, partition.state.earliest);
  const latest = new Map<string, number>();
  for await (const chunk of batchesOf(log, partition, from, goal)) {
    for (const batch of chunk) {
      for (const record of recordsOf(partition, batch)) {
        if (record.offset < from) continue;
        if (record.timestamp > youngest || latest.size >= MAX_KEYS) return { latest, end: record.offset };
        if (record.key) latest.set(keyText(record.key), record.offset);
      }
    }
  }
  return { latest, end: goal };
}

async function rewrite(
  log: Log,
  partition: PartitionLog,
  latest: ReadonlyMap<string, number>,
  end: number,
  now: number,
): Promise<number> {
  const newest = partition.state.next - 1;
  let removed = 0;
  let nextHorizon = Number.POSITIVE_INFINITY;
  for await (const chunk of batchesOf(log, partition, partition.state.earliest, end)) {
    const changed: { readonly before: StoredBatch; readonly bytes: Buffer | null }[] = [];
    for (const batch of chunk) {
      const records = recordsOf(partition, batch);
      const due = (batch.head.deleteHorizon ?? Number.POSITIVE_INFINITY) <= now;
      const kept = records.filter(
        (record) =>
          record.offset >= end || record.offset === newest || !((due && !record.value) || replaced(record, latest)),
      );
      const horizon = horizonOf(partition, batch, kept, end, now);
      if (horizon !== undefined) nextHorizon = Math.min(nextHorizon, horizon);
      if (kept.length === records.length && horizon === batch.head.deleteHorizon) continue;
      removed += records.length - kept.length;
      changed.push({ before: batch.stored, bytes: kept.length === 0 ? null : encode(batch, kept, horizon) });
    }
    if (changed.length > 0) await replace(log, partition, changed);
  }
  await finish(log, partition, end);
  partition.nextDeleteHorizon = nextHorizon;
  return removed;
}

function replaced(record: BrokerRecord, latest: ReadonlyMap<string, number>): boolean {
  if (!record.key) return false;
  const last = latest.get(keyText(record.key));
  return last !== undefined && last > record.offset;
}

/**
 * The delete horizon is set when the whole batch has been compacted for the first time, and removed with the
 * last tombstone.
 */
function horizonOf(
  partition: PartitionLog,
  { head }: HeadedBatch,
  kept: readonly BrokerRecord[],
  end: number,
  now: number,
): number | undefined {
  if (head.lastOffset >= end || !kept.some((record) => record.value === null)) return undefined;
  return head.deleteHorizon ?? now + partition.topic.settings.deleteRetentionMs;
}

function encode({ head }: HeadedBatch, kept: readonly BrokerRecord[], deleteHorizon: number | undefined): Buffer {
  const encoder = new RecordBatchEncoder(deleteHorizon === undefined ? {} : { deleteHorizon });
  for (const { key, value, timestamp, headers, offset } of kept)
    encoder.add(key, value, timestamp, headers, offset - head.baseOffset);
  return encoder.finish({ baseOffset: head.baseOffset, lastOffsetDelta: head.lastOffset - head.baseOffset });
}

async function replace(
  log: Log,
  partition: PartitionLog,
  changed: readonly { readonly before: StoredBatch; readonly bytes: Buffer | null }[],
): Promise<void> {
  await log.queue.submit({
    sync: false,
    prepare: (draft) => {
      if (partition.topic.deleted) return;
      const { topicId, partition: number } = partition;
      const state = draft.stateOf(partition);
      for (const { before, bytes } of changed) {
        const { baseOffset, maxTimestamp } = before;
        state.bytes += (bytes?.length ?? 0) - before.bytes.length;
        if (bytes) draft.write.batches.push({ topicId, partition: number, baseOffset, maxTimestamp, bytes });
        else draft.write.removedBatches.push({ topicId, partition: number, baseOffset });
      }
    },
    apply: () => log.tail.clear(partition),
  });
}

async function finish(log: Log, partition: PartitionLog, end: number): Promise<void> {
  await log.queue.submit({
    sync: false,
    prepare: (draft) => {
      if (partition.topic.deleted) return;
      const state = draft.stateOf(partition);
      state.cleanedTo = Math.max(state.cleanedTo, end);
      state.dirtyBytes = 0;
    },
  });
}

/** One character per byte: two texts are equal exactly if the bytes are. */
const keyText = (key: Buffer): string => key.toString('latin1');
