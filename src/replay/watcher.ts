import type { BrokerRecord, ProducerRecord } from '../broker/port.js';
import type { AnyRecord } from '../dsl/processor.js';
import type { StoreRead } from './observed-store.js';
import type { SeenWrite, WrittenRow } from './row-writes.js';

/** The record of the slice that is at the root of something, and its place in the slice. */
export interface SliceCause {
  /** Counted from the beginning of the slice. */
  readonly index: number;
  readonly source: BrokerRecord;
  /** What the task reads: the same record, or one of a repartition topic that it caused. */
  readonly input: BrokerRecord;
  readonly task: string;
}

/** One thing that happened on a record's way. */
export type ObservedStep =
  | { readonly kind: 'in' | 'arrive' | 'process' | 'emit'; readonly node: string; readonly record: AnyRecord }
  | ({ readonly kind: 'read' } & StoreRead)
  | { readonly kind: 'write'; readonly write: SeenWrite }
  | { readonly kind: 'sent'; readonly node: string; readonly record: ProducerRecord }
  | { readonly kind: 'effect'; readonly node: string; readonly idempotencyKey: string; readonly record: AnyRecord }
  | { readonly kind: 'count'; readonly node: string; readonly name: string; readonly by: number };

/**
 * A row that was written, as it lies in its store: see shown-changes.ts for what people see of it. The values
 * are nobody else's.
 */
export interface RowWrite extends WrittenRow {
  readonly store: string;
  readonly partition: number;
  readonly at: SliceCause;
}

/** What a tool wants to see of a rerun. Everything left out costs nothing. */
export interface RunWatcher {
  /**
   * Each step of each record. Within a task in order; tasks that follow each other are run window by window.
   */
  step?(step: ObservedStep, at: SliceCause): void;
  /**
   * Each write of a row that is followed, also one that changes nothing: after the batch, in the order of the
   * writes.
   */
  wrote?(write: RowWrite): void;
  /** Which rows: those for which it returns true. Of them it is kept what they were before. */
  follows?(store: string, key: unknown): boolean;
  /** Each value that is decoded, read from a store or written to one. */
  pass?(value: unknown): void;
}

/** A call to the outside world that was left out. */
export interface Silenced {
  readonly node: string;
  readonly idempotencyKey: string;
  readonly record: AnyRecord;
  readonly at: SliceCause;
}

/** What left the topology: to a sink, or as a dead letter. */
export interface Captured {
  readonly node: string;
  readonly record: ProducerRecord;
  readonly at: SliceCause;
}
