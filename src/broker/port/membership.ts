import type { PartitionOffset, TopicPartition } from './records.js';

/**
 * What the members of a group tell the leader of it, and what the leader decides for each. Opaque bytes: the
 * runtime writes and reads them.
 */
export interface GroupMember {
  readonly memberId: string;
  readonly metadata: Buffer;
}

export interface MembershipOptions {
  readonly groupId: string;
  /**
   * The topics this member can read; their partition counts are watched, and a change of them rebalances the
   * group.
   */
  readonly topics: readonly string[];
  /**
   * Static membership (KIP-345): a process that joins again under this name within the session takes its old
   * place, without a rebalance, and one that leaves keeps it for so long. Another process with the same name
   * puts this one out: INSTANCE_FENCED. Brokers within one process, whose members cannot outlive it, give the
   * place free at once. Default: none.
   */
  readonly instanceId?: string;
  /**
   * Aborted: a join that still waits for the group is given up at once, and rejects with GROUP_FENCED.
   * Afterwards it changes nothing: see {@link Membership.leave}.
   */
  readonly signal?: AbortSignal;
  /**
   * After so long without a sign of life the broker puts a member out. Default 10 s. Brokers within one
   * process need none.
   */
  readonly sessionMs?: number;
  /** Sent to the leader whenever the group rebalances. Called anew each time. */
  readonly metadata: () => Buffer;
  /**
   * The same for members of an older version, who cannot read it: while a group has such, the leader is given
   * this of all. Undefined: the group cannot be shared with them. Brokers within one process, where none are,
   * never ask.
   */
  readonly olderMetadata?: () => Buffer | undefined;
  /**
   * Called on the leader only, with all members in a stable order: what each of them gets. A member that is
   * left out gets an empty buffer. If it throws, the member that leads leaves the group with that error
   * (`onLost`).
   */
  readonly assign: (members: readonly GroupMember[]) => Promise<ReadonlyMap<string, Buffer>>;
  /** This member's assignment of a new generation. */
  readonly onAssigned: (assignment: Buffer) => Promise<void>;
  /**
   * Before the group moves on to another generation: awaited, and may still commit offsets. The old
   * assignment is over when it resolves.
   */
  readonly onRevoked: () => Promise<void>;
  /** The member was put out of the group (or could not stay): nothing can be committed any more. */
  readonly onLost: (error: Error) => void;
  /**
   * This process was busy for at least half a session, so long that it could not give a sign of life: told
   * afterwards, with the milliseconds. Brokers within one process need none.
   */
  readonly onBusy?: (ms: number) => void;
}

export interface Membership {
  readonly groupId: string;
  readonly memberId: string;
  readonly generation: number;
  /** Commits offsets to the group, all or none. GROUP_FENCED if this member or its generation is over. */
  commit(offsets: readonly PartitionOffset[]): Promise<void>;
  /**
   * Committed offsets of the group for these partitions, stable (no transaction pending on them): those
   * without one are left out.
   */
  committed(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]>;
  /** onRevoked, then out of the group (see `instanceId`). Calling it again does nothing. */
  leave(): Promise<void>;
}
