import type { StoredBatch, StoredTopic } from './storage.js';

/** One partition as its readers see it. */
export interface ReadablePartition {
  /** As of the last completed write. */
  readonly state: { readonly earliest: number; readonly next: number };
  readonly topic: { readonly deleted: boolean };
  /** The newest batches in offset order, without gaps up to `state.next`. */
  readonly tail: readonly StoredBatch[];
  /** For messages: `payments[0]`. */
  readonly where: string;
  /**
   * The index in the tail of the batch that holds an offset; undefined if the offset is older than the tail.
   */
  tailIndex(offset: number): number | undefined;
  /**
   * Calls back after each append and when the topic is deleted; the returned function removes the listener.
   */
  listen(callback: () => void): () => void;
}

/** A log as its readers see it: that of this process, or of another one that serves it. */
export interface ReadableLog<P extends ReadablePartition> {
  find(topic: string, partition: number): P | undefined;
  topic(name: string): { readonly stored: Pick<StoredTopic, 'partitions'> } | undefined;
  readonly storage: {
    floor(partition: P, offset: number): Promise<number | undefined>;
    read(partition: P, from: number, limit: number): Promise<readonly StoredBatch[]>;
  };
  /**
   * Asks another process for a partition. Afterwards {@link find} returns it if it exists. Left out if `find`
   * knows every partition at once.
   */
  lookUp?(topic: string, partition: number): Promise<void>;
}
