import type { ProducerRecord } from '../broker/port.js';
import { Headers } from '../model/headers.js';
import type { ChangelogEntry } from '../state/changelog-entry.js';

/**
 * The header of a changelog record, format 1: which source record caused the change. A record without it counts as committed.
 *
 * | bytes | what |
 * |---|---|
 * | 1 | format |
 * | 8 | offset of the source record, double, big endian |
 * | n | topic of the source record, UTF-8; its partition is the task's |
 */
const CAUSE_HEADER = 'millrace.cause';
const FORMAT = 1;
const HEAD_BYTES = 9;

export interface ChangeCause {
  readonly topic: string;
  readonly offset: number;
}

export function changelogRecord(entry: ChangelogEntry, topic: string, partition: number): ProducerRecord {
  const { key, value, timestamp, causeTopic, causeOffset } = entry;
  const name = bytesOf(causeTopic);
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + name.length);
  bytes[0] = FORMAT;
  bytes.writeDoubleBE(causeOffset, 1);
  name.copy(bytes, HEAD_BYTES);
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
  if (!value || value.length < HEAD_BYTES || value[0] !== FORMAT) return undefined;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return { offset: bytes.readDoubleBE(1), topic: bytes.toString('utf8', HEAD_BYTES) };
}
