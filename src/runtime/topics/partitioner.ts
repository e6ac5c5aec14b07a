import type { ProducerRecord } from '../../broker/port.js';

/** Kafka's default partitioner for records with a key: murmur2 of the key, as in the Java client. */
export function partitionOf(key: Buffer, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

/** MurmurHash2, 32 bits, with the seed of Kafka's `Utils.murmur2`. */
export function murmur2(data: Buffer): number {
  const M = 0x5bd1e995;
  const length = data.length;
  let hash = 0x9747b28c ^ length;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    let k =
      (data[i] as number) |
      ((data[i + 1] as number) << 8) |
      ((data[i + 2] as number) << 16) |
      ((data[i + 3] as number) << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    hash = Math.imul(hash, M) ^ Math.imul(k, M);
  }
  const rest = length & 3;
  if (rest === 3) hash ^= (data[whole + 2] as number) << 16;
  if (rest >= 2) hash ^= (data[whole + 1] as number) << 8;
  if (rest >= 1) hash = Math.imul(hash ^ (data[whole] as number), M);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, M);
  return hash ^ (hash >>> 15);
}

/**
 * Adds the partition of a dead letter: chosen by its key. Without a key, the partition of the task that gave
 * up on it, if the topic has it.
 */
export async function withPartition(
  letter: Omit<ProducerRecord, 'partition'>,
  topics: { partitionsOf(topic: string): number | Promise<number> },
  partition: number,
): Promise<ProducerRecord> {
  const partitions = await topics.partitionsOf(letter.topic);
  return {
    ...letter,
    partition: letter.key === null ? partition % partitions : partitionOf(letter.key, partitions),
  };
}
