import type { Headers } from '../../model/headers.js';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface PartitionOffset extends TopicPartition {
  /** The next offset to read: one past the last record that is done. */
  readonly offset: number;
  /** A text kept with a committed offset, 4,096 bytes at most; left out if there is none. */
  readonly metadata?: string;
}

/** A map key for a partition. `:` cannot be part of a topic's name. */
export const partitionKey = (topic: string, partition: number): string => `${topic}:${partition}`;

/**
 * A record as it stands in the log. Key and value are views on the fetched bytes: copy what you keep. Null is
 * a tombstone (value) or no key.
 */
export interface BrokerRecord extends TopicPartition {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
}

/** A record to be written. The caller chooses the partition. */
export interface ProducerRecord extends TopicPartition {
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
  /**
   * Whatever tells its writer, should the broker refuse it, what it is: see {@link WriterOptions.onRefused}.
   */
  readonly origin?: unknown;
}
