import type { BrokerRecord, ProducerRecord } from '../../broker/port.js';
import type { AnyRecord, PushScope, Receiver } from '../../dsl/contract/processor.js';

/**
 * Receives each step that a task does with its records: for the tools that inspect the past. `index` is the
 * index in the batch of the record that caused the step. Live tasks have no observer, and no cost for it.
 *
 * Its methods must not throw, and must not change their arguments.
 */
export interface RunObserver {
  /** A record of the log was decoded, and its source pushes it on. */
  entered(node: string, record: AnyRecord, index: number): void;
  /** A record has passed through plain operators to a processor, sink or repartition. */
  arrived(node: string, record: AnyRecord, index: number): void;
  /** The processor is about to process the record. */
  processing(node: string, record: AnyRecord, index: number): void;
  /** A processor emits a record. */
  emitted(node: string, record: AnyRecord, index: number): void;
  /** A record for a sink or repartition, or a dead letter, was encoded. Called in the order of sending. */
  produced(node: string, record: ProducerRecord, index: number): void;
}

/** The part of an entry that is needed here: see batch-runner.ts. */
interface Decoding {
  readonly node: string;
  deserialize(record: BrokerRecord): AnyRecord;
}

export function observedEntry<E extends Decoding>(entry: E, scope: PushScope, observer: RunObserver): E {
  const deserialize = (record: BrokerRecord): AnyRecord => {
    const decoded = entry.deserialize(record);
    observer.entered(entry.node, decoded, scope.index);
    return decoded;
  };
  return { ...entry, deserialize };
}

export function observedReceiver(node: string, receiver: Receiver, observer: RunObserver | undefined): Receiver {
  if (!observer) return receiver;
  return {
    next: (record, index) => {
      observer.arrived(node, record, index);
      receiver.next(record, index);
    },
    error: (error, index, own) => receiver.error(error, index, own),
  };
}
