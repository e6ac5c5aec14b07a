import type { TopicPartition } from '../broker/port.js';

/** By code units: the same everywhere, whatever the language of the machine. */
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * The order of partitions whose next records are of the same time: by name of the topic, then by number. A
 * running application and a replay both take records by it, so both see the same order.
 */
export const byPartition = (a: TopicPartition, b: TopicPartition): number =>
  compareText(a.topic, b.topic) || a.partition - b.partition;
