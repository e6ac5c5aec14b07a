import { StreamsError } from '../../model/errors.js';
import { called } from '../called.js';
import type { Membership, MembershipOptions, PartitionOffset, TopicPartition } from '../port.js';
import type { Log } from './log.js';

/** The options of a member, which may be in another process: its metadata then takes a call. */
export interface LocalMemberOptions extends Omit<MembershipOptions, 'metadata' | 'onAssigned'> {
  readonly metadata: () => Buffer | Promise<Buffer>;
  readonly onAssigned: (assignment: Buffer, generation: number) => Promise<void>;
}

/** What a member needs from its group. */
export interface MemberGroup {
  readonly generation: number;
  readonly log: Log;
  /** Called after a member has left by itself. */
  removed(member: LocalMember): void;
}

/**
 * One member of a group.
 *
 * ```text
 *             assigned            revoke
 *  joining ────────────► active ────────► waiting ──┐
 *     │                    ▲                 │      │ leave, evict, an error of its callbacks
 *     └─► gone             └──── assigned ───┘      └─► gone
 * ```
 *
 * Only an `active` member of the current generation commits. `gone` is final.
 */
export class LocalMember implements Membership {
  generation = 0;
  #state: 'joining' | 'active' | 'waiting' | 'gone' = 'joining';
  #assigning: Promise<void> | undefined;
  #revoking: Promise<void> | undefined;
  #leaving: Promise<void> | undefined;
  #removed!: () => void;
  /** Resolves when the member is gone. This ends every wait for a callback that never returns. */
  readonly removed = new Promise<void>((resolve) => {
    this.#removed = resolve;
  });
  #joined!: (member: LocalMember) => void;
  #notJoined!: (error: Error) => void;
  /** The promise that `join` returns. */
  readonly joined = new Promise<LocalMember>((resolve, reject) => {
    this.#joined = resolve;
    this.#notJoined = reject;
  });

  constructor(
    readonly group: MemberGroup,
    readonly memberId: string,
    readonly options: LocalMemberOptions,
  ) {
    // A member that fails before `joined` is awaited must not end the process.
    this.joined.catch(() => undefined);
    const { signal } = options;
    const giveUp = (): void => void this.leave().catch(() => undefined);
    signal?.addEventListener('abort', giveUp, { once: true });
    const inOrGone = (): void => signal?.removeEventListener('abort', giveUp);
    this.joined.then(inOrGone, inOrGone);
    if (signal?.aborted) queueMicrotask(giveUp);
  }

  get groupId(): string {
    return this.options.groupId;
  }

  get gone(): boolean {
    return this.#state === 'gone';
  }

  /** Throws GROUP_FENCED unless the member may now commit the work of that generation. */
  check(generation: number): void {
    if (this.#state === 'active' && generation === this.group.generation && generation === this.generation) return;
    throw this.fenced(this.gone ? 'a member that is no longer in the group' : `the old generation ${generation}`);
  }

  fenced(saw: string): StreamsError {
    return new StreamsError('GROUP_FENCED', {
      what: 'cannot act for the group',
      at: `group ${this.groupId}, member ${this.memberId}`,
      saw,
      expected: `a member with an assignment of generation ${this.group.generation}`,
      action: 'Drop what is not committed and wait for the next assignment, or join again.',
    });
  }

  async commit(offsets: readonly PartitionOffset[]): Promise<void> {
    const { log } = this.group;
    const { generation } = this;
    this.check(generation);
    // Checked again at the write: the generation may have ended by then.
    await log.queue.submit(log.offsetsChange(this.groupId, offsets, () => this.check(generation)));
  }

  async committed(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]> {
    const { log } = this.group;
    // A transaction with a running commit counts as pending: wait until it is committed or has failed.
    await log.queue.barrier();
    return partitions.flatMap(({ topic, partition }) => log.offsets.get(this.groupId, topic, partition) ?? []);
  }

  /**
   * See {@link Membership.leave}. The member's own callbacks must not await it, because it waits for them.
   */
  leave(): Promise<void> {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  async #leave(): Promise<void> {
    if (this.gone) return;
    // Waits for a running onAssigned first, so that an assignment is never revoked before the member has it.
    await Promise.race([this.#assigning?.catch(() => undefined), this.removed]);
    try {
      await this.revoke();
    } finally {
      this.#end(
        new StreamsError('GROUP_FENCED', {
          what: 'cannot join',
          at: `group ${this.groupId}`,
          saw: 'the member leaving',
          expected: 'a member that stays',
          action: 'Join again.',
        }),
      );
      this.group.removed(this);
    }
  }

  /**
   * Calls onRevoked, unless the member has no assignment. Afterwards it cannot commit. Throws what the
   * callback throws.
   */
  revoke(): Promise<void> {
    if (this.#state !== 'active') return this.#revoking ?? Promise.resolve();
    this.#revoking ??= Promise.race([called(this.options.onRevoked), this.removed]).finally(() => {
      this.#revoking = undefined;
      if (this.#state === 'active') this.#state = 'waiting';
    });
    return this.#revoking;
  }

  /** Calls onAssigned with the member's part of a new generation. Throws what the callback throws. */
  async assign(generation: number, assignment: Buffer): Promise<void> {
    if (this.gone || this.#leaving) return;
    this.generation = generation;
    this.#state = 'active';
    this.#assigning = Promise.race([called(() => this.options.onAssigned(assignment, generation)), this.removed]);
    try {
      await this.#assigning;
    } finally {
      this.#assigning = undefined;
    }
    if (!this.gone) this.#joined(this);
  }

  /** Removes the member without a revocation: `onLost`. */
  lose(error: Error): void {
    if (this.gone) return;
    this.#end(error);
    // Runs outside the rebalance that calls this: an error of the callback belongs to its owner and must not
    // stop the other members.
    queueMicrotask(() => this.options.onLost(error));
  }

  #end(error: Error): void {
    this.#state = 'gone';
    this.#notJoined(error);
    this.#removed();
  }
}
