import type { Headers } from './headers.js';

/** What flows through a stream: one fact. `timestamp` is event time in milliseconds since the epoch. */
export interface StreamRecord<K, V> {
  readonly key: K;
  readonly value: V;
  readonly timestamp: number;
  readonly headers: Headers;
}

/**
 * What flows through a table: the row's value after the change (null: the row is gone) and before it (null:
 * there was none). A table is the stream of its changes; the field `previous` is what tells the two apart,
 * for the compiler and at run time.
 */
export interface Change<K, V> extends StreamRecord<K, V | null> {
  readonly previous: V | null;
  /**
   * Of a versioned table: whether the change is of the past, older than the row's newest version. The row is
   * then as it was; `previous` is what was known of that moment.
   */
  readonly outOfOrder?: boolean;
}

/** A record as the engine makes it. One class, so that every record has the same shape for the optimiser. */
export class PlainRecord<K, V> implements StreamRecord<K, V> {
  constructor(
    readonly key: K,
    readonly value: V,
    readonly timestamp: number,
    readonly headers: Headers,
  ) {}
}

/** A change as the engine makes it. */
export class RowChange<K, V> implements Change<K, V> {
  constructor(
    readonly key: K,
    readonly value: V | null,
    readonly previous: V | null,
    readonly timestamp: number,
    readonly headers: Headers,
  ) {}
}

/** A change of a table that keeps the past of its rows. */
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

/** A change; `outOfOrder` undefined: of a table that keeps no past. */
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

/** Whether a record is a change of a table row. True for copies made by spreading one, too. */
export function isChange(record: StreamRecord<unknown, unknown>): record is Change<unknown, unknown> {
  return record instanceof RowChange || (!(record instanceof PlainRecord) && 'previous' in record);
}

/** The last millisecond that a Date can hold, in the year 275760: no record is of a later time. */
export const LAST_MOMENT = 8_640_000_000_000_000;

/** What a timestamp must be, for messages. */
export const MOMENT = `milliseconds since the epoch: a whole number from 0 to ${LAST_MOMENT}`;

/** Whether a timestamp is one. */
export const isMoment = (timestamp: unknown): boolean =>
  Number.isInteger(timestamp) && (timestamp as number) >= 0 && (timestamp as number) <= LAST_MOMENT;

/** Where a record stands: the position from which it can be read again. */
export interface SourcePosition {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}
