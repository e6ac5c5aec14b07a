import { StreamsError } from '../../../model/errors.js';
import type { PartitionOffset, TopicPartition } from '../../port.js';
import type { Client } from '../connection/client.js';
import {
  asStreamsError,
  CODE,
  codeOf,
  groupFenced,
  MEMBER_GONE,
  throwUnlessNone,
  unknownPartition,
} from '../wire/errors.js';
import {
  type ListedMember,
  offsetCommitRequest,
  offsetFetchRequest,
  type PartitionResult,
} from '../wire/requests-groups.js';

/** Kafka's own default, `offset.metadata.max.bytes`. */
const MAX_METADATA_BYTES = 4_096;

/** Checks the offsets before the commit: the broker would refuse only the bad ones and commit the others. */
export async function checkOffsets(client: Client, offsets: readonly PartitionOffset[]): Promise<void> {
  for (const { topic, partition, metadata } of offsets) {
    const bytes = metadata === undefined ? 0 : Buffer.byteLength(metadata);
    if (bytes > MAX_METADATA_BYTES) {
      throw new StreamsError('CONFIG_INVALID', {
        what: 'cannot commit an offset with its metadata',
        at: `${topic}[${partition}]`,
        saw: `${bytes} bytes`,
        expected: `at most ${MAX_METADATA_BYTES}`,
        action: 'Shorten it.',
      });
    }
  }
  await client.leaders(offsets);
}

/**
 * Throws for the first error in the results of an offset commit: GROUP_FENCED, TOPIC_UNKNOWN, or the
 * protocol's error.
 */
export function checkResults(groupId: string, results: readonly PartitionResult[]): void {
  for (const { topic, partition, error } of results) {
    if (MEMBER_GONE.has(error))
      throw groupFenced(
        groupId,
        'a member or generation that is no longer current',
        'Drop what is not committed and wait for the next assignment, or join again.',
      );
    if (error === CODE.unknownTopicOrPartition) throw unknownPartition(`${topic}[${partition}]`);
    throwUnlessNone(error, null, topic);
  }
}

/** Commits offsets for a member. Waits while the coordinator moves. */
export async function commitOffsets(
  client: Client,
  member: ListedMember,
  offsets: readonly PartitionOffset[],
): Promise<void> {
  await checkOffsets(client, offsets);
  if (offsets.length === 0) return;
  const request = offsetCommitRequest(member, offsets);
  try {
    await client.askCoordinator('group', member.groupId, {
      ...request,
      read: (from) => checkResults(member.groupId, request.read(from)),
    });
  } catch (error) {
    throw asStreamsError(error, 'cannot commit offsets', `group ${member.groupId}`);
  }
}

/** Committed offsets, once no transaction is pending on them. */
export async function committedOffsets(
  client: Client,
  groupId: string,
  partitions: readonly TopicPartition[],
): Promise<readonly PartitionOffset[]> {
  if (partitions.length === 0) return [];
  try {
    return await client.askCoordinator('group', groupId, offsetFetchRequest(groupId, partitions, true), {
      retry: (error) => codeOf(error) === CODE.unstableOffsetCommit,
    });
  } catch (error) {
    throw asStreamsError(error, 'cannot read offsets', `group ${groupId}`);
  }
}
