import { sleep } from '../../../model/ports.js';
import { called } from '../../called.js';
import type { GroupMember, Membership, MembershipOptions, PartitionOffset, TopicPartition } from '../../port.js';
import type { Client } from '../connection/client.js';
import type { Connections } from '../connection/connections.js';
import {
  asStreamsError,
  CODE,
  codeOf,
  groupFenced,
  MEMBER_GONE,
  ProtocolError,
  throwUnlessNone,
} from '../wire/errors.js';
import { decodeAssignment, decodeSubscription, encodeAssignment, protocolsOf } from '../wire/group-protocol.js';
import type { Request } from '../wire/request.js';
import {
  type JoinResult,
  joinGroupRequest,
  leaveGroupRequest,
  type NamedMember,
  syncGroupRequest,
} from '../wire/requests-groups.js';
import { checkGroup, checkInstance } from './group-errors.js';
import { commitOffsets, committedOffsets } from './group-offsets.js';
import { heartbeats } from './heartbeats.js';
import { topicsSeen } from './topics-seen.js';

/** Short, because a dead member holds up the next rebalance. */
const DEFAULT_SESSION_MS = 10_000;
/** How long the group waits for the onRevoked of all members. */
const REBALANCE_MS = 60_000;
/** How often the leader checks whether a topic was created, deleted or extended. */
const WATCH_TOPICS_MS = 5_000;

/**
 * One member of a group, on the broker's own requests: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.
 *
 * ```text
 *            assigned              heartbeat: rebalance
 *  joining ───────────► active ───────────────────────► joining (after onRevoked)
 *     │                    │
 *     └──────► gone ◄──────┘   leave, removed, an error of its callbacks
 * ```
 *
 * Heartbeats continue while callbacks run. A member that is removed while it has an assignment is lost for
 * good (`onLost`). One without an assignment joins again.
 */
export class KafkaMembership implements Membership {
  generation = -1;
  memberId = '';
  readonly #options: MembershipOptions;
  readonly #client: Client;
  /** The member's own connection: a join waits at the broker for all members. */
  readonly #connections: Connections;
  readonly #onGone: (member: KafkaMembership) => void;
  #state: 'joining' | 'active' | 'gone' = 'joining';
  /** Whether this member leads its generation; only the leader watches the topics. */
  #leads = false;
  #topicsSeen = '';
  /** Aborted when the member is gone. */
  readonly #over = new AbortController();
  #assigning: Promise<void> | undefined;
  #revoking: Promise<void> | undefined;
  #leaving: Promise<void> | undefined;
  #resolveJoined!: (member: KafkaMembership) => void;
  #rejectJoined!: (error: unknown) => void;
  /** Resolves after the first onAssigned. */
  readonly joined = new Promise<KafkaMembership>((resolve, reject) => {
    this.#resolveJoined = resolve;
    this.#rejectJoined = reject;
  });

  constructor(options: {
    readonly membership: MembershipOptions;
    readonly client: Client;
    readonly connections: Connections;
    readonly onGone: (member: KafkaMembership) => void;
  }) {
    this.#options = options.membership;
    this.#client = options.client;
    this.#connections = options.connections;
    this.#onGone = options.onGone;
    // A member that fails before `joined` is awaited must not end the process.
    this.joined.catch(() => undefined);
    const { signal } = this.#options;
    const giveUp = (): void => void this.leave().catch(() => undefined);
    signal?.addEventListener('abort', giveUp, { once: true });
    const inOrGone = (): void => signal?.removeEventListener('abort', giveUp);
    this.joined.then(inOrGone, inOrGone);
    if (signal?.aborted) giveUp();
    else void this.#run();
  }

  get groupId(): string {
    return this.#options.groupId;
  }

  get #named(): NamedMember {
    const { groupId, memberId, generation } = this;
    return { groupId, memberId, generation, instanceId: this.#options.instanceId ?? null };
  }

