import type { BrokerRecord, ProducerRecord } from '../../broker/port.js';
import type { AnyRecord } from '../../dsl/contract/processor.js';
import type { StoreRead } from './observed-store.js';
import type { SeenWrite, WrittenRow } from './row-writes.js';

/** The record of the slice that caused something, and its index in the slice. */
export interface SliceCause {
  /** Counted from the beginning of the slice. */
  readonly index: number;
  readonly source: BrokerRecord;
  /** The input record of the task: the same record, or one of a repartition topic that it caused. */
  readonly input: BrokerRecord;
  readonly task: string;
}

/** One step on the path of a record. */
export type ObservedStep =
  | { readonly kind: 'in' | 'arrive' | 'process' | 'emit'; readonly node: string; readonly record: AnyRecord }
  | ({ readonly kind: 'read' } & StoreRead)
  | { readonly kind: 'write'; readonly write: SeenWrite }
  | { readonly kind: 'sent'; readonly node: string; readonly record: ProducerRecord }
  | { readonly kind: 'effect'; readonly node: string; readonly idempotencyKey: string; readonly record: AnyRecord }
  | { readonly kind: 'count'; readonly node: string; readonly name: string; readonly by: number };

/** A written row, as stored: see shown-changes.ts for its public view. The receiver owns the values. */
export interface RowWrite extends WrittenRow {
  readonly store: string;
  readonly partition: number;
  readonly at: SliceCause;
}

/** What a tool observes in a rerun. Callbacks that are left out cost nothing. */
export interface RunWatcher {
  /** Each step of each record: in order within a task; consecutive tasks run window by window. */
  step?(step: ObservedStep, at: SliceCause): void;
  /**
   * Each write of a followed row, even if it changes nothing: called after the batch, in the order of the
   * writes.
   */
  wrote?(write: RowWrite): void;
  /** Selects the rows to follow; for these, the row before each write is kept. */
  follows?(store: string, key: unknown): boolean;
  /** Each value that is decoded, read from a store, or written to one. */
  pass?(value: unknown): void;
}

/** A call to the outside world that was skipped. */
export interface Silenced {
  readonly node: string;
  readonly idempotencyKey: string;
  readonly record: AnyRecord;
  readonly at: SliceCause;
}

/** An output of the topology: to a sink, or as a dead letter. */
export interface Captured {
  readonly node: string;
  readonly record: ProducerRecord;
  readonly at: SliceCause;
}
