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

declare const ADVICE: unique symbol;

/**
 * The bound of a type parameter for records of a stream. If a table comes instead, the compiler falls back to
 * the bound, so that its message contains the advice.
 */
// biome-ignore lint/suspicious/noExplicitAny: bound of a type parameter, never a value
export interface NeedsStream<Advice extends string = 'use toStream() first'> extends FactRecord<any, any> {
  readonly [ADVICE]?: Advice;
}

/** The same for changes of a table, if a stream comes instead. */
// biome-ignore lint/suspicious/noExplicitAny: bound of a type parameter, never a value
export interface NeedsTable<Advice extends string = 'use toTable() first'> extends Change<any, any> {
  readonly [ADVICE]?: Advice;
}

// biome-ignore lint/suspicious/noExplicitAny: a type that is not known; the annotations of callbacks decide
type OrAny<T> = unknown extends T ? any : T;

/**
 * The records of an operator with the type arguments `<K, V>`. Operators infer the type of their records as a
 * whole: from a union of records, as `merge` makes it, K and V on their own would be inferred as `never`.
 */
export type FactOf<K, V> = FactRecord<OrAny<K>, OrAny<V>>;

/** The same for changes of a table. */
export type ChangeOf<K, V> = Change<OrAny<K>, OrAny<V>>;

/** The key of a record; of an `any`, any. */
// biome-ignore lint/suspicious/noExplicitAny: whatever a record has
export type KeyOf<R> = R extends StreamRecord<any, any> ? R['key'] : never;

/** The value of a stream record, or of a table row (without the null of a deletion); of an `any`, any. */
// biome-ignore lint/suspicious/noExplicitAny: whatever a record has
export type ValueOf<R> = R extends Change<any, infer V> ? V : R extends StreamRecord<any, any> ? R['value'] : never;

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
