import type { ProducerRecord } from '../../broker/port.js';
import { Headers } from '../../model/headers.js';
import type { ChangelogEntry } from '../../state/rows/changelog-entry.js';

/**
 * The header of a changelog record, format 2: the source record that caused the change, the offset at which
 * the commit that wrote it began, and the epoch of the task (see epochs.ts). A record without the header
 * counts as committed. Format 1 has neither the third field nor the fourth.
 *
 * | bytes | content |
 * |---|---|
 * | 1 | format: 1, or 2 |
 * | 8 | offset of the source record, double, big endian |
 * | 8 | committed offset of its partition before this commit, double, big endian; NaN: not known |
 * | 8 | epoch, double, big endian; 0: none, as under exactly_once |
 * | n | topic of the source record, UTF-8; its partition is the task's |
 */
const CAUSE_HEADER = 'millrace.cause';
const FORMAT = 2;
const FROM_AT = 9;
const EPOCH_AT = 17;
const HEAD_BYTES = 25;
const OLD_FORMAT = 1;
const OLD_HEAD_BYTES = 9;

export interface ChangeCause {
  readonly topic: string;
  readonly offset: number;
  /**
   * The group's offset for the partition when the commit began: a commit that finished started there.
   * Undefined: not known.
   */
  readonly from: number | undefined;
  /** 0: none. */
  readonly epoch: number;
}

/** What all changes of one commit share. */
export interface ChangesOf {
  /** The offsets that were committed before this commit, by topic. */
  readonly before: ReadonlyMap<string, number>;
  /** 0: the task has none. */
  readonly epoch: number;
}

export function changelogRecord(
  entry: ChangelogEntry,
  topic: string,
  partition: number,
  { before, epoch }: ChangesOf,
): ProducerRecord {
  const { key, value, timestamp, causeTopic, causeOffset } = entry;
  const name = bytesOf(causeTopic);
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + name.length);
  bytes[0] = FORMAT;
  bytes.writeDoubleBE(causeOffset, 1);
  bytes.writeDoubleBE(before.get(causeTopic) ?? Number.NaN, FROM_AT);
  bytes.writeDoubleBE(epoch, EPOCH_AT);
  name.copy(bytes, HEAD_BYTES);
  return { topic, partition, key, value, timestamp, headers: new Headers([[CAUSE_HEADER, bytes]]) };
}

/** A cache: an application has few topics, and the header of each changed row contains one of them. */
const topicBytes = new Map<string, Buffer>();

function bytesOf(topic: string): Buffer {
  const known = topicBytes.get(topic);
  if (known) return known;
  const bytes = Buffer.from(topic);
  topicBytes.set(topic, bytes);
  return bytes;
}

/** Undefined for a record of another program or of a newer format: it counts as committed. */
export function causeOf(headers: Headers): ChangeCause | undefined {
  const value = headers.get(CAUSE_HEADER);
  const head = value?.[0] === FORMAT ? HEAD_BYTES : value?.[0] === OLD_FORMAT ? OLD_HEAD_BYTES : undefined;
  if (!value || head === undefined || value.length < head) return undefined;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const from = head === HEAD_BYTES ? bytes.readDoubleBE(FROM_AT) : Number.NaN;
  return {
    topic: bytes.toString('utf8', head),
    offset: bytes.readDoubleBE(1),
    from: Number.isNaN(from) ? undefined : from,
    epoch: head === HEAD_BYTES ? bytes.readDoubleBE(EPOCH_AT) : 0,
  };
}
