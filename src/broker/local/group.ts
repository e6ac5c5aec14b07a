import { StreamsError } from '../../model/errors.js';
import { instanceFenced } from '../instance-fenced.js';
import type { GroupMember } from '../port.js';
import type { Log } from './log.js';
import { LocalMember, type LocalMemberOptions, type MemberGroup } from './member.js';

const NOTHING = Buffer.alloc(0);

/**
 * A group and its rebalances. A rebalance consists of one or more rounds, until nothing changes during a
 * round:
 *
 * 1. Every member with an assignment is revoked; all revocations are awaited, and members may commit.
 * 2. The generation is incremented: from here on, calls for the old generation are fenced.
 * 3. The first member (in the order of joining, which is the order of the member ids) computes the
 *    assignment.
 * 4. If members or topics changed meanwhile, the round restarts at 1; no member has seen this generation.
 * 5. Every member gets its part; all callbacks are awaited.
 *
 * A member with a callback that throws is removed (`onLost`), and another round follows. A round does not
 * wait for a member that leaves or is evicted.
 */
export class Group implements MemberGroup {
  generation = 0;
  readonly #members = new Map<string, LocalMember>();
  #nextMember = 1;
  #wanted = false;
  #running: Promise<void> | undefined;

  constructor(
    readonly groupId: string,
    readonly log: Log,
  ) {}

  get memberIds(): readonly string[] {
    return [...this.#members.keys()];
  }

  member(memberId: string): LocalMember | undefined {
    return this.#members.get(memberId);
  }

  join(options: LocalMemberOptions): LocalMember {
    const { instanceId } = options;
    const before = [...this.#members.values()].find((member) => member.options.instanceId === instanceId);
    if (before && instanceId !== undefined) this.#lose(before, instanceFenced(this.groupId, instanceId));
    const member = new LocalMember(this, `${this.groupId}-${this.#nextMember++}`, options);
    this.#members.set(member.memberId, member);
    this.rebalance();
    return member;
  }

  /** Called after a member has left by itself. */
  removed(member: LocalMember): void {
    if (this.#members.delete(member.memberId)) this.rebalance();
  }

  /** Removes a member, as a broker does when its session expires. Does nothing for an unknown member. */
  evict(memberId: string): void {
    const member = this.#members.get(memberId);
    if (member) this.#lose(member, member.fenced('a member whose session ended'));
  }

  /** Rebalances if a member reads one of these topics. */
  topicsChanged(topics: readonly string[]): void {
    if ([...this.#members.values()].some((member) => member.options.topics.some((topic) => topics.includes(topic))))
      this.rebalance();
  }

  /** Requests a round; joins a running rebalance. */
  rebalance(): void {
    this.#wanted = true;
    this.#running ??= this.#rounds();
  }

  /** Resolves when no rebalance is running. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #rounds(): Promise<void> {
    while (this.#wanted) {
      this.#wanted = false;
      await this.#forEach((member) => member.revoke());
      this.generation++;
      const parts = await this.#assign();
      // A change during the assignment makes it stale before any member has seen it.
      if (parts && !this.#wanted)
        await this.#forEach((member) => member.assign(this.generation, parts.get(member.memberId) ?? NOTHING));
    }
    this.#running = undefined;
  }

  async #assign(): Promise<ReadonlyMap<string, Buffer> | undefined> {
    const described = await Promise.all([...this.#members.values()].map((member) => this.#described(member)));
    const members = described.filter((member) => member !== undefined);
    const leader = members[0] && this.#members.get(members[0].memberId);
    if (!leader) return undefined;
    try {
      return (await Promise.race([leader.options.assign(members), leader.removed])) ?? undefined;
    } catch (error) {
      this.#lose(leader, asError(error));
      return undefined;
    }
  }

  async #described(member: LocalMember): Promise<GroupMember | undefined> {
    try {
      const metadata = await Promise.race([member.options.metadata(), member.removed]);
      return metadata ? { memberId: member.memberId, metadata } : undefined;
    } catch (error) {
      this.#lose(member, asError(error));
      return undefined;
    }
  }

  async #forEach(step: (member: LocalMember) => Promise<void>): Promise<void> {
    await Promise.all(
      [...this.#members.values()].map(async (member) => {
        try {
          await step(member);
        } catch (error) {
          this.#lose(member, asError(error));
        }
      }),
    );
  }

  #lose(member: LocalMember, error: Error): void {
    if (!this.#members.delete(member.memberId)) return;
    member.lose(error);
    this.rebalance();
  }
}

/** The identity of a member in requests, independent of the object that represents it. */
export interface MemberGeneration {
  readonly groupId: string;
  readonly memberId: string;
  readonly generation: number;
}

/** All groups of a broker. */
export class Groups {
  readonly #groups = new Map<string, Group>();

  constructor(readonly log: Log) {
    log.watchTopics((topics) => {
      for (const group of this.#groups.values()) group.topicsChanged(topics);
    });
  }

  join(options: LocalMemberOptions): LocalMember {
    let group = this.#groups.get(options.groupId);
    if (!group) {
      group = new Group(options.groupId, this.log);
      this.#groups.set(options.groupId, group);
    }
    return group.join(options);
  }

  members(groupId: string): readonly string[] {
    return this.#groups.get(groupId)?.memberIds ?? [];
  }

  evict(memberId: string): void {
    for (const group of this.#groups.values()) group.evict(memberId);
  }

  /** Throws GROUP_FENCED unless this member may now commit the work of that generation. */
  checkMember({ groupId, memberId, generation }: MemberGeneration): void {
    const member = this.#groups.get(groupId)?.member(memberId);
    if (member) return member.check(generation);
    throw new StreamsError('GROUP_FENCED', {
      what: 'cannot act for the group',
      at: `group ${groupId}, member ${memberId}`,
      saw: 'a member that is no longer in the group',
      expected: 'a current member',
      action: 'Drop what is not committed and join again.',
    });
  }

  /** GROUP_FENCED while the group has members. */
  checkEmpty(groupId: string, what: string): void {
    const members = this.members(groupId);
    if (members.length === 0) return;
    throw new StreamsError('GROUP_FENCED', {
      what,
      at: `group ${groupId}`,
      saw: `the members ${members.join(', ')}`,
      expected: 'none',
      action: 'Stop them first.',
    });
  }

  /** Deletes a group without members. */
  forget(groupId: string): void {
    if (this.members(groupId).length === 0) this.#groups.delete(groupId);
  }

  /** Resolves when no rebalance is running. */
  async settled(): Promise<void> {
    for (const group of this.#groups.values()) await group.settled();
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
