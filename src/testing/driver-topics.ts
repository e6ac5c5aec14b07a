import type { Graph } from '../graph/graph.js';
import { type Duration, durationMs } from '../model/duration.js';
import { StreamsError } from '../model/errors.js';
import type { InputRecord } from '../runtime/send.js';
import type { ManualClock } from './manual-clock.js';
import type { OutputRecord } from './topics.js';

/** Faults in the delivery of input records. */
export interface DeliveryFaults {
  /** Share of records that are delivered twice: 0.05 is 5 %. */
  readonly duplicate?: number;
  /** Records may be displaced by up to this number of places. */
  readonly shuffle?: number;
  readonly seed?: number;
}

/** The times of records without a timestamp of their own. */
export interface TestInputOptions {
  /** The time of the first, in milliseconds since the epoch. Default: the driver's clock. */
  readonly startMs?: number;
  /** How much later each next one is. Default: 0 with `startMs`, else the clock decides. */
  readonly advance?: Duration;
}

export interface TestInput<K, V> {
  /**
   * Writes one record to the topic and runs the topology until nothing is left to do. Rejects with the error
   * that ended the engine.
   */
  send(record: InputRecord<K, V>): Promise<void>;
  /** Writes records to the topic, with the given faults, and runs the topology over all of them together. */
  sendAll(records: readonly InputRecord<K, V>[], faults?: DeliveryFaults): Promise<void>;
}

/** What a topic has got. Records that were read are not read again, by no output of the topic. */
export interface TestOutput<K, V> {
  /** Records written to the topic since the last call, by partition and offset. */
  read(): Promise<readonly OutputRecord<K, V>[]>;
  /** The same, only the values. */
  values(): Promise<readonly (V | null)[]>;
  /** The next record; null if there is none. */
  readRecord(): Promise<OutputRecord<K, V> | null>;
  /** The last value of each key since the last call, in the order in which the keys appeared. */
  toMap(): Promise<Map<K | null, V | null>>;
  /** Whether everything was read. */
  isEmpty(): Promise<boolean>;
}

/** The times of records without a timestamp, one after the other. */
export function timesOf({ startMs, advance }: TestInputOptions, clock: ManualClock): () => number {
  if (startMs === undefined && advance === undefined) return () => clock.now();
  const step = advance === undefined ? 0 : durationMs(advance, 'advance');
  let next = startMs ?? clock.now();
  return () => {
    const time = next;
    next += step;
    return time;
  };
}

/** TOPIC_UNKNOWN, with the topics that there are. */
export const unknownTopic = (topic: string, all: readonly string[]): StreamsError =>
  new StreamsError('TOPIC_UNKNOWN', {
    what: 'there is no such topic',
    saw: topic,
    expected: [...all].sort().join(', '),
    action: 'Use a topic that the topology reads or writes.',
  });

/** The topics that a topology reads or writes, without internal ones. */
export const topicsOf = ({ nodes }: Graph): ReadonlySet<string> =>
  new Set(
    nodes.flatMap((node) =>
      (node.kind === 'source' || node.kind === 'sink' || node.kind === 'globalTable') && node.topic !== null
        ? [node.topic]
        : [],
    ),
  );
