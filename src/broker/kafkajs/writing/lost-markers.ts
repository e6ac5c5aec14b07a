import { partitionKey, type TopicPartition } from '../../port.js';
import type { Client } from '../connection/client.js';
import { asStreamsError, CODE, codeOf, isConnectionError, LEADER_MOVED, throwUnlessNone } from '../wire/errors.js';
import { offsetFetchRequest } from '../wire/requests-groups.js';
import { describeProducersRequest } from '../wire/requests-producers.js';

/**
 * A coordinator ends a transaction with a marker in each partition that the transaction touched. After a
 * cluster was killed and restarted, a coordinator may still be loading its log. It then drops the markers of
 * partitions that have no leader at that moment. It still reports the transaction as complete ("likely
 * deleted already and hence can be skipped": Kafka 4.3.1). Readers of committed records cannot pass such a
 * partition, and its group's offsets stay pending. Both last until the same producer ends another transaction
 * that touches them.
 */
export interface Touched {
  readonly partitions: readonly TopicPartition[];
  /** Source partitions with offsets that the transaction commits, by group. */
  readonly offsets: ReadonlyMap<string, readonly TopicPartition[]>;
}

/**
 * Which of these are still in a transaction of this producer, although all its transactions have ended.
 * Topics that this principal may not read are left out.
 */
export async function stillOpen(client: Client, producerId: number, touched: Touched): Promise<Touched> {
  const partitions = await openPartitions(client, producerId, touched.partitions);
  const offsets = new Map<string, readonly TopicPartition[]>();
  for (const [group, sources] of touched.offsets)
    if (await arePending(client, group, sources)) offsets.set(group, sources);
  return { partitions, offsets };
}

export const isNothing = ({ partitions, offsets }: Touched): boolean => partitions.length === 0 && offsets.size === 0;

async function openPartitions(
  client: Client,
  producerId: number,
  partitions: readonly TopicPartition[],
): Promise<readonly TopicPartition[]> {
  if (partitions.length === 0) return [];
  const [what, at] = ['cannot see open transactions', 'the cluster'];
  const retry = (error: unknown): boolean => {
    const again = LEADER_MOVED.has(codeOf(error)) || isConnectionError(error);
    if (again) client.forgetTopics(partitions.map(({ topic }) => topic));
    return again;
  };
  const open = new Map<string, TopicPartition>();
  await client
    .retrying({ what, at, retry }, async () => {
      const { leaders } = await client.route(partitions);
      for (const [node, led] of leaders) {
        for (const found of await client.connections.ask(node, describeProducersRequest(led))) {
          const { topic, partition, error } = found;
          if (LEADER_MOVED.has(error)) throwUnlessNone(error);
          if (found.open.includes(producerId)) open.set(partitionKey(topic, partition), { topic, partition });
        }
      }
    })
    .catch((error: unknown) => {
      throw asStreamsError(error, what, at);
    });
  return [...open.values()];
}

async function arePending(client: Client, group: string, sources: readonly TopicPartition[]): Promise<boolean> {
  try {
    await client.askCoordinator('group', group, offsetFetchRequest(group, sources, true));
    return false;
  } catch (error) {
    if (codeOf(error) === CODE.unstableOffsetCommit) return true;
    throw asStreamsError(error, 'cannot read offsets', `group ${group}`);
  }
}
