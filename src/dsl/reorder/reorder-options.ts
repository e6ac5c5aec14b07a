import type { Duration } from '../../model/duration.js';
import type { StreamRecord } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import type { Id } from '../common/ids.js';
import type { PolicyOptions } from '../contract/policy-options.js';

export interface ReorderByVersionOptions<K, V> extends PolicyOptions {
  /** The store that holds the next version of each entity, and the records that came too early. */
  readonly store: string;
  /** The record's version: an integer or a bigint, one kind for all records. */
  readonly version: (record: StreamRecord<K, V>) => number | bigint;
  /**
   * The entity that a version belongs to. Default: the record's key, compared by its bytes. Records of one
   * entity must have the same key. 5 and "5" are two entities.
   */
  readonly entity?: (record: StreamRecord<K, V>) => Id;
  /** The first version of an entity. Default: the version that comes first. */
  readonly first?: number | bigint;
  /** What to do about a version that does not come. Default: wait for ever. */
  readonly gap?: {
    /** How long to wait, counted from the arrival of the first later version. */
    readonly wait: Duration;
    /**
     * `skip`: go on with the lowest waiting version. `fail`: VERSION_GAP. `deadLetter`: send the waiting
     * records to the dead letter topic and keep waiting for the missing version. Then nothing ever passes out
     * of order, and the dead letters can be fed in again after it.
     */
    readonly then: 'skip' | 'fail' | 'deadLetter';
    /**
     * `stream` (default): the highest timestamp that has reached this operator. `wall`: the wall clock, which
     * also moves when no record comes. The end of a wait is then a record of an internal input,
     * `<application>-<store>-timers`, so a replay ends it at the same place.
     */
    readonly clock?: 'stream' | 'wall';
  };
  /** What happens to a version that has already passed or is already waiting. Default: `drop`. */
  readonly stale?: 'drop' | 'deadLetter' | 'pass';
  /**
   * How many records may wait for one entity. One more fails with REORDER_BUFFER_FULL, to which the
   * `onError.process` policy applies. Default: 10,000.
   */
  readonly maxBuffered?: number;
  /** How the keys of waiting records are written. Default: the input's key serde. */
  readonly key?: Serde<K>;
  /** How the values of waiting records are written. Default: JSON. */
  readonly value?: Serde<V>;
}
