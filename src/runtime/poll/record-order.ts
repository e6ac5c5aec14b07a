import type { TopicPartition } from '../../broker/port.js';

/** By code units: the same everywhere, whatever the locale of the machine. */
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * The order of partitions if their next records have the same time: by the name of the topic, then by number.
 * A running application and a replay both use it, so both see the same order.
 */
export const byPartition = (a: TopicPartition, b: TopicPartition): number =>
  compareText(a.topic, b.topic) || a.partition - b.partition;
