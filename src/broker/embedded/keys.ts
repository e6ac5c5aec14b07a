/**
 * The embedded broker's keys and values in its database, format version 1. All numbers are big endian; keys
 * are in byte order.
 *
 * | key | value |
 * |---|---|
 * | `v` | format version (1 byte) |
 * | `t` topicId:4 | JSON `{ "v": 2, "id", "name", "partitions", "config" }`; version 1 has no `id` |
 * | `n` | the number of the next topic to be created: 4 bytes. Missing in logs of earlier versions |
 * | `d` topicId:4 | version:1; the topic is deleted, its batches may still be there |
 * | `p` topicId:4 partition:4 | version:1 earliest:8 next:8 maxTimestamp:8 bytes:8 cleanedTo:8 dirtyBytes:8 |
 * | `o` topicId:4 partition:4 groupId:utf8 | version:1 offset:8 metadata:utf8 |
 * | `b` topicId:4 partition:4 baseOffset:8 | version:1 maxTimestamp:8, then the record batch (`record-batch/format.ts`) |
 *
 * Keys from 0xff on belong to the database itself (`state/database/write-witness.ts`). The maxTimestamp of a
 * batch is the highest of this batch and all earlier ones.
 */
import {
  logCorrupt,
  type PartitionId,
  type PartitionState,
  type StoredBatch,
  type StoredOffset,
  type StoredTopic,
} from '../local/storage.js';
import { readInt64, writeInt64 } from '../record-batch/format.js';

export const FORMAT_VERSION = 1;
export const FORMAT_KEY: Buffer = Buffer.from('v');
export const FORMAT_VALUE: Buffer = Buffer.from([FORMAT_VERSION]);

const TOPIC_VERSION = 2;
export const NEXT_TOPIC_KEY: Buffer = Buffer.from('n');

const STATE_FIELDS = ['earliest', 'next', 'maxTimestamp', 'bytes', 'cleanedTo', 'dirtyBytes'] as const;
const STATE_BYTES = 1 + 8 * STATE_FIELDS.length;
const OFFSET_BYTES = 9;
const BATCH_HEAD_BYTES = 9;

type Kind = 't' | 'd' | 'p' | 'o' | 'b';

/** The key range of one kind. */
export function kindRange(kind: Kind): { gte: Buffer; lt: Buffer } {
  return { gte: Buffer.from(kind), lt: Buffer.from([kind.charCodeAt(0) + 1]) };
}

export function topicKey(kind: 't' | 'd', topicId: number): Buffer {
  const key = Buffer.allocUnsafe(5);
  key.writeUInt8(kind.charCodeAt(0));
  key.writeUInt32BE(topicId, 1);
  return key;
}

export function encodeTopicId(topicId: number): Buffer {
  const value = Buffer.allocUnsafe(4);
  value.writeUInt32BE(topicId);
  return value;
}

export const topicIdOf = (key: Buffer): number => key.readUInt32BE(1);

function partitionBytes(kind: 'p' | 'o' | 'b', { topicId, partition }: PartitionId, more: number): Buffer {
  const key = Buffer.allocUnsafe(9 + more);
  key.writeUInt8(kind.charCodeAt(0));
  key.writeUInt32BE(topicId, 1);
  key.writeUInt32BE(partition, 5);
  return key;
}

export const partitionStateKey = (id: PartitionId): Buffer => partitionBytes('p', id, 0);

export function batchKey(id: PartitionId, baseOffset: number): Buffer {
  const key = partitionBytes('b', id, 8);
  writeInt64(key, baseOffset, 9);
  return key;
}

/** The first key after all batches of a partition. */
export function afterBatches({ topicId, partition }: PartitionId): Buffer {
  return partitionBytes('b', { topicId, partition: partition + 1 }, 0);
}

/** The key range of all batches of a topic. */
export function topicBatches(topicId: number): { gte: Buffer; lt: Buffer } {
  return {
    gte: partitionBytes('b', { topicId, partition: 0 }, 0),
    lt: partitionBytes('b', { topicId: topicId + 1, partition: 0 }, 0),
  };
}

export function offsetKey(offset: StoredOffset): Buffer {
  return Buffer.concat([partitionBytes('o', offset, 0), Buffer.from(offset.groupId)]);
}

