import type { PartitionOffset, TopicPartition } from '../../port.js';
import { throwUnlessNone } from './errors.js';
import type { Request } from './request.js';
import type { ListedMember, PartitionResult } from './requests-groups.js';
import { byTopic, readByTopic, writeByTopic } from './requests-topics.js';

/** Requests for records and transactions. */

export interface FetchedPartition extends TopicPartition {
  readonly error: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStart: number;
  readonly aborted: readonly { readonly producerId: number; readonly firstOffset: number }[];
  /** Record batches; the last one may be truncated. */
  readonly records: Buffer;
}

const NO_BYTES = Buffer.alloc(0);

export const fetchRequest = (options: {
  readonly positions: readonly PartitionOffset[];
  readonly committedOnly: boolean;
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  readonly partitionMaxBytes: number;
}): Request<readonly FetchedPartition[]> => ({
  apiKey: 1,
  apiVersion: 11,
  apiName: 'Fetch',
  timeoutMs: options.maxWaitMs + 30_000,
  atOnce: options.maxWaitMs === 0,
  write: (to) =>
    writeByTopic(
      to
        .int32(-1)
        .int32(options.maxWaitMs)
        .int32(1)
        .int32(options.maxBytes)
        .int8(options.committedOnly ? 1 : 0)
        .int32(0)
        .int32(-1),
      options.positions,
      ({ partition, offset }) => to.int32(partition).int32(-1).int64(offset).int64(-1).int32(options.partitionMaxBytes),
    )
      .array([], () => undefined)
      .string(''),
  read: (from) => {
    from.int32();
    throwUnlessNone(from.int16());
    from.int32();
    return readByTopic(from, (topic) => {
      const [partition, error, highWatermark] = [from.int32(), from.int16(), from.int64()];
      const [lastStableOffset, logStart] = [from.int64(), from.int64()];
      const aborted = from.array(() => ({ producerId: from.int64(), firstOffset: from.int64() }));
      from.int32();
      const records = from.bytes() ?? NO_BYTES;
      return { topic, partition, error, highWatermark, lastStableOffset, logStart, aborted, records };
    });
  },
});

export interface ProducedPartition extends PartitionResult {
  readonly baseOffset: number;
  /**
   * Which records of the batch caused the refusal, by index, and why; empty if the cause is not a single
   * record.
   */
  readonly refused: readonly { readonly index: number; readonly message: string | null }[];
  readonly message: string | null;
}

export interface ProduceBatch extends TopicPartition {
  readonly bytes: Buffer;
}

/**
 * One batch per partition, acknowledged by all in-sync replicas. Version 8 is the first that reports which
 * records were refused (KIP-467).
 */
export const produceRequest = (
  batches: readonly ProduceBatch[],
  transactionalId: string | null,
): Request<readonly ProducedPartition[]> => ({
  apiKey: 0,
  apiVersion: 8,
  apiName: 'Produce',
  initialBytes: batches.reduce((sum, batch) => sum + batch.bytes.length + batch.topic.length + 32, 64),
  write: (to) =>
    writeByTopic(to.string(transactionalId).int16(-1).int32(30_000), batches, ({ partition, bytes }) =>
      to.int32(partition).bytes(bytes),
    ),
  read: (from) =>
    readByTopic(from, (topic) => {
      const [partition, error, baseOffset] = [from.int32(), from.int16(), from.int64()];
      from.int64();
      from.int64();
      const refused = from.array(() => ({ index: from.int32(), message: from.string() }));
      return { topic, partition, error, baseOffset, refused, message: from.string() };
    }),
});

export interface ProducerIdentity {
  readonly id: number;
  readonly epoch: number;
}

/**
 * Requests a producer id; with a transactional id, its next epoch, after its open transaction was aborted.
 * With `before`, the broker refuses a producer that was fenced meanwhile, instead of letting it fence its
 * successor.
 */
