import type { BrokerRecord } from '../../broker/port.js';
import type { AnyRecord, AnySerde, DeclaredRepartition, DeclaredSource } from '../../dsl/contract/processor.js';
import { messageOf, StreamsError } from '../../model/errors.js';
import type { Headers } from '../../model/headers.js';
import { isNotReady } from '../../model/not-ready.js';
import { isMoment, MOMENT, PlainRecord, rowChange } from '../../model/record.js';
import { show } from '../../model/text/show.js';
import { decodeChange } from './change-format.js';

/** Decodes a record. DESERIALIZE_FAILED names the record and the side. */
export function deserialize(
  source: Pick<DeclaredSource, 'key' | 'value' | 'timestamp'>,
  record: BrokerRecord,
): AnyRecord {
  const { headers } = record;
  const key = record.key === null ? null : decode(source.key, record.key, 'key', record, headers);
  const value = record.value === null ? null : decode(source.value, record.value, 'value', record, headers);
  const timestamp = source.timestamp ? eventTime(source.timestamp, value, key, record) : record.timestamp;
  if (!isMoment(timestamp)) {
    throw new StreamsError('DESERIALIZE_FAILED', {
      what: 'a record has no usable timestamp',
      at: where(record),
      saw: show(timestamp),
      expected: MOMENT,
      action: 'Correct the timestamp function or the producer, or set onError.deserialize.',
    });
  }
  return new PlainRecord(key, value, timestamp, withoutFormat(source, headers));
}

/**
 * The event time that the source's function returns. A deletion has no value to derive it from: unless the
 * function returns a timestamp for the key alone, the deletion keeps the log's timestamp.
 */
function eventTime(
  timestamp: NonNullable<DeclaredSource['timestamp']>,
  value: unknown,
  key: unknown,
  record: BrokerRecord,
): number {
  if (value !== null) return timestamp(value, key);
  try {
    const said = timestamp(value, key);
    return isMoment(said) ? said : record.timestamp;
  } catch {
    return record.timestamp;
  }
}

/** Removes headers that describe the format of the bytes: from here on, the record carries decoded values. */
function withoutFormat({ key, value }: Pick<DeclaredSource, 'key' | 'value'>, headers: Headers): Headers {
  if (key.header === undefined && value.header === undefined) return headers;
  const names = [key.header, value.header].filter(
    (name) => name !== undefined && headers.get(name) !== undefined,
  ) as string[];
  return names.reduce((rest, name) => rest.without(name), headers);
}

/** Decodes a record of a repartition topic: a record of a stream, or a change of a table. */
export function deserializeRepartitioned(
  repartition: DeclaredRepartition,
  table: boolean,
  record: BrokerRecord,
  headers: Headers = record.headers,
): AnyRecord {
  const key = record.key === null ? null : decode(repartition.key, record.key, 'key', record);
  const { value } = repartition;
  if (table && record.value !== null) {
    const sides = decodeChange(record.value);
    const side = (bytes: Buffer | null): unknown => (bytes === null ? null : decode(value, bytes, 'value', record));
    return rowChange(
      key,
      side(sides.value),
      side(sides.previous),
      { timestamp: record.timestamp, headers },
      sides.outOfOrder,
    );
  }
  return new PlainRecord(
    key,
    record.value === null ? null : decode(value, record.value, 'value', record),
    record.timestamp,
    headers,
  );
}

const where = (record: BrokerRecord): string => `${record.topic}[${record.partition}]@${record.offset}`;

function decode(serde: AnySerde, bytes: Buffer, side: string, record: BrokerRecord, headers?: Headers): unknown {
  try {
    return serde.decode(bytes, headers);
  } catch (error) {
    if (isNotReady(error)) throw error;
    throw new StreamsError('DESERIALIZE_FAILED', {
      what: `cannot decode the ${side} with serde ${serde.name}: ${messageOf(error)}`,
      at: where(record),
      action: 'Correct the serde or the producer; or set onError.deserialize to skip or deadLetter.',
      cause: error,
    });
  }
}
