import type { ProducerRecord } from '../broker/port.js';
import { Headers } from '../model/headers.js';
import type { ChangelogEntry } from '../state/changelog-entry.js';

/**
 * The header of a changelog record: which source record caused the change, and in which epoch of the task
 * (see epochs.ts). A record without it counts as committed. Format 1 has no epoch: so do all under
 * exactly_once.
 *
 * | bytes | what |
 * |---|---|
 * | 1 | format: 1, or 2 |
 * | 8 | offset of the source record, double, big endian |
 * | 8 | only in format 2: epoch, double, big endian |
 * | n | topic of the source record, UTF-8; its partition is the task's |
 */
const CAUSE_HEADER = 'millrace.cause';
const PLAIN = 1;
const WITH_EPOCH = 2;
const EPOCH_AT = 9;
const EPOCH_BYTES = 8;

export interface ChangeCause {
  readonly topic: string;
  readonly offset: number;
  /** 0: it has none. */
  readonly epoch: number;
}

/** `epoch`: 0 if the task has none. */
export function changelogRecord(
  entry: ChangelogEntry,
  topic: string,
  partition: number,
  epoch: number,
): ProducerRecord {
  const { key, value, timestamp, causeTopic, causeOffset } = entry;
  const name = bytesOf(causeTopic);
  const nameAt = epoch === 0 ? EPOCH_AT : EPOCH_AT + EPOCH_BYTES;
  const bytes = Buffer.allocUnsafe(nameAt + name.length);
  bytes[0] = epoch === 0 ? PLAIN : WITH_EPOCH;
  bytes.writeDoubleBE(causeOffset, 1);
  if (epoch !== 0) bytes.writeDoubleBE(epoch, EPOCH_AT);
  name.copy(bytes, nameAt);
  return { topic, partition, key, value, timestamp, headers: new Headers([[CAUSE_HEADER, bytes]]) };
}

/** The topics of an application are few, and each row that changes has one of them in its header. */
const topicBytes = new Map<string, Buffer>();

function bytesOf(topic: string): Buffer {
  const known = topicBytes.get(topic);
  if (known) return known;
  const bytes = Buffer.from(topic);
  topicBytes.set(topic, bytes);
  return bytes;
}

/** Undefined for a record of somebody else's, or of a newer format: it counts as committed. */
export function causeOf(headers: Headers): ChangeCause | undefined {
  const value = headers.get(CAUSE_HEADER);
  if (!value || value.length < EPOCH_AT) return undefined;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes[0] === PLAIN) return { offset: bytes.readDoubleBE(1), epoch: 0, topic: bytes.toString('utf8', EPOCH_AT) };
  const nameAt = EPOCH_AT + EPOCH_BYTES;
  if (bytes[0] !== WITH_EPOCH || value.length < nameAt) return undefined;
  return {
    offset: bytes.readDoubleBE(1),
    epoch: bytes.readDoubleBE(EPOCH_AT),
    topic: bytes.toString('utf8', nameAt),
  };
}
