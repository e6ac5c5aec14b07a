import type { Broker, PartitionOffset } from '../../broker/port.js';
import { changelogTopic } from '../../graph/naming.js';
import { causeOf } from '../changelog/change-log.js';
import { Overtaken } from '../changelog/overtaken.js';

export interface RowsOf {
  readonly prefix: string;
  readonly partition: number;
  /** Names of the stores. */
  readonly stores: readonly string[];
  /** What the group has committed of the task's sources. */
  readonly committed: readonly PartitionOffset[];
  readonly signal: AbortSignal;
}

/**
 * How far the rows in a task's changelogs go: for each topic that they were made from, the offset after the
 * last record. It reads the whole changelogs, so it is for errors only.
 */
export async function behindRows(
  broker: Pick<Broker, 'admin' | 'createReader'>,
  { prefix, partition, stores, committed, signal }: RowsOf,
): Promise<ReadonlyMap<string, number>> {
  const behind = new Map<string, number>();
  const names = new Map(stores.map((store) => [changelogTopic(prefix, store), store]));
  const partitions = [...names.keys()].map((topic) => ({ topic, partition }));
  const [firsts, latest] = await Promise.all([
    broker.admin.earliestOffsets(partitions),
    broker.admin.latestOffsets(partitions),
  ]);
  const ends = new Map(latest.map(({ topic, offset }) => [topic, offset]));
  const open = firsts.filter(({ topic, offset }) => offset < (ends.get(topic) ?? 0));
  const overtaken = new Overtaken(committed);
  const reader = await broker.createReader({ isolation: 'read_committed' });
  try {
    for (const at of open) reader.seek(at);
    for (let left = open.length; left > 0 && !signal.aborted; ) {
      for (const { topic, records, nextOffset } of await reader.poll({ maxRecords: 2_000, maxWaitMs: 500 })) {
        for (const { headers } of records) {
          const cause = causeOf(headers);
          if (cause === undefined || cause.topic === '' || overtaken.has(names.get(topic) as string, cause)) continue;
          behind.set(cause.topic, Math.max(cause.offset + 1, behind.get(cause.topic) ?? 0));
        }
        if (nextOffset < (ends.get(topic) ?? 0)) continue;
        reader.remove([{ topic, partition }]);
        left--;
      }
    }
  } finally {
    await reader.close();
  }
  return behind;
}
