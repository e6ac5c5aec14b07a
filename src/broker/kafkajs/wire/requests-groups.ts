import type { PartitionOffset, TopicPartition } from '../../port.js';
import { COORDINATOR_MOVED, throwUnlessNone } from './errors.js';
import type { Request } from './request.js';
import { byTopic, readByTopic, writeByTopic } from './requests-topics.js';
import { isDenied } from './rights.js';

/** Requests for groups and their offsets. */

export type CoordinatorType = 'group' | 'transaction';

export const findCoordinatorRequest = (key: string, type: CoordinatorType): Request<number> => ({
  apiKey: 10,
  apiVersion: 1,
  apiName: 'FindCoordinator',
  concerned: type === 'group' ? { group: key } : { transactionalId: key },
  write: (to) => to.string(key).int8(type === 'group' ? 0 : 1),
  read: (from) => {
    from.int32();
    throwUnlessNone(from.int16(), from.string());
    return from.int32();
  },
});

/**
 * For responses with an error code that the caller handles. A moved coordinator and a missing right are
 * thrown instead: the client handles them.
 */
function throwIfNotForCaller(error: number): number {
  if (COORDINATOR_MOVED.has(error) || isDenied(error)) throwUnlessNone(error);
  return error;
}

export interface JoinResult {
  readonly error: number;
  readonly generation: number;
  readonly leaderId: string;
  readonly memberId: string;
  /** Filled for the leader only. */
  readonly members: readonly { readonly memberId: string; readonly metadata: Buffer }[];
}

export const joinGroupRequest = (options: {
  readonly groupId: string;
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly sessionMs: number;
  readonly rebalanceMs: number;
  /** Among the protocols that all members support, the broker selects the most preferred one. */
  readonly protocols: readonly { readonly name: string; readonly metadata: Buffer }[];
}): Request<JoinResult> => ({
  apiKey: 11,
  apiVersion: 5,
  apiName: 'JoinGroup',
  concerned: { group: options.groupId },
  // The broker responds when all members have joined, at the latest when the rebalance times out.
  timeoutMs: options.rebalanceMs + 5_000,
  write: (to) =>
    to
      .string(options.groupId)
      .int32(options.sessionMs)
      .int32(options.rebalanceMs)
      .string(options.memberId)
      .string(options.instanceId)
      .string('consumer')
      .array(options.protocols, ({ name, metadata }) => to.string(name).bytes(metadata)),
  read: (from) => {
    from.int32();
    const [error, generation] = [throwIfNotForCaller(from.int16()), from.int32()];
    from.string();
    const [leaderId, memberId] = [from.text(), from.text()];
    const members = from.array(() => {
      const id = from.text();
      from.string();
      return { memberId: id, metadata: from.bytes() ?? Buffer.alloc(0) };
    });
    return { error, generation, leaderId, memberId, members };
  },
});

/** A member's identity in a group. */
export interface ListedMember {
  readonly groupId: string;
  readonly memberId: string;
  readonly generation: number;
}

/** A member that may have an instance id. */
export interface NamedMember extends ListedMember {
  readonly instanceId: string | null;
}

export const syncGroupRequest = (
  member: NamedMember,
  assignments: readonly (readonly [memberId: string, assignment: Buffer])[],
  timeoutMs: number,
): Request<Buffer> => ({
  apiKey: 14,
  apiVersion: 3,
  apiName: 'SyncGroup',
  concerned: { group: member.groupId },
  // The broker responds when the leader has sent the assignments.
  timeoutMs,
  write: (to) =>
    to
      .string(member.groupId)
      .int32(member.generation)
      .string(member.memberId)
      .string(member.instanceId)
      .array(assignments, ([memberId, assignment]) => to.string(memberId).bytes(assignment)),
  read: (from) => {
    from.int32();
    throwUnlessNone(from.int16());
    return from.bytes() ?? Buffer.alloc(0);
  },
});

export const heartbeatRequest = (member: NamedMember): Request<number> => ({
  apiKey: 12,
  apiVersion: 3,
  apiName: 'Heartbeat',
  concerned: { group: member.groupId },
  write: (to) => to.string(member.groupId).int32(member.generation).string(member.memberId).string(member.instanceId),
  read: (from) => {
    from.int32();
    return throwIfNotForCaller(from.int16());
  },
});

