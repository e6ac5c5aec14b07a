import { StreamsError } from '../../model/errors.js';
import { instanceFenced } from '../instance-fenced.js';
import type { GroupMember, MembershipOptions } from '../port.js';
import type { Log } from './log.js';
import { LocalMember, type MemberGroup } from './member.js';

const NOTHING = Buffer.alloc(0);

/**
 * A group and its rebalances. A rebalance is one or more rounds, until nothing has changed while it ran:
 *
 * 1. every member that has an assignment is revoked it; all are awaited, and may commit
 * 2. the generation counts up: whoever acts for the old one is fenced from here on
 * 3. the first member (in the order of joining, which is that of the member ids) assigns
 * 4. if members or topics changed meanwhile: from 1 again, nobody has seen this generation
 * 5. every member gets its part; all are awaited
 *
 * A member whose callback throws is put out (`onLost`) and another round follows. A member that leaves or is
 * evicted frees the round that waits for it.
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

  join(options: MembershipOptions): LocalMember {
    const { instanceId } = options;
    const before = [...this.#members.values()].find((member) => member.options.instanceId === instanceId);
    if (before && instanceId !== undefined) this.#lose(before, instanceFenced(this.groupId, instanceId));
    const member = new LocalMember(this, `${this.groupId}-${this.#nextMember++}`, options);
    this.#members.set(member.memberId, member);
    this.rebalance();
    return member;
  }

  /** A member went by itself. */
  removed(member: LocalMember): void {
    if (this.#members.delete(member.memberId)) this.rebalance();
  }

  /** Puts a member out, as a broker does whose session ended. Nothing happens for an unknown member. */
  evict(memberId: string): void {
    const member = this.#members.get(memberId);
    if (member) this.#lose(member, member.fenced('a member whose session ended'));
  }

  /** Rebalances if a member reads one of these topics. */
  topicsChanged(topics: readonly string[]): void {
    if ([...this.#members.values()].some((member) => member.options.topics.some((topic) => topics.includes(topic))))
      this.rebalance();
  }

  /** Asks for a round; joins the rebalance that is under way. */
  rebalance(): void {
    this.#wanted = true;
    this.#running ??= this.#rounds();
  }

  /** Resolves when no rebalance is under way. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #rounds(): Promise<void> {
    while (this.#wanted) {
      this.#wanted = false;
      await this.#forEach((member) => member.revoke());
      this.generation++;
      const parts = await this.#assign();
      // A change during the assignment makes it stale before anybody has seen it.
      if (parts && !this.#wanted)
        await this.#forEach((member) => member.assign(this.generation, parts.get(member.memberId) ?? NOTHING));
    }
    this.#running = undefined;
  }

  async #assign(): Promise<ReadonlyMap<string, Buffer> | undefined> {
    const members: GroupMember[] = [];
    for (const member of [...this.#members.values()]) {
      try {
        members.push({ memberId: member.memberId, metadata: member.options.metadata() });
      } catch (error) {
        this.#lose(member, asError(error));
      }
    }
    const leader = members[0] && this.#members.get(members[0].memberId);
    if (!leader) return undefined;
    try {
      return (await Promise.race([leader.options.assign(members), leader.removed])) ?? undefined;
    } catch (error) {
      this.#lose(leader, asError(error));
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

/** Who acts: what a broker is told of a member, whatever object stands for it. */
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

  join(options: MembershipOptions): LocalMember {
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

  /** Throws GROUP_FENCED unless that member may commit now what it did in that generation. */
  checkMember({ groupId, memberId, generation }: MemberGeneration): void {
    const member = this.#groups.get(groupId)?.member(memberId);
    if (member) return member.check(generation);
    throw new StreamsError('GROUP_FENCED', {
      what: 'cannot act for the group',
      at: `group ${groupId}, member ${memberId}`,
      saw: 'a member that is out of the group',
      expected: 'a member of it',
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

  /** Forgets a group without members. */
  forget(groupId: string): void {
    if (this.members(groupId).length === 0) this.#groups.delete(groupId);
  }

  /** Waits until no rebalance is under way. */
  async settled(): Promise<void> {
    for (const group of this.#groups.values()) await group.settled();
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
