import { ownOf } from '../../../model/own.js';
import { CODE, ProtocolError } from './errors.js';

type Kind = 'topic' | 'group' | 'transactional id' | 'cluster';

/** The kind of resource that an authorization error is about, by error code. */
const KINDS: ReadonlyMap<number, Kind> = new Map([
  [CODE.topicAuthorizationFailed, 'topic'],
  [CODE.groupAuthorizationFailed, 'group'],
  [CODE.clusterAuthorizationFailed, 'cluster'],
  [CODE.transactionalIdAuthorizationFailed, 'transactional id'],
]);

/**
 * The operations that each request needs, by kind of resource, under the names of Kafka's access control
 * lists.
 */
export const RIGHTS: Readonly<Record<string, Readonly<Partial<Record<Kind, string>>>>> = {
  Produce: { topic: 'Write', 'transactional id': 'Write', cluster: 'IdempotentWrite' },
  Fetch: { topic: 'Read' },
  ListOffsets: { topic: 'Describe' },
  Metadata: { topic: 'Describe' },
  OffsetCommit: { topic: 'Read', group: 'Read' },
  OffsetFetch: { topic: 'Describe', group: 'Describe' },
  FindCoordinator: { group: 'Describe', 'transactional id': 'Describe' },
  JoinGroup: { group: 'Read' },
  Heartbeat: { group: 'Read' },
  LeaveGroup: { group: 'Read' },
  SyncGroup: { group: 'Read' },
  DescribeGroups: { group: 'Describe' },
  CreateTopics: { topic: 'Create', cluster: 'Create' },
  DeleteTopics: { topic: 'Delete' },
  DeleteRecords: { topic: 'Delete' },
  InitProducerId: { 'transactional id': 'Write', cluster: 'IdempotentWrite' },
  AddPartitionsToTxn: { topic: 'Write', 'transactional id': 'Write' },
  AddOffsetsToTxn: { group: 'Read', 'transactional id': 'Write' },
  EndTxn: { 'transactional id': 'Write' },
  TxnOffsetCommit: { topic: 'Read', group: 'Read', 'transactional id': 'Write' },
  DescribeTransactions: { 'transactional id': 'Describe' },
  DescribeProducers: { topic: 'Read' },
  DescribeConfigs: { topic: 'DescribeConfigs' },
  IncrementalAlterConfigs: { topic: 'AlterConfigs' },
  DeleteGroups: { group: 'Delete' },
};

export const isDenied = (code: number): boolean => KINDS.has(code);

/** The resources of a request, other than topics. */
export interface Concerned {
  readonly group?: string | undefined;
  readonly transactionalId?: string | undefined;
}

/** Adds the missing right to an authorization error: `Write on topic payments`. */
export function withRight(error: ProtocolError, apiName: string, concerned: Concerned = {}): ProtocolError {
  const kind = KINDS.get(error.code);
  if (kind !== undefined) error.right ??= right(kind, apiName, { ...concerned, topic: error.topic });
  return error;
}

/** The error of one topic in a response. */
export const topicError = (apiName: string, code: number, topic: string, concerned?: Concerned): ProtocolError =>
  withRight(new ProtocolError(code, null, topic), apiName, concerned);

function right(kind: Kind, apiName: string, names: Concerned & { readonly topic: string | undefined }): string {
  const operation = ownOf(RIGHTS, apiName)?.[kind] ?? apiName;
  // Either right is enough, and the broker's error does not mention the one on the cluster.
  if (apiName === 'CreateTopics') return `Create on cluster, or on topic ${names.topic}`;
  if (kind === 'cluster') return `${operation} on cluster`;
  const name = kind === 'topic' ? names.topic : kind === 'group' ? names.group : names.transactionalId;
  return `${operation} on ${kind} ${name}`;
}
