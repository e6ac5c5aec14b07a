import type { PartitionLog } from './partition-log.js';
import type { StoredTopic } from './storage.js';
import type { LogConfig } from './topic-config.js';

/** One partition as its writers see it. */
export interface WritablePartition {
  readonly topic: { readonly name: string; readonly settings: LogConfig };
  readonly partition: number;
  /** For messages: `payments[0]`. */
  readonly where: string;
}

/** A log as its writers see it: that of this process, or of another one that serves it. */
export interface WritableLog<P extends WritablePartition> {
  find(topic: string, partition: number): P | undefined;
  topic(name: string): { readonly stored: Pick<StoredTopic, 'partitions'> } | undefined;
}

/** A finished batch that is to be appended. */
export interface OutgoingBatch<P extends WritablePartition = PartitionLog> {
  readonly log: P;
  /** The record batch; its base offset is set when it is written. */
  readonly bytes: Buffer;
  /** Zero-based sequence, per partition, of its first record among the writer's; 0 without `onResult`. */
  readonly from: number;
  readonly count: number;
  readonly maxTimestamp: number;
}
