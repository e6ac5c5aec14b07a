import type { Headers } from './headers.js';

/** A record of a stream: one fact. `timestamp` is event time in milliseconds since the epoch. */
export interface StreamRecord<K, V> {
  readonly key: K;
  readonly value: V;
  readonly timestamp: number;
  readonly headers: Headers;
}

/**
 * A record of a table: the row's value after the change (null: the row is deleted) and before it (null: there
 * was no row). A table is the stream of its changes. The field `previous` distinguishes a change from a fact,
 * for the compiler and at run time.
 */
export interface Change<K, V> extends StreamRecord<K, V | null> {
  readonly previous: V | null;
  /**
   * For a versioned table: whether the change belongs to the past, and is older than the row's newest
   * version. The row is then unchanged, and `previous` is the value known for that moment.
   */
  readonly outOfOrder?: boolean;
}

/** A record that the engine makes. A single class gives all records the same shape for the optimiser. */
export class PlainRecord<K, V> implements StreamRecord<K, V> {
  constructor(
    readonly key: K,
    readonly value: V,
    readonly timestamp: number,
    readonly headers: Headers,
  ) {}
}

/** A change that the engine makes. */
export class RowChange<K, V> implements Change<K, V> {
  constructor(
    readonly key: K,
    readonly value: V | null,
    readonly previous: V | null,
    readonly timestamp: number,
    readonly headers: Headers,
  ) {}
}

/** A change of a versioned table. */
class VersionChange<K, V> extends RowChange<K, V> {
  constructor(
    key: K,
    value: V | null,
    previous: V | null,
    timestamp: number,
    headers: Headers,
    readonly outOfOrder: boolean,
  ) {
    super(key, value, previous, timestamp, headers);
  }
}

/** Makes a change; `outOfOrder` is undefined if the table is not versioned. */
export const rowChange = <K, V>(
  key: K,
  value: V | null,
  previous: V | null,
  { timestamp, headers }: Pick<StreamRecord<K, V>, 'timestamp' | 'headers'>,
  outOfOrder: boolean | undefined,
): RowChange<K, V> =>
  outOfOrder === undefined
    ? new RowChange(key, value, previous, timestamp, headers)
    : new VersionChange(key, value, previous, timestamp, headers, outOfOrder);

/** Whether a record is a change of a table row. True also for a copy made by spreading one. */
export function isChange(record: StreamRecord<unknown, unknown>): record is Change<unknown, unknown> {
  return record instanceof RowChange || (!(record instanceof PlainRecord) && 'previous' in record);
}

/** The last millisecond that a Date can hold, in the year 275760: no record has a later time. */
export const LAST_MOMENT = 8_640_000_000_000_000;

/** The rule for timestamps, for messages. */
export const MOMENT = `milliseconds since the epoch: a whole number from 0 to ${LAST_MOMENT}`;

/** Whether a value is a valid timestamp. */
export const isMoment = (timestamp: unknown): boolean =>
  Number.isInteger(timestamp) && (timestamp as number) >= 0 && (timestamp as number) <= LAST_MOMENT;

/** The position of a record, from which it can be read again. */
export interface SourcePosition {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}
