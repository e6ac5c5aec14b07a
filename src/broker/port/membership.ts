import type { PartitionOffset, TopicPartition } from './records.js';

/**
 * A member of a group and the bytes that it sends to the group's leader. The bytes are opaque to the broker:
 * the runtime writes and reads them.
 */
export interface GroupMember {
  readonly memberId: string;
  readonly metadata: Buffer;
}

export interface MembershipOptions {
  readonly groupId: string;
  /**
   * The topics that this member can read. Their partition counts are watched; a change rebalances the group.
   */
  readonly topics: readonly string[];
  /**
   * Static membership (KIP-345). A process that rejoins under this name within the session timeout takes its
   * old place without a rebalance. A process that leaves keeps its place for as long. A second process with
   * the same name fences the first: INSTANCE_FENCED. Brokers within one process release the place at once,
   * because their members cannot outlive the process. Default: none.
   */
  readonly instanceId?: string;
  /**
   * When aborted, a join that still waits for the group is abandoned at once and rejects with GROUP_FENCED.
   * After the join it has no effect: see {@link Membership.leave}.
   */
  readonly signal?: AbortSignal;
  /**
   * The broker removes a member after this time without a heartbeat. Default 10 s. Brokers within one process
   * need none.
   */
  readonly sessionMs?: number;
  /** Sent to the leader at every rebalance; called once for each. */
  readonly metadata: () => Buffer;
  /**
   * The same metadata in the form that members of an older version can read. While a group has such members,
   * the leader receives this form from every member. Undefined: the group cannot be shared with older
   * members. Brokers within one process have no older members and never call it.
   */
  readonly olderMetadata?: () => Buffer | undefined;
  /**
   * Called on the leader only, with all members in a stable order: returns the assignment of each member. A
   * member that is left out gets an empty buffer. If it throws, the leader leaves the group with that error
   * (`onLost`).
   */
  readonly assign: (members: readonly GroupMember[]) => Promise<ReadonlyMap<string, Buffer>>;
  /** Called with this member's assignment in a new generation. */
  readonly onAssigned: (assignment: Buffer) => Promise<void>;
  /**
   * Called, and awaited, before the group moves to another generation; it may still commit offsets. The old
   * assignment ends when it resolves.
   */
  readonly onRevoked: () => Promise<void>;
  /** The member was removed from the group, or could not stay in it: no commit is possible any more. */
  readonly onLost: (error: Error) => void;
  /**
   * Called after this process was too busy to send a heartbeat for at least half a session, with the number
   * of milliseconds. Brokers within one process never call it.
   */
  readonly onBusy?: (ms: number) => void;
}

export interface Membership {
  readonly groupId: string;
  readonly memberId: string;
  readonly generation: number;
  /**
   * Commits offsets to the group, all or none. GROUP_FENCED if this member or its generation is no longer
   * current.
   */
  commit(offsets: readonly PartitionOffset[]): Promise<void>;
  /**
   * The committed offsets of the group for these partitions, stable (no transaction is pending on them).
   * Partitions without one are left out.
   */
  committed(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]>;
  /** Calls onRevoked, then leaves the group (see `instanceId`). Calling it again does nothing. */
  leave(): Promise<void>;
}