export const initProducerIdRequest = (
  transactionalId: string | null,
  timeoutMs: number,
  before: ProducerIdentity | undefined,
): Request<ProducerIdentity> => ({
  apiKey: 22,
  apiVersion: 3,
  apiName: 'InitProducerId',
  concerned: { transactionalId: transactionalId ?? undefined },
  write: (to) =>
    to
      .noTags()
      .compactString(transactionalId)
      .int32(timeoutMs)
      .int64(before?.id ?? -1)
      .int16(before?.epoch ?? -1)
      .noTags(),
  read: (from) => {
    from.skipTags();
    from.int32();
    throwUnlessNone(from.int16());
    return { id: from.int64(), epoch: from.int16() };
  },
});

export interface TransactionIdentity extends ProducerIdentity {
  readonly transactionalId: string;
}

export const addPartitionsRequest = (
  transaction: TransactionIdentity,
  partitions: readonly TopicPartition[],
): Request<readonly PartitionResult[]> => ({
  apiKey: 24,
  apiVersion: 1,
  apiName: 'AddPartitionsToTxn',
  concerned: { transactionalId: transaction.transactionalId },
  write: (to) =>
    writeByTopic(
      to.string(transaction.transactionalId).int64(transaction.id).int16(transaction.epoch),
      partitions,
      ({ partition }) => to.int32(partition),
    ),
  read: (from) => {
    from.int32();
    return readByTopic(from, (topic) => ({ topic, partition: from.int32(), error: from.int16() }));
  },
});

export const addOffsetsRequest = (transaction: TransactionIdentity, groupId: string): Request<void> => ({
  apiKey: 25,
  apiVersion: 1,
  apiName: 'AddOffsetsToTxn',
  concerned: { group: groupId, transactionalId: transaction.transactionalId },
  write: (to) => to.string(transaction.transactionalId).int64(transaction.id).int16(transaction.epoch).string(groupId),
  read: (from) => {
    from.int32();
    throwUnlessNone(from.int16());
  },
});

/**
 * Version 3 is the first that contains member and generation (KIP-447), so that the coordinator can refuse a
 * member that has left the group.
 */
export const txnOffsetCommitRequest = (
  transaction: TransactionIdentity,
  member: ListedMember,
  offsets: readonly PartitionOffset[],
): Request<readonly PartitionResult[]> => ({
  apiKey: 28,
  apiVersion: 3,
  apiName: 'TxnOffsetCommit',
  concerned: { group: member.groupId, transactionalId: transaction.transactionalId },
  write: (to) =>
    to
      .noTags()
      .compactString(transaction.transactionalId)
      .compactString(member.groupId)
      .int64(transaction.id)
      .int16(transaction.epoch)
      .int32(member.generation)
      .compactString(member.memberId)
      .compactString(null)
      .compactArray(byTopic(offsets), ([topic, group]) =>
        to
          .compactString(topic)
          .compactArray(group, ({ partition, offset, metadata }) =>
            to
              .int32(partition)
              .int64(offset)
              .int32(-1)
              .compactString(metadata ?? '')
              .noTags(),
          )
          .noTags(),
      )
      .noTags(),
  read: (from) => {
    from.skipTags();
    from.int32();
    return from
      .compactArray(() => {
        const topic = from.compactText();
        const results = from.compactArray(() => {
          const result = { topic, partition: from.int32(), error: from.int16() };
          from.skipTags();
          return result;
        });
        from.skipTags();
        return results;
      })
      .flat();
  },
});

export const endTransactionRequest = (transaction: TransactionIdentity, commit: boolean): Request<void> => ({
  apiKey: 26,
  apiVersion: 1,
  apiName: 'EndTxn',
  concerned: { transactionalId: transaction.transactionalId },
  write: (to) => to.string(transaction.transactionalId).int64(transaction.id).int16(transaction.epoch).bool(commit),
  read: (from) => {
    from.int32();
    throwUnlessNone(from.int16());
  },
});