  get #sessionMs(): number {
    return this.#options.sessionMs ?? DEFAULT_SESSION_MS;
  }

  async commit(offsets: readonly PartitionOffset[]): Promise<void> {
    if (this.#state !== 'active') throw this.#fenced('a member without an assignment');
    const { groupId, memberId, generation } = this;
    await commitOffsets(this.#client, { groupId, memberId, generation }, offsets);
  }

  committed(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]> {
    return committedOffsets(this.#client, this.groupId, partitions);
  }

  /**
   * See {@link Membership.leave}. The member's own callbacks must not await it, because it waits for them.
   */
  leave(): Promise<void> {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  async #leave(): Promise<void> {
    if (this.#gone) return;
    await this.#assigning?.catch(() => undefined);
    try {
      await this.#revoke();
    } finally {
      await this.#end(this.#fenced('a member that leaves'));
    }
  }

  get #gone(): boolean {
    return this.#state === 'gone';
  }

  async #run(): Promise<void> {
    try {
      while (!this.#gone) {
        const assignment = await this.#join();
        if (assignment === undefined || this.#leaving || this.#gone) continue;
        await this.#live(assignment);
        // A leaving member waits for the end only.
        if (this.#leaving) return;
      }
    } catch (error) {
      await this.#lose(error);
    }
  }

  /** One attempt to get an assignment; undefined if the group rebalanced meanwhile. */
  async #join(): Promise<Buffer | undefined> {
    const { groupId, instanceId } = this.#named;
    const joined = await this.#askGroup(
      joinGroupRequest({
        groupId,
        memberId: this.memberId,
        instanceId,
        sessionMs: this.#sessionMs,
        rebalanceMs: REBALANCE_MS,
        protocols: protocolsOf(this.#options),
      }),
    );
    if (this.#gone) return undefined;
    if (joined.error === CODE.memberIdRequired) {
      this.memberId = joined.memberId;
      return undefined;
    }
    checkInstance(groupId, instanceId, joined.error);
    checkGroup(groupId, joined.error, this.#sessionMs);
    // The member has no assignment to lose: it joins again.
    if (MEMBER_GONE.has(joined.error)) {
      if (joined.error !== CODE.rebalanceInProgress) this.memberId = '';
      return undefined;
    }
    throwUnlessNone(joined.error);
    this.memberId = joined.memberId;
    this.generation = joined.generation;
    const leads = joined.leaderId === this.memberId;
    const beating = new AbortController();
    const beats = this.#heartbeats(beating.signal);
    // The member may be removed while the group synchronizes, long before the heartbeats are awaited.
    beats.catch(() => undefined);
    try {
      const parts = leads ? await this.#assign(joined) : [];
      const sync = syncGroupRequest(this.#named, parts, REBALANCE_MS + 5_000);
      return decodeAssignment(await this.#askGroup(sync));
    } catch (error) {
      checkInstance(groupId, instanceId, codeOf(error));
      if (!MEMBER_GONE.has(codeOf(error))) throw error;
      if (codeOf(error) !== CODE.rebalanceInProgress) this.memberId = '';
      return undefined;
    } finally {
      this.#leads = leads;
      beating.abort();
      // Without an assignment there is nothing to lose: the next join reports the error.
      await beats.catch(() => undefined);
    }
  }

  async #assign(joined: JoinResult): Promise<readonly (readonly [string, Buffer])[]> {
    const members: GroupMember[] = joined.members
      .map(({ memberId, metadata }) => ({ memberId, metadata: decodeSubscription(metadata) }))
      .sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
    this.#topicsSeen = await topicsSeen(this.#client, this.#options.topics);
    const parts = await this.#options.assign(members);
    return members.map(({ memberId }) => [memberId, encodeAssignment(parts.get(memberId) ?? Buffer.alloc(0))]);
  }

  /** Runs from the assignment until the group rebalances. */
  async #live(assignment: Buffer): Promise<void> {
    this.#state = 'active';
    const beating = new AbortController();
    const beats = this.#heartbeats(beating.signal);
    beats.catch(() => undefined);
    const watching = this.#leads ? this.#watchTopics(beating.signal) : undefined;
    watching?.catch(() => undefined);
    try {
      this.#assigning = called(() => this.#options.onAssigned(assignment));
      await this.#assigning;
      this.#assigning = undefined;
      this.#resolveJoined(this);
      await Promise.race([beats, ...(watching ? [watching] : [])]);
      // Heartbeats continue during the revocation, so that the session does not expire meanwhile.
      if (!this.#leaving) await this.#revoke();
    } finally {
      this.#assigning = undefined;
      beating.abort();
    }
  }

  #heartbeats(signal: AbortSignal): Promise<void> {
    const until = AbortSignal.any([signal, this.#over.signal]);
    const { onBusy } = this.#options;
    return heartbeats({ client: this.#client, member: this.#named, sessionMs: this.#sessionMs, onBusy, signal: until });
  }

  /**
   * Resolves when a topic of this member was created, deleted or extended. Only the leader can start a
   * rebalance by joining again.
   */
  async #watchTopics(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#client.clock, WATCH_TOPICS_MS, signal);
      if (signal.aborted) return;
      const seen = await topicsSeen(this.#client, this.#options.topics).catch(() => this.#topicsSeen);
      if (seen !== this.#topicsSeen) return;
    }
  }

  /** Calls onRevoked, unless the member has no assignment. Afterwards it cannot commit. */
  #revoke(): Promise<void> {
    if (this.#state !== 'active') return this.#revoking ?? Promise.resolve();
    this.#revoking ??= called(this.#options.onRevoked).finally(() => {
      this.#revoking = undefined;
      if (this.#state === 'active') this.#state = 'joining';
    });
    return this.#revoking;
  }

  async #lose(error: unknown): Promise<void> {
    if (this.#gone || this.#leaving) return;
    const lost =
      error instanceof ProtocolError ? asStreamsError(error, 'cannot stay in the group', this.groupId) : error;
    await this.#end(lost);
    this.#options.onLost(lost instanceof Error ? lost : new Error(String(lost)));
  }

  async #end(error: unknown): Promise<void> {
    if (this.#gone) return;
    this.#state = 'gone';
    this.#over.abort();
    this.#rejectJoined(error);
    // A failure here resolves by itself: the broker removes a member without heartbeats. A member with an
    // instance id keeps its place for the next process with that id.
    if (this.memberId !== '' && this.#options.instanceId === undefined)
      await this.#client
        .askCoordinator('group', this.groupId, leaveGroupRequest(this.groupId, this.memberId), {
          patienceMs: this.#sessionMs,
        })
        .catch(() => undefined);
    this.#onGone(this);
    await this.#connections.close();
  }

  #fenced(saw: string): Error {
    return groupFenced(this.groupId, saw, 'Drop what is not committed, and join again.');
  }

  /** Sends a request to the coordinator on this member's own connection. */
  #askGroup<R>(request: Request<R>): Promise<R> {
    return this.#client.askCoordinator('group', this.groupId, request, { connections: this.#connections, waits: true });
  }
}
