import type { ProducerRecord } from '../broker/port.js';
import { Headers } from '../model/headers.js';
import type { ChangelogEntry } from '../state/changelog-entry.js';

/**
 * The header of a changelog record, format 1: which source record caused the change, and the stream times then. A record without it counts as committed.
 *
 * | bytes | what |
 * |---|---|
 * | 1 | format |
 * | 8 | offset of the source record, double, big endian |
 * | 8 | stream time of the store, double |
 * | 8 | stream time of the task, double |
 * | n | topic of the source record, UTF-8; its partition is the task's |
 */
const CAUSE_HEADER = 'millrace.cause';
const FORMAT = 1;

export interface ChangeCause {
  readonly topic: string;
  readonly offset: number;
  readonly storeTime: number;
  readonly taskTime: number;
}

export function changelogRecord(
  entry: ChangelogEntry,
  target: { readonly topic: string; readonly partition: number; readonly storeTime: number; readonly taskTime: number },
): ProducerRecord {
  const bytes = Buffer.allocUnsafe(25 + Buffer.byteLength(entry.causeTopic));
  bytes[0] = FORMAT;
  bytes.writeDoubleBE(entry.causeOffset, 1);
  bytes.writeDoubleBE(target.storeTime, 9);
  bytes.writeDoubleBE(target.taskTime, 17);
  bytes.write(entry.causeTopic, 25);
  const { key, value, timestamp } = entry;
  return {
    topic: target.topic,
    partition: target.partition,
    key,
    value,
    timestamp,
    headers: new Headers([[CAUSE_HEADER, bytes]]),
  };
}

/**
 * The key of the record that carries the stream times of a commit which moved them and changed no row of the store: without it they would be lost
 * between step 3 and step 4 of the commit, and with the state directory. No text is written like this: it is not UTF-8.
 */
export const TIMES_KEY = Buffer.from([0xff, ...Buffer.from('millrace.times'), 0xff]);

/** The value is empty, not null: a tombstone would not outlive compaction. */
export function timesRecord(
  cause: { readonly topic: string; readonly offset: number },
  target: Parameters<typeof changelogRecord>[1],
): ProducerRecord {
  const timestamp = Number.isFinite(target.storeTime) ? target.storeTime : target.taskTime;
  return changelogRecord(
    { key: TIMES_KEY, value: Buffer.alloc(0), timestamp, causeTopic: cause.topic, causeOffset: cause.offset },
    target,
  );
}

/** Undefined for a record of somebody else's, or of a newer format: it counts as committed. */
export function causeOf(headers: Headers): ChangeCause | undefined {
  const value = headers.get(CAUSE_HEADER);
  if (!value || value.length < 25 || value[0] !== FORMAT) return undefined;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return {
    offset: bytes.readDoubleBE(1),
    storeTime: bytes.readDoubleBE(9),
    taskTime: bytes.readDoubleBE(17),
    topic: bytes.toString('utf8', 25),
  };
}
