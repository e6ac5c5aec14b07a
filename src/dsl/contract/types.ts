import type { Observable } from 'rxjs';
import type { Change, StreamRecord } from '../../model/record.js';

/** A stream of facts: each record is independent of the others. */
export type Stream<K, V> = Observable<StreamRecord<K, V>>;

/** A table as the stream of its changes: each change replaces the row of its key. */
export type Table<K, V> = Observable<Change<K, V>>;

/**
 * A record of a stream that is not a change of a table: the input of operators that make no sense on a table.
 */
export interface FactRecord<K, V> extends StreamRecord<K, V> {
  readonly previous?: never;
}

export type KeyOf<R> = R extends StreamRecord<infer K, infer _V> ? K : never;

/** The value of a stream record, or of a table row (without the null of a deletion). */
export type ValueOf<R> =
  R extends Change<infer _K, infer V> ? V : R extends StreamRecord<infer _K2, infer V2> ? V2 : never;

/** The same kind of record with another value. */
export type WithValue<R, W> =
  R extends Change<infer K, infer _V>
    ? Change<K, W>
    : R extends StreamRecord<infer K2, infer _V2>
      ? StreamRecord<K2, W>
      : never;

/** The same kind of record with another key. */
export type WithKey<R, K> =
  R extends Change<infer _K, infer V>
    ? Change<K, V>
    : R extends StreamRecord<infer _K2, infer V2>
      ? StreamRecord<K, V2>
      : never;
