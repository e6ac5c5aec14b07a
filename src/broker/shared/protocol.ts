import type { Answer } from '../../net/peer.js';
import type { MemberGeneration } from '../local/group.js';
import type { PartitionOffset, TopicPartition, WriteResult, WriterOptions } from '../port.js';

/**
 * What the process that serves an embedded broker, and the processes that use it, say to each other. A change
 * that an older process would not understand gets another number.
 */
export const PROTOCOL = 1;

/** The name of the socket in the broker's directory. */
export const SOCKET = 'broker.sock';

/** The calls of a client. */
export interface ClientCalls {
  /** The first call. */
  hello: { input: { readonly protocol: number; readonly pid: number }; value: { readonly pid: number } };
  /** A call of the broker's admin: its name and arguments. */
  admin: { input: { readonly name: string; readonly args: readonly unknown[] }; value: unknown };
  /** From now on, `moved` tells how far the partition goes. */
  watch: { input: TopicPartition; value: PartitionSeen };
  unwatch: { input: TopicPartition; value: null };
  floor: { input: PartitionCall; value: number | null };
  /** The bytes of the batches are the parts of the answer. */
  read: { input: PartitionCall & { readonly limit: number }; value: ReadState };
  topics: { input: readonly string[]; value: readonly TopicSeen[] };
  'writer.open': { input: Pick<WriterOptions, 'transactionalId'>; value: number };
  /** The bytes of the batches are the parts of the call. */
  'writer.append': { input: WriterCall & { readonly batches: readonly WrittenBatch[] }; value: null };
  'writer.flush': { input: WriterCall; value: null };
  'writer.begin': { input: WriterCall; value: null };
  'writer.offsets': { input: WriterCall & CommitCall; value: null };
  'writer.commit': { input: WriterCall; value: null };
  'writer.abort': { input: WriterCall; value: null };
  'writer.close': { input: WriterCall; value: null };
  'member.join': { input: JoinCall; value: { readonly memberId: string } };
  'member.commit': { input: MemberCall & { readonly offsets: readonly PartitionOffset[] }; value: null };
  'member.committed': {
    input: MemberCall & { readonly partitions: readonly TopicPartition[] };
    value: readonly PartitionOffset[];
  };
  'member.leave': { input: MemberCall; value: null };
  /** Sent a few times in each session, by clients with members. */
  alive: { input: null; value: null };
}

/** The calls of the serving process. */
export interface ServerCalls {
  /** Partitions that the client watches have moved, or are gone. */
  moved: { input: readonly PartitionSeen[]; value: null };
  /** Topics were created, deleted or configured. */
  topics: { input: readonly string[]; value: null };
  /** The outcome of batches of a writer. */
  written: { input: WriterCall & { readonly results: readonly SentResult[] }; value: null };
  /** The metadata is the part of the answer. */
  'member.metadata': { input: MemberCall; value: null };
  /** The metadata of the members are the parts of the call, their assignments those of the answer. */
  'member.assign': { input: MemberCall & { readonly members: readonly string[] }; value: readonly string[] };
  /** The assignment is the part of the call. */
  'member.assigned': { input: MemberCall & { readonly generation: number }; value: null };
  'member.revoked': { input: MemberCall; value: null };
  'member.lost': { input: MemberCall & { readonly error: SentProblem }; value: null };
}

/** Functions that answer calls. */
export type Answers<C extends { [M in keyof C]: { input: unknown; value: unknown } }> = {
  readonly [M in keyof C]: (
    input: C[M]['input'],
    parts: readonly Buffer[],
  ) => Promise<Answered<C[M]['value']>> | Answered<C[M]['value']>;
};

/** A call without a value needs no answer; it may have parts. */
export type Answered<V> = V extends null ? unknown : Answer & { readonly value: V };

export interface PartitionCall extends TopicPartition {
  readonly topicId: number;
  readonly from: number;
}

/** How far a partition goes. Without `topicId` there is no such partition. */
export interface PartitionSeen extends TopicPartition {
  readonly topicId?: number;
  readonly earliest: number;
  readonly next: number;
  /** The number of partitions of its topic; 0 if there is none. */
  readonly width: number;
}

/** Batches that were read, and how far the partition went then. */
export interface ReadState {
  readonly earliest: number;
  readonly next: number;
  readonly batches: readonly { readonly baseOffset: number; readonly maxTimestamp: number }[];
}

/** A topic as writers need it. */
export interface TopicSeen {
  readonly name: string;
  readonly topicId: number;
  readonly partitions: number;
  readonly config: Readonly<Record<string, string>>;
}

export interface WriterCall {
  readonly writer: number;
}

export interface WrittenBatch extends TopicPartition {
  readonly topicId: number;
  readonly from: number;
  readonly count: number;
  readonly maxTimestamp: number;
}

/** The outcome of batches; an error is sent as its texts. */
export interface SentResult extends Omit<WriteResult, 'error'> {
  readonly error?: SentProblem;
}

export interface SentProblem {
  readonly code: string;
  readonly problem: string;
  readonly action: string;
}

export interface CommitCall {
  readonly member: MemberGeneration;
  readonly offsets: readonly PartitionOffset[];
}

/** The client's number of a member: unique among its own. */
export interface MemberCall {
  readonly member: number;
}

export interface JoinCall extends MemberCall {
  readonly groupId: string;
  readonly topics: readonly string[];
  readonly instanceId?: string;
  readonly sessionMs: number;
}
