import { StreamsError } from '../../../model/errors.js';
import type { PartitionOffset } from '../../port.js';
import type { Client } from '../connection/client.js';
import { CODE, codeOf, isConnectionError, LEADER_MOVED } from '../wire/errors.js';
import { deleteRecordsRequest } from '../wire/requests-topics.js';
import { topicError } from '../wire/rights.js';

/**
 * See {@link Admin.deleteRecords}. Retried while leaders move: deleting twice is harmless. Brokers free disk
 * space by whole segments.
 */
export async function deleteRecords(client: Client, before: readonly PartitionOffset[]): Promise<void> {
  if (before.length === 0) return;
  const retry = (error: unknown): boolean => {
    const again = LEADER_MOVED.has(codeOf(error)) || isConnectionError(error);
    if (again) client.forgetTopics(before.map(({ topic }) => topic));
    return again;
  };
  await client.retrying({ what: 'cannot delete records', at: 'the cluster', retry }, async () => {
    const leaders = await client.leaders(before);
    await Promise.all(
      [...leaders].map(async ([node, group]) => {
        for (const { topic, partition, error } of await client.connections.ask(node, deleteRecordsRequest(group))) {
          if (error === CODE.offsetOutOfRange) throw beyondEnd(topic, partition, before);
          if (error !== CODE.none) throw topicError('DeleteRecords', error, topic);
        }
      }),
    );
  });
}

function beyondEnd(topic: string, partition: number, before: readonly PartitionOffset[]): StreamsError {
  const asked = before.find((position) => position.topic === topic && position.partition === partition);
  return new StreamsError('OFFSET_OUT_OF_RANGE', {
    what: 'cannot delete records',
    at: `${topic}[${partition}]`,
    saw: `those before offset ${asked?.offset}`,
    expected: 'an offset up to the end of the log',
    action: 'Use an offset that exists.',
  });
}
