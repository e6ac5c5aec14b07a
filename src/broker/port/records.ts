/// <reference types="node" preserve="true" />

import type { Headers } from '../../model/headers.js';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface PartitionOffset extends TopicPartition {
  /** The next offset to read: one past the last record that is done. */
  readonly offset: number;
  /** A text that is stored with a committed offset, at most 4,096 bytes; left out if there is none. */
  readonly metadata?: string;
}

/** A map key for a partition. A topic's name cannot contain `:`. */
export const partitionKey = (topic: string, partition: number): string => `${topic}:${partition}`;

/**
 * A record as it is in the log. Key and value are views of the fetched bytes: copy what you keep. A null
 * value is a tombstone; a null key means that there is no key.
 */
export interface BrokerRecord extends TopicPartition {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
}

/** A record to write. The caller chooses the partition. */
export interface ProducerRecord extends TopicPartition {
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
  /** Identifies the record for its writer if the broker refuses it: see {@link WriterOptions.onRefused}. */
  readonly origin?: unknown;
}
