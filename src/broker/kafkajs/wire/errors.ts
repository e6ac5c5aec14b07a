import { messageOf, StreamsError } from '../../../model/errors.js';
import type { TopicPartition } from '../../port.js';

/** The protocol's error codes that this adapter handles. */
export const CODE = {
  none: 0,
  offsetOutOfRange: 1,
  corruptMessage: 2,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeaderOrFollower: 6,
  requestTimedOut: 7,
  replicaNotAvailable: 9,
  messageTooLarge: 10,
  networkException: 13,
  coordinatorLoadInProgress: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  invalidTopic: 17,
  notEnoughReplicas: 19,
  notEnoughReplicasAfterAppend: 20,
  illegalGeneration: 22,
  inconsistentGroupProtocol: 23,
  unknownMemberId: 25,
  invalidSessionTimeout: 26,
  rebalanceInProgress: 27,
  topicAuthorizationFailed: 29,
  groupAuthorizationFailed: 30,
  clusterAuthorizationFailed: 31,
  invalidTimestamp: 32,
  topicAlreadyExists: 36,
  invalidPartitions: 37,
  invalidReplicationFactor: 38,
  invalidConfig: 40,
  notController: 41,
  policyViolation: 44,
  duplicateSequenceNumber: 46,
  invalidProducerEpoch: 47,
  concurrentTransactions: 51,
  transactionalIdAuthorizationFailed: 53,
  kafkaStorageError: 56,
  nonEmptyGroup: 68,
  groupIdNotFound: 69,
  fencedLeaderEpoch: 74,
  unknownLeaderEpoch: 75,
  offsetNotAvailable: 78,
  memberIdRequired: 79,
  fencedInstanceId: 82,
  invalidRecord: 87,
  unstableOffsetCommit: 88,
  producerFenced: 90,
  transactionalIdNotFound: 105,
} as const;

const NAMES = new Map<number, string>(Object.entries(CODE).map(([name, code]) => [code, name]));
const codeName = (code: number): string => `code ${code}${NAMES.has(code) ? ` (${NAMES.get(code)})` : ''}`;

/** A broker responded with an error code. Stays inside the adapter: callers get a StreamsError. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';

  /** The right that the principal lacks, if that is the cause: `Write on topic payments`. */
  right: string | undefined;

  constructor(
    readonly code: number,
    detail?: string | null,
    /** The topic of the error code, for requests with several topics. */
    readonly topic?: string,
  ) {
    super(detail ? `${codeName(code)}: ${detail}` : codeName(code));
  }
}

/** The token endpoint did not respond: a transient error, like a broker that does not respond. */
export class TokenEndpointError extends Error {
  override readonly name = 'TokenEndpointError';
}

/** Throws for any code except "none". */
export function throwUnlessNone(code: number, detail?: string | null, topic?: string): void {
  if (code !== CODE.none) throw new ProtocolError(code, detail, topic);
}

export const codeOf = (error: unknown): number | undefined => (error instanceof ProtocolError ? error.code : undefined);

/** Codes after which the leader is looked up again and the same request repeated. */
export const LEADER_MOVED: ReadonlySet<number | undefined> = new Set([
  CODE.leaderNotAvailable,
  CODE.notLeaderOrFollower,
  CODE.requestTimedOut,
  CODE.replicaNotAvailable,
  CODE.networkException,
  CODE.notEnoughReplicas,
  CODE.notEnoughReplicasAfterAppend,
  CODE.kafkaStorageError,
  CODE.fencedLeaderEpoch,
  CODE.unknownLeaderEpoch,
  CODE.offsetNotAvailable,
]);

/** Codes after which the coordinator is looked up again and the same request repeated. */
export const COORDINATOR_MOVED: ReadonlySet<number | undefined> = new Set([
  CODE.coordinatorLoadInProgress,
  CODE.coordinatorNotAvailable,
  CODE.notCoordinator,
  CODE.requestTimedOut,
  CODE.networkException,
]);

/** The member or its generation is no longer in the group. */
export const MEMBER_GONE: ReadonlySet<number | undefined> = new Set([
  CODE.illegalGeneration,
  CODE.unknownMemberId,
  CODE.rebalanceInProgress,
  CODE.fencedInstanceId,
]);

/**
 * Another producer has the transactional id, or the broker has timed the transaction out: the codes are the
 * same, and so is the reaction.
 */
export const FENCED: ReadonlySet<number | undefined> = new Set([CODE.invalidProducerEpoch, CODE.producerFenced]);

/** Whether the connection failed, not the request: the request may have been carried out. */
export function isConnectionError(error: unknown): boolean {
  if (error instanceof StreamsError || error instanceof ProtocolError || !(error instanceof Error)) return false;
  const { code } = error as { readonly code?: unknown };
  return (
    error instanceof TokenEndpointError ||
    error.name.startsWith('KafkaJS') ||
    (typeof code === 'string' && /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|EAI)/.test(code))
  );
}

/**
 * Keeps a StreamsError. Any other error becomes BROKER_UNAUTHORIZED if a right is missing, else
 * BROKER_UNAVAILABLE; both name what was tried.
 */
export function asStreamsError(error: unknown, what: string, at: string): StreamsError {
  if (error instanceof StreamsError) return error;
  if (error instanceof ProtocolError && error.right !== undefined) return unauthorized([error.right], what, at, error);
  return new StreamsError('BROKER_UNAVAILABLE', {
    what,
    at,
    saw: messageOf(error),
    expected: 'an answer without an error',
    action: 'Check that the brokers run and that this client may do that, then try again.',
    cause: error,
  });
}

export const unauthorized = (rights: readonly string[], what: string, at: string, cause?: unknown): StreamsError =>
  new StreamsError('BROKER_UNAUTHORIZED', {
    what,
    at,
    saw: 'a principal that lacks permission',
    expected: `the ${rights.length === 1 ? 'right' : 'rights'} ${rights.join(', ')}`,
    action: 'Grant it to this principal (kafka-acls.sh --add), or log in as another one.',
    cause,
  });

/** A permanent refusal, whatever the request: the login failed, or the principal lacks a right. */
export const isRefusal = (error: unknown): error is StreamsError =>
  error instanceof StreamsError && (error.code === 'BROKER_UNAUTHENTICATED' || error.code === 'BROKER_UNAUTHORIZED');

export const brokerClosed = (): StreamsError =>
  new StreamsError('BROKER_CLOSED', {
    what: 'cannot use the broker',
    saw: 'a broker that is closed',
    expected: 'an open one',
    action: 'Open it again.',
  });

export const unknownPartition = (where: string): StreamsError =>
  new StreamsError('TOPIC_UNKNOWN', {
    what: 'there is no such partition',
    at: where,
    saw: 'a topic or partition that the cluster does not have',
    expected: 'one that exists',
    action: 'Create the topic first, or correct its name.',
  });

export const groupFenced = (groupId: string, saw: string, action: string): StreamsError =>
  new StreamsError('GROUP_FENCED', {
    what: 'cannot act for the group',
    at: `group ${groupId}`,
    saw,
    expected: 'a member of its current generation',
    action,
  });

/** The metadata does not contain the partition, or not yet. */
export class UnknownPartitionError extends ProtocolError {
  constructor({ topic, partition }: TopicPartition) {
    super(CODE.unknownTopicOrPartition);
    this.message = `${topic}[${partition}]`;
  }
}
