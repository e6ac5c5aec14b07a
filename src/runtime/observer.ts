import type { BrokerRecord, ProducerRecord } from '../broker/port.js';
import type { AnyRecord, PushScope, Receiver } from '../dsl/processor.js';

/**
 * Told what a task does with its records, step by step: for the tools that look into the past. `index` is the
 * place in the batch of the record that caused it. Live tasks have none, and pay nothing for it.
 *
 * Nothing of it may throw, or change what it is given.
 */
export interface RunObserver {
  /** A record of the log was decoded, and is pushed on from that source. */
  entered(node: string, record: AnyRecord, index: number): void;
  /** A record has come through plain operators to a processor, sink or repartition. */
  arrived(node: string, record: AnyRecord, index: number): void;
  /** It is that record's turn at the processor. */
  processing(node: string, record: AnyRecord, index: number): void;
  /** A processor passes a record on. */
  emitted(node: string, record: AnyRecord, index: number): void;
  /**
   * What arrived at a sink or repartition, or was made a dead letter, is encoded. In the order in which it is
   * sent.
   */
  produced(node: string, record: ProducerRecord, index: number): void;
}

/** What is needed of an entry: see batch-runner.ts. */
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
    error: (error, index) => receiver.error(error, index),
  };
}
