import { type Broker, type PartitionOffset, partitionKey } from '../../broker/port.js';

/**
 * The first record between positions and ends, as `topic[partition]@offset`. It reads the records, because
 * offsets alone do not show them: the marker of a transaction has an offset, too.
 */
export async function firstBetween(
  broker: Broker,
  positions: readonly PartitionOffset[],
  ends: readonly PartitionOffset[],
): Promise<string | undefined> {
  const endOf = new Map(ends.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
  const end = ({ topic, partition }: { readonly topic: string; readonly partition: number }): number =>
    endOf.get(partitionKey(topic, partition)) ?? 0;
  const open = positions.filter((at) => at.offset < end(at));
  const reader = await broker.createReader();
  try {
    for (const position of open) reader.seek(position);
    for (let left = open.length; left > 0; ) {
      for (const { topic, partition, records, nextOffset } of await reader.poll({ maxRecords: 1, maxWaitMs: 500 })) {
        const [record] = records;
        if (record && record.offset < end(record)) return `${topic}[${partition}]@${record.offset}`;
        if (nextOffset < end({ topic, partition }) && !record) continue;
        reader.remove([{ topic, partition }]);
        left--;
      }
    }
    return undefined;
  } finally {
    await reader.close();
  }
}
