import { StreamsError } from '../../model/errors.js';
import type { Membership, MembershipOptions, PartitionOffset, TopicPartition } from '../port.js';
import type { Log } from './log.js';

/** What a member needs of its group. */
export interface MemberGroup {
  readonly generation: number;
  readonly log: Log;
  /** A member went by itself. */
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
  /**
   * Resolves when the member is gone: frees whoever waits for a callback of a member that will never answer.
   */
  readonly removed = new Promise<void>((resolve) => {
    this.#removed = resolve;
  });
  #joined!: (member: LocalMember) => void;
  #notJoined!: (error: Error) => void;
  /** What `join` waits for. */
  readonly joined = new Promise<LocalMember>((resolve, reject) => {
    this.#joined = resolve;
    this.#notJoined = reject;
  });

  constructor(
    readonly group: MemberGroup,
    readonly memberId: string,
    readonly options: MembershipOptions,
  ) {
    // A member that fails before anybody waits for `joined` must not end the process.
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

  /** Throws GROUP_FENCED unless the member may commit now what it did in that generation. */
  check(generation: number): void {
    if (this.#state === 'active' && generation === this.group.generation && generation === this.generation) return;
    throw this.fenced(this.gone ? 'a member that is out of the group' : `generation ${generation}, which is over`);
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
    // Again when it is written: the generation may be over by then.
    await log.queue.submit(log.offsetsChange(this.groupId, offsets, () => this.check(generation)));
  }

  async committed(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]> {
    const { log } = this.group;
    // A transaction whose commit is being written counts as pending: wait until it is in or out.
    await log.queue.barrier();
    return partitions.flatMap(({ topic, partition }) => log.offsets.get(this.groupId, topic, partition) ?? []);
  }

  /**
   * See {@link Membership.leave}. Not to be awaited inside the member's own callbacks, which it waits for.
   */
  leave(): Promise<void> {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  async #leave(): Promise<void> {
    if (this.gone) return;
    // The callback of an assignment under way comes first, so that the member is never revoked what it has
    // not yet got.
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
   * Tells the member that its assignment ends, unless it has none. Afterwards it cannot commit. Throws what
   * its callback throws.
   */
  revoke(): Promise<void> {
    if (this.#state !== 'active') return this.#revoking ?? Promise.resolve();
    this.#revoking ??= Promise.race([call(this.options.onRevoked), this.removed]).finally(() => {
      this.#revoking = undefined;
      if (this.#state === 'active') this.#state = 'waiting';
    });
    return this.#revoking;
  }

  /** Gives the member its part of a new generation. Throws what its callback throws. */
  async assign(generation: number, assignment: Buffer): Promise<void> {
    if (this.gone || this.#leaving) return;
    this.generation = generation;
    this.#state = 'active';
    this.#assigning = Promise.race([call(() => this.options.onAssigned(assignment)), this.removed]);
    try {
      await this.#assigning;
    } finally {
      this.#assigning = undefined;
    }
    if (!this.gone) this.#joined(this);
  }

  /** Puts the member out without asking: `onLost`. */
  lose(error: Error): void {
    if (this.gone) return;
    this.#end(error);
    // Outside the rebalance that calls this: what the callback throws is its owner's error and must not stop
    // the other members.
    queueMicrotask(() => this.options.onLost(error));
  }

  #end(error: Error): void {
    this.#state = 'gone';
    this.#notJoined(error);
    this.#removed();
  }
}

/** A callback that throws instead of rejecting is a rejection, too. */
async function call(callback: () => Promise<void>): Promise<void> {
  await callback();
}