const partitionOf = (key: Buffer): PartitionId => ({ topicId: key.readUInt32BE(1), partition: key.readUInt32BE(5) });

export function encodeTopic({ id, name, partitions, config }: StoredTopic): Buffer {
  return Buffer.from(JSON.stringify({ v: TOPIC_VERSION, id, name, partitions, config }));
}

/** A topic of version 1 uses its number as its id, which no new topic can have. */
const idOf = (v: unknown, id: unknown, topicId: number): unknown => (v === 1 ? `topic-${topicId}` : id);

export function decodeTopic(key: Buffer, value: Buffer): StoredTopic {
  const at = `topic id ${topicIdOf(key)}`;
  try {
    const { v, name, partitions, config, ...parsed } = JSON.parse(value.toString());
    const id = idOf(v, parsed.id, topicIdOf(key));
    if (
      (v === 1 || v === TOPIC_VERSION) &&
      typeof id === 'string' &&
      typeof name === 'string' &&
      Number.isInteger(partitions) &&
      typeof config === 'object'
    ) {
      return { topicId: topicIdOf(key), id, name, partitions, config };
    }
  } catch {
    // Handled below, like any other content that is not a topic.
  }
  throw logCorrupt(at, `${value.length} bytes that are no topic`, 'a description of a topic');
}

export function encodeState(state: PartitionState): Buffer {
  const value = Buffer.allocUnsafe(STATE_BYTES);
  value[0] = FORMAT_VERSION;
  STATE_FIELDS.forEach((field, i) => {
    writeInt64(value, state[field], 1 + 8 * i);
  });
  return value;
}

export function decodeState(key: Buffer, value: Buffer): PartitionId & { readonly state: PartitionState } {
  const id = partitionOf(key);
  check(value, STATE_BYTES, `state of topic id ${id.topicId}, partition ${id.partition}`);
  const [earliest = 0, next = 0, maxTimestamp = 0, bytes = 0, cleanedTo = 0, dirtyBytes = 0] = STATE_FIELDS.map(
    (_, i) => readInt64(value, 1 + 8 * i),
  );
  return { ...id, state: { earliest, next, maxTimestamp, bytes, cleanedTo, dirtyBytes } };
}

export function encodeOffset({ offset, metadata }: StoredOffset): Buffer {
  const value = Buffer.allocUnsafe(OFFSET_BYTES + Buffer.byteLength(metadata));
  value[0] = FORMAT_VERSION;
  writeInt64(value, offset, 1);
  value.write(metadata, OFFSET_BYTES);
  return value;
}

export function decodeOffset(key: Buffer, value: Buffer): StoredOffset {
  const groupId = key.toString('utf8', 9);
  // A value shorter than the head of an offset is checked against that length, so that the check throws.
  check(value, value.length < OFFSET_BYTES ? OFFSET_BYTES : undefined, `offset of group ${groupId}`);
  return { ...partitionOf(key), groupId, offset: readInt64(value, 1), metadata: value.toString('utf8', OFFSET_BYTES) };
}

export function encodeBatch({ maxTimestamp, bytes }: StoredBatch): Buffer {
  const value = Buffer.allocUnsafeSlow(BATCH_HEAD_BYTES + bytes.length);
  value[0] = FORMAT_VERSION;
  writeInt64(value, maxTimestamp, 1);
  value.set(bytes, BATCH_HEAD_BYTES);
  return value;
}

export const baseOffsetOf = (key: Buffer): number => readInt64(key, 9);

export function decodeBatch(key: Buffer, value: Buffer): StoredBatch {
  const id = partitionOf(key);
  check(value, undefined, `topic id ${id.topicId}, partition ${id.partition}, offset ${baseOffsetOf(key)}`);
  return { baseOffset: baseOffsetOf(key), maxTimestamp: readInt64(value, 1), bytes: value.subarray(BATCH_HEAD_BYTES) };
}

function check(value: Buffer, length: number | undefined, at: string): void {
  if (
    value[0] !== FORMAT_VERSION ||
    (length === undefined ? value.length < BATCH_HEAD_BYTES : value.length !== length)
  ) {
    throw logCorrupt(
      at,
      `${value.length} bytes, format ${value[0]}`,
      `format ${FORMAT_VERSION}${length === undefined ? '' : `, ${length} bytes`}`,
    );
  }
}
