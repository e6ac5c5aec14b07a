import type { ProducerRecord } from '../../broker/port.js';
import type {
  AnyRecord,
  AnySerde,
  DeclaredRepartition,
  DeclaredSink,
  Partitioner,
} from '../../dsl/contract/processor.js';
import { repartitionTopic } from '../../graph/naming.js';
import { messageOf, StreamsError } from '../../model/errors.js';
import { noRow } from '../../model/no-row.js';
import { isNotReady, whenReady } from '../../model/not-ready.js';
import { isChange, rowChange } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import { atTopic } from '../../serdes/at-topic.js';
import { encodeChange } from '../poll/change-format.js';
import type { RunObserver } from '../record/observer.js';
import type { OutboxItem } from '../record/outbox.js';
import { partitionOf } from '../topics/partitioner.js';

/** Headers of a record of a repartition topic, for its readers. */
export type Carrying = readonly (readonly [name: string, text: string])[];

/** What encoding needs from the task. */
export interface ProduceContext {
  readonly prefix: string;
  readonly partition: number;
  /** Partition count of a topic; TOPIC_UNKNOWN if it does not exist. Asks the broker only the first time. */
  partitionsOf(topic: string): number | Promise<number>;
  readonly observer?: RunObserver | undefined;
}

/**
 * Encodes a record of the outbox and chooses its partition. Null if a rule drops it (a repartition drops null
 * keys).
 *
 * @param carried Headers that the record carries for its readers.
 */
export function produce(
  item: OutboxItem,
  context: ProduceContext,
  carried: Carrying = [],
): ProducerRecord | null | Promise<ProducerRecord | null> {
  const topic = topicOf(item, context);
  const partitions = context.partitionsOf(topic);
  if (typeof partitions !== 'number')
    return partitions.then((known) => whenReady(() => finish(item, topic, known, context, carried)));
  // Only if each record chooses its topic, something may have to be fetched.
  if (item.kind === 'sink' && typeof item.sink.topic === 'function')
    return whenReady(() => finish(item, topic, partitions, context, carried));
  return finish(item, topic, partitions, context, carried);
}

function finish(
  item: OutboxItem,
  topic: string,
  partitions: number,
  context: ProduceContext,
  carried: Carrying,
): ProducerRecord | null {
  const record = encode(item, topic, partitions, context, carried);
  if (record !== null) context.observer?.produced(item.node, record, item.place.index);
  return record;
}

function topicOf(item: OutboxItem, { prefix }: ProduceContext): string {
  if (item.kind === 'repartition') return repartitionTopic(prefix, item.repartition.name);
  if (item.kind === 'raw') return item.record.topic;
  const { topic } = item.sink;
  if (typeof topic === 'string') return topic;
  const chosen: unknown = topic(item.record);
  if (typeof chosen === 'string' && chosen !== '') return chosen;
  throw new StreamsError('SERIALIZE_FAILED', {
    what: 'the topic function returned no topic',
    at: `node ${item.node}`,
    saw: show(chosen),
    action: 'Let it return the name of a topic for every record, or filter such records out before.',
  });
}

function encode(
  item: OutboxItem,
  topic: string,
  partitions: number,
  context: ProduceContext,
  carried: Carrying,
): ProducerRecord | null {
  if (item.kind === 'raw') return { ...item.record, partition: byHash(item.record.key, partitions, context) };
  const { record, node } = item;
  const target = item.kind === 'sink' ? serdesAt(item.sink, topic) : item.repartition;
  const key = record.key === null || record.key === undefined ? null : toBytes(target.key, record.key, 'key', node);
  const placedBy = key === null ? null : (target.key.partitionBytes?.(key) ?? key);
  if (item.kind === 'repartition') {
    if (key === null && !item.repartition.keepsNullKeys) return null;
    const value = repartitionValue(item.repartition, record, node);
    return {
      topic,
      partition: placeOf(item.repartition, item, placedBy, partitions, context),
      key,
      value,
      timestamp: record.timestamp,
      headers:
        carried.length === 0
          ? record.headers
          : carried.reduce((headers, [name, text]) => headers.with(name, text), record.headers),
    };
  }
  const value = record.value === null ? null : toBytes(target.value, record.value, 'value', node);
  const partition = placeOf(item.sink, item, placedBy, partitions, context);
  return { topic, partition, key, value, timestamp: record.timestamp, headers: record.headers };
}

/** The partition that a sink or a repartition chooses; otherwise by the hash of the key. */
function placeOf(
  { partition: partitioner }: { readonly partition?: Partitioner },
  { record, node }: { readonly record: AnyRecord; readonly node: string },
  placedBy: Buffer | null,
  partitions: number,
  context: ProduceContext,
): number {
  const partition = partitioner?.(record, partitions);
  if (partition === undefined) return byHash(placedBy, partitions, context);
  if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return partition;
  throw new StreamsError('PARTITION_INVALID', {
    what: 'the partitioner chose a partition that does not exist',
    at: `node ${node}`,
    saw: show(partition),
    expected: `a whole number from 0 to ${partitions - 1}`,
    action: 'Correct the partition function; undefined means: by the hash of the key.',
  });
}

/** The serdes of a sink for the topic of this record. */
function serdesAt(
  { topic: declared, key, value }: DeclaredSink,
  topic: string,
): { readonly key: AnySerde; readonly value: AnySerde } {
  return typeof declared === 'string' ? { key, value } : { key: atTopic(key, topic), value: atTopic(value, topic) };
}

function repartitionValue(
  { value: serde, table }: DeclaredRepartition,
  record: AnyRecord,
  node: string,
): Buffer | null {
  const value = record.value === null ? null : toBytes(serde, record.value, 'value', node);
  if (!table) return value;
  // A plain operator may have replaced changes by records: the previous row is then unknown.
  return isChange(record)
    ? encodeChange(value, previousBytes(serde, record.previous), record.outOfOrder)
    : encodeChange(value, null);
}

/** The previous row. If it could not be encoded, no reader of the repartition has received it. */
function previousBytes(serde: AnySerde, previous: unknown): Buffer | null {
  if (previous === null) return null;
  try {
    return serde.encode(previous);
  } catch (error) {
    return noRow(error);
  }
}

/**
 * What must still be written for a record that the policy has dropped because its value cannot be encoded.
 * For all readers of a table's repartition, the row no longer exists; those that have its previous value must
 * get a deletion. Undefined: no reader has it.
 */
export function withoutRow(item: OutboxItem): OutboxItem | undefined {
  if (item.kind !== 'repartition' || !item.repartition.table) return undefined;
  const { record } = item;
  if (!isChange(record) || record.value === null || record.previous === null || record.outOfOrder) return undefined;
  return { ...item, record: rowChange<unknown, unknown>(record.key, null, record.previous, record, record.outOfOrder) };
}

/** Without a key: the task's own partition, so that its records stay in order. */
const byHash = (key: Buffer | null, partitions: number, { partition }: ProduceContext): number =>
  key === null ? partition % partitions : partitionOf(key, partitions);

function toBytes(serde: AnySerde, value: unknown, side: string, node: string): Buffer {
  try {
    return serde.encode(value);
  } catch (error) {
    if (isNotReady(error)) throw error;
    throw new StreamsError('SERIALIZE_FAILED', {
      what: `cannot encode the ${side} with serde ${serde.name}: ${messageOf(error)}`,
      at: `node ${node}`,
      action: 'Correct the serde or the value; or set onError.produce to skip or deadLetter.',
      cause: error,
    });
  }
}
