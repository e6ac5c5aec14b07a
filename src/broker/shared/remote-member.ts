import { ConnectionLost } from '../../net/peer.js';
import type { Membership, MembershipOptions, PartitionOffset, TopicPartition } from '../port.js';
import { memberGone, outcomeUnknown, receivedProblem, serverGone } from './errors.js';
import type { Link } from './link.js';
import type { Answers, JoinCall, ServerCalls } from './protocol.js';

type MemberAnswers = Answers<Pick<ServerCalls, Extract<keyof ServerCalls, `member.${string}`>>>;

/** Kafka's default. */
const SESSION_MS = 10_000;

/**
 * A member of a group of the broker that another process serves. If that process ends, the member is lost:
 * the next process knows no members.
 */
export class RemoteMember implements Membership {
  generation = 0;
  memberId = '';
  readonly sessionMs: number;
  readonly #number: number;
  readonly #options: MembershipOptions;
  readonly #link: Link;
  readonly #directory: string;
  readonly #ended: () => void;
  readonly #stopListening: () => void;
  #gone = false;
  #joined = false;
  #leaving: Promise<void> | undefined;

  constructor(
    number: number,
    options: MembershipOptions,
    context: { readonly link: Link; readonly directory: string; readonly onEnd: (member: RemoteMember) => void },
  ) {
    this.#number = number;
    this.#options = options;
    this.#link = context.link;
    this.#directory = context.directory;
    this.sessionMs = options.sessionMs ?? SESSION_MS;
    this.#ended = () => context.onEnd(this);
    this.#stopListening = this.#link.onLost(() => {
      // A join that is under way rejects.
      if (this.#joined) this.#lose(serverGone('GROUP_FENCED', this.#directory));
    });
  }

  get groupId(): string {
    return this.#options.groupId;
  }

  /** Resolves after the first onAssigned. */
  async join(): Promise<this> {
    const { groupId, topics, instanceId, signal } = this.#options;
    const call: JoinCall = {
      ...{ member: this.#number, groupId, topics, sessionMs: this.sessionMs },
      ...(instanceId !== undefined && { instanceId }),
    };
    if (signal?.aborted) {
      this.#end();
      throw memberGone(groupId);
    }
    const giveUp = (): void => this.#link.tell('member.leave', { member: this.#number });
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      const { value } = await this.#link.call('member.join', call);
      this.memberId = value.memberId;
      this.#joined = true;
      return this;
    } catch (error) {
      this.#end();
      throw error instanceof ConnectionLost ? serverGone('GROUP_FENCED', this.#directory) : error;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  }

  async commit(offsets: readonly PartitionOffset[]): Promise<void> {
    this.#check();
    await this.#known(this.#link.call('member.commit', { member: this.#number, offsets }));
  }

  async committed(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]> {
    this.#check();
    return (await this.#known(this.#link.call('member.committed', { member: this.#number, partitions }))).value;
  }

  leave(): Promise<void> {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  /** The calls of the serving process to this member. */
  readonly answers: MemberAnswers = {
    'member.metadata': () => ({ parts: [this.#options.metadata()] }),
    'member.assign': async ({ members }, parts) => {
      const all = members.map((memberId, i) => ({ memberId, metadata: parts[i] as Buffer }));
      const assigned = [...(await this.#options.assign(all))];
      return { value: assigned.map(([memberId]) => memberId), parts: assigned.map(([, part]) => part) };
    },
    'member.assigned': async ({ generation }, [assignment]) => {
      this.generation = generation;
      await this.#options.onAssigned(assignment as Buffer);
    },
    'member.revoked': () => this.#options.onRevoked(),
    'member.lost': ({ error }) => this.#lose(receivedProblem(error)),
  };

  async #leave(): Promise<void> {
    if (this.#gone) return;
    try {
      await this.#link.call('member.leave', { member: this.#number });
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
    } finally {
      this.#end();
    }
  }

  #lose(error: Error): void {
    if (this.#gone) return;
    this.#end();
    if (!this.#leaving) this.#options.onLost(error);
  }

  #end(): void {
    this.#gone = true;
    this.#stopListening();
    this.#ended();
  }

  #check(): void {
    if (this.#gone) throw memberGone(this.groupId);
  }

  #known<T>(call: Promise<T>): Promise<T> {
    return call.catch((error: unknown) => {
      throw error instanceof ConnectionLost ? outcomeUnknown('offsets were committed', this.#directory) : error;
    });
  }
}