export const leaveGroupRequest = (groupId: string, memberId: string): Request<number> => ({
  apiKey: 13,
  apiVersion: 2,
  apiName: 'LeaveGroup',
  concerned: { group: groupId },
  write: (to) => to.string(groupId).string(memberId),
  read: (from) => {
    from.int32();
    return from.int16();
  },
});

export interface PartitionResult extends TopicPartition {
  readonly error: number;
}

/** Commits offsets for a member. For a group without members: memberId '' and generation -1. */
export const offsetCommitRequest = (
  member: ListedMember,
  offsets: readonly PartitionOffset[],
): Request<readonly PartitionResult[]> => ({
  apiKey: 8,
  apiVersion: 5,
  apiName: 'OffsetCommit',
  concerned: { group: member.groupId },
  write: (to) =>
    writeByTopic(
      to.string(member.groupId).int32(member.generation).string(member.memberId),
      offsets,
      ({ partition, offset, metadata }) =>
        to
          .int32(partition)
          .int64(offset)
          .string(metadata ?? ''),
    ),
  read: (from) => {
    from.int32();
    return readByTopic(from, (topic) => ({ topic, partition: from.int32(), error: from.int16() }));
  },
});

/**
 * Committed offsets (null: all of the group); partitions without one are left out. `stable`: fails with
 * unstableOffsetCommit while a transaction has pending offsets for these partitions. Version 7 is the first
 * with that option, and it is flexible. The tagged fields of the request and response headers are written and
 * read here, because kafkajs does not support them.
 */
export const offsetFetchRequest = (
  groupId: string,
  partitions: readonly TopicPartition[] | null,
  stable: boolean,
): Request<readonly PartitionOffset[]> => ({
  apiKey: 9,
  apiVersion: 7,
  apiName: 'OffsetFetch',
  concerned: { group: groupId },
  write: (to) =>
    to
      .noTags()
      .compactString(groupId)
      .compactArray(partitions && byTopic(partitions), ([topic, group]) =>
        to
          .compactString(topic)
          .compactArray(group, ({ partition }) => to.int32(partition))
          .noTags(),
      )
      .bool(stable)
      .noTags(),
  read: (from) => {
    from.skipTags();
    from.int32();
    const found: PartitionOffset[] = [];
    const errors: { readonly topic: string; readonly error: number }[] = [];
    from.compactArray(() => {
      const topic = from.compactText();
      from.compactArray(() => {
        const [partition, offset] = [from.int32(), from.int64()];
        from.int32();
        const metadata = from.compactText();
        errors.push({ topic, error: from.int16() });
        from.skipTags();
        if (offset >= 0) found.push({ topic, partition, offset, ...(metadata !== '' && { metadata }) });
      });
      from.skipTags();
    });
    throwUnlessNone(from.int16());
    for (const { topic, error } of errors) throwUnlessNone(error, null, topic);
    return found;
  },
});

export interface GroupDescription {
  readonly error: number;
  readonly members: readonly string[];
}

export const describeGroupRequest = (groupId: string): Request<GroupDescription> => ({
  apiKey: 15,
  apiVersion: 1,
  apiName: 'DescribeGroups',
  concerned: { group: groupId },
  write: (to) => to.array([groupId], (id) => to.string(id)),
  read: (from) => {
    from.int32();
    const [group] = from.array(() => {
      const error = from.int16();
      for (let i = 0; i < 4; i++) from.string();
      const members = from.array(() => {
        const memberId = from.text();
        from.string();
        from.string();
        from.bytes();
        from.bytes();
        return memberId;
      });
      return { error, members };
    });
    return group ?? { error: 0, members: [] };
  },
});

export const deleteGroupRequest = (groupId: string): Request<number> => ({
  apiKey: 42,
  apiVersion: 1,
  apiName: 'DeleteGroups',
  concerned: { group: groupId },
  write: (to) => to.array([groupId], (id) => to.string(id)),
  read: (from) => {
    from.int32();
    const [error] = from.array(() => {
      from.string();
      return from.int16();
    });
    return error ?? 0;
  },
});
