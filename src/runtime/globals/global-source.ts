import type { BrokerRecord } from '../../broker/port.js';
import type { AnyRecord, DeclaredGlobalTable } from '../../dsl/contract/processor.js';
import { messageOf, StreamsError } from '../../model/errors.js';
import { isNotReady } from '../../model/not-ready.js';
import { checkEncodes } from '../../serdes/check.js';
import type { GlobalChange } from '../../state/global/global-state.js';
import { deserialize } from '../poll/deserialize.js';
import { SourceDates } from '../poll/source-dates.js';
import type { FailureHandler } from '../send/failures.js';

/**
 * The topic of a global table: the changes of its records, and their event times if those are not the log's.
 */
export class GlobalSource {
  readonly table: DeclaredGlobalTable;
  readonly dates: SourceDates | undefined;

  constructor(table: DeclaredGlobalTable, failures: FailureHandler) {
    this.table = table;
    this.dates =
      table.timestamp &&
      new SourceDates({
        deserialize: (record) => deserialize(table, record),
        fetch: (record, error, again) => failures.whenFetched({ node: table.id, error, source: record }, again),
      });
  }

  /** The change that a record makes. Throws decoding errors. */
  change(record: BrokerRecord): GlobalChange {
    return changeOf(this.table, record, this.dates?.deserialize(record));
  }
}

/**
 * The value stays as written, and is decoded only to check it. The key is encoded again, so that equal keys
 * are equal bytes.
 */
export function changeOf(
  table: DeclaredGlobalTable,
  record: BrokerRecord,
  { key, value, timestamp }: AnyRecord = deserialize(table, record),
): GlobalChange {
  checkKey(table, key, record);
  return { store: table.store, key, value: value === null ? null : asWritten(table, record), timestamp };
}

/** The bytes of a value, preceded by the header that describes their format: the row has no headers. */
function asWritten({ value: { header } }: DeclaredGlobalTable, { value, headers }: BrokerRecord): Buffer {
  const said = header === undefined ? undefined : headers.get(header);
  return said ? Buffer.concat([said, value as Buffer]) : (value as Buffer);
}

/** Lookups encode their keys, so a record with a key that cannot be encoded again counts as unreadable. */
function checkKey({ key: serde }: DeclaredGlobalTable, key: unknown, { topic, partition, offset }: BrokerRecord): void {
  try {
    checkEncodes(serde, key);
  } catch (error) {
    if (isNotReady(error)) throw error;
    throw new StreamsError('DESERIALIZE_FAILED', {
      what: `cannot encode the key again with serde ${serde.name}: ${messageOf(error)}`,
      at: `${topic}[${partition}]@${offset}`,
      action: 'Correct the serde or the producer; or set onError.deserialize to skip or deadLetter.',
      cause: error,
    });
  }
}
