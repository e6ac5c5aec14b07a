import { ownOf } from '../../model/own.js';
import { CODE, ProtocolError } from './errors.js';

type Kind = 'topic' | 'group' | 'transactional id' | 'cluster';

/** What a refusal is about, by its code. */
const KINDS: ReadonlyMap<number, Kind> = new Map([
  [CODE.topicAuthorizationFailed, 'topic'],
  [CODE.groupAuthorizationFailed, 'group'],
  [CODE.clusterAuthorizationFailed, 'cluster'],
  [CODE.transactionalIdAuthorizationFailed, 'transactional id'],
]);

/**
 * What each request must be allowed to do, with what it concerns, in the words of Kafka's access control
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

/** What a request concerns, besides topics. */
export interface Concerned {
  readonly group?: string | undefined;
  readonly transactionalId?: string | undefined;
}

/** Notes in the error which right was missing, if that is what it says: `Write on topic payments`. */
export function withRight(error: ProtocolError, apiName: string, concerned: Concerned = {}): ProtocolError {
  const kind = KINDS.get(error.code);
  if (kind !== undefined) error.right ??= right(kind, apiName, { ...concerned, topic: error.topic });
  return error;
}

/** What a broker answers about one topic of a request. */
export const topicError = (apiName: string, code: number, topic: string, concerned?: Concerned): ProtocolError =>
  withRight(new ProtocolError(code, null, topic), apiName, concerned);

function right(kind: Kind, apiName: string, names: Concerned & { readonly topic: string | undefined }): string {
  const operation = ownOf(RIGHTS, apiName)?.[kind] ?? apiName;
  // Either will do, and the broker does not say that the cluster would.
  if (apiName === 'CreateTopics') return `Create on cluster, or on topic ${names.topic}`;
  if (kind === 'cluster') return `${operation} on cluster`;
  const name = kind === 'topic' ? names.topic : kind === 'group' ? names.group : names.transactionalId;
  return `${operation} on ${kind} ${name}`;
}
