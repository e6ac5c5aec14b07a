import type { Peer } from '../../net/peer.js';
import type { LocalConnection } from '../local/broker.js';
import type { GroupMember, Membership } from '../port.js';
import { sentProblem } from './errors.js';
import type { Answers, ClientCalls, JoinCall, MemberCall } from './protocol.js';

type MemberCalls = Pick<ClientCalls, Extract<keyof ClientCalls, `member.${string}`>>;

interface Served {
  readonly sessionMs: number;
  readonly leaving: AbortController;
  readonly joined: Promise<Membership>;
}

/** The members of one client. Their callbacks are calls to it, which the group awaits. */
export class ServedMembers {
  readonly #connection: LocalConnection;
  readonly #peer: Pick<Peer, 'call' | 'tell'>;
  readonly #members = new Map<number, Served>();

  readonly answers: Answers<MemberCalls> = {
    'member.join': (call) => this.#join(call),
    'member.commit': async ({ member, offsets }) => (await this.#find(member)).commit(offsets),
    'member.committed': async ({ member, partitions }) => ({
      value: await (await this.#find(member)).committed(partitions),
    }),
    'member.leave': (call) => this.#leave(call),
  };

  constructor(connection: LocalConnection, peer: Pick<Peer, 'call' | 'tell'>) {
    this.#connection = connection;
    this.#peer = peer;
  }

  /** The shortest session of a member; undefined if there is none. */
  get sessionMs(): number | undefined {
    const sessions = [...this.#members.values()].map(({ sessionMs }) => sessionMs);
    return sessions.length === 0 ? undefined : Math.min(...sessions);
  }

  async #join({ member, groupId, topics, instanceId, sessionMs }: JoinCall): Promise<{
    readonly value: { readonly memberId: string };
  }> {
    const leaving = new AbortController();
    const joined = this.#connection.join({
      groupId,
      topics,
      sessionMs,
      ...(instanceId !== undefined && { instanceId }),
      signal: leaving.signal,
      metadata: async () => (await this.#peer.call('member.metadata', { member })).parts[0] as Buffer,
      assign: (members) => this.#assign({ member }, members),
      onAssigned: async (assignment, generation) => {
        await this.#peer.call('member.assigned', { member, generation }, [assignment]);
      },
      onRevoked: async () => void (await this.#peer.call('member.revoked', { member })),
      onLost: (error) => {
        this.#members.delete(member);
        this.#peer.tell('member.lost', { member, error: sentProblem(error) });
      },
    });
    this.#members.set(member, { sessionMs, leaving, joined });
    const { memberId } = await joined.catch((error) => {
      this.#members.delete(member);
      throw error;
    });
    return { value: { memberId } };
  }

  async #assign(call: MemberCall, members: readonly GroupMember[]): Promise<ReadonlyMap<string, Buffer>> {
    const { value, parts } = await this.#peer.call(
      'member.assign',
      { ...call, members: members.map(({ memberId }) => memberId) },
      members.map(({ metadata }) => metadata),
    );
    return new Map((value as readonly string[]).map((memberId, i) => [memberId, parts[i] as Buffer]));
  }

  async #leave({ member }: MemberCall): Promise<void> {
    const served = this.#members.get(member);
    if (!served) return;
    // Until it has left, it may commit.
    served.leaving.abort();
    try {
      await (await served.joined).leave();
    } finally {
      this.#members.delete(member);
    }
  }

  async #find(member: number): Promise<Membership> {
    const served = this.#members.get(member);
    if (!served) throw new Error(`there is no member ${member}`);
    return served.joined;
  }
}
