import type { InputRecord } from '../runtime/send.js';
import type { OutputRecord } from './topics.js';

/** A faulty delivery of what is fed in. */
export interface DeliveryFaults {
  /** Share of records that are delivered twice: 0.05 is 5 %. */
  readonly duplicate?: number;
  /** Records may be displaced by up to this many places. */
  readonly shuffle?: number;
  readonly seed?: number;
}

export interface TestInput<K, V> {
  /**
   * Feeds one record in, runs the topology until all is done. Rejects with the error that ended the engine.
   */
  send(record: InputRecord<K, V>): Promise<void>;
  /** Feeds records in, with the faults asked for, and runs the topology over all of them together. */
  sendAll(records: readonly InputRecord<K, V>[], faults?: DeliveryFaults): Promise<void>;
}

export interface TestOutput<K, V> {
  /** What has been written to the topic since the last call, by partition and offset. */
  read(): Promise<readonly OutputRecord<K, V>[]>;
  /** The same, values only. */
  values(): Promise<readonly (V | null)[]>;
}
