import { messageOf, StreamsError } from '../../../model/errors.js';
import {
  asStreamsError,
  CODE,
  codeOf,
  isConnectionError,
  isRefusal,
  LEADER_MOVED,
  ProtocolError,
} from '../wire/errors.js';
import type { ProducedPartition } from '../wire/requests-records.js';
import { isDenied, topicError } from '../wire/rights.js';
import type { PartitionQueue } from './partition-queue.js';

/** Error codes that concern records, not the batch, its partition or the producer. */
export const OF_RECORDS: ReadonlySet<number> = new Set([
  CODE.messageTooLarge,
  CODE.invalidTimestamp,
  CODE.policyViolation,
  CODE.invalidRecord,
]);
/** The broker's state of the producer does not match what it receives: a new producer id starts over. */
export const SEQUENCE_LOST: ReadonlySet<number> = new Set([45, 49, 59]);

/** Records that were not acknowledged, and why. */
export interface Failed {
  readonly where: string;
  readonly cause: unknown;
  records: number;
}

/** The error that the caller gets for records that were not acknowledged. */
export function failureOf({ where, cause, records }: Failed): StreamsError {
  const refusal = asStreamsError(cause, 'cannot write', where);
  if (isRefusal(refusal)) return refusal;
  const code = codeOf(cause);
  if (LEADER_MOVED.has(code) || (code !== undefined && SEQUENCE_LOST.has(code)) || isAway(cause)) {
    return new StreamsError('BROKER_UNAVAILABLE', {
      what: `${records} ${records === 1 ? 'record was' : 'records were'} not acknowledged, the first of them`,
      at: where,
      saw: messageOf(cause),
      expected: 'an answer',
      action: 'It is unknown whether they are in the log: start again from the committed offsets.',
      cause,
    });
  }
  return new StreamsError('PRODUCE_FAILED', {
    what: `the broker did not take ${records} ${records === 1 ? 'record' : 'records'}, the first of them`,
    at: where,
    saw: messageOf(cause),
    expected: 'an acknowledgement',
    action: 'See the cause: correct the records or the topic, then write them again.',
    cause,
  });
}

/** Why a batch of that many bytes was refused, as a whole or because of some of its records. */
export function refusalOf(
  queue: PartitionQueue,
  refused: { readonly error: number; readonly bytes: number; readonly result: ProducedPartition | undefined },
  transactionalId: string | undefined,
): Error {
  const { error, bytes, result } = refused;
  if (error === CODE.messageTooLarge) return new ProtocolError(error, tooLarge(bytes));
  if (result && !isDenied(error) && (result.refused.length > 0 || result.message))
    return new ProtocolError(error, blamed(queue, result));
  return topicError('Produce', error, queue.topic, { transactionalId });
}

/** The records that caused the refusal of a batch, or the broker's message about the whole batch. */
function blamed(queue: PartitionQueue, { refused, message }: Pick<ProducedPartition, 'refused' | 'message'>): string {
  const records = refused.map(
    ({ index, message: why }) => `record ${index + 1} of the batch, key ${queue.keyAt(index)}${why ? `: ${why}` : ''}`,
  );
  return [...records, ...(message ? [message] : [])].join('; ');
}

const isAway = (error: unknown): boolean =>
  isConnectionError(error) || (error instanceof StreamsError && error.code === 'BROKER_UNAVAILABLE');

const tooLarge = (bytes: number): string =>
  `a record that takes ${bytes} bytes as a batch of its own, more than max.message.bytes of the topic allows (by default message.max.bytes of the brokers)`;

/**
 * The error of one record of the first batch, because of which the others were not written either. `bytes`:
 * the size of that batch, if its size is the reason.
 */
export function errorOf(
  queue: PartitionQueue,
  code: number,
  refused: ProducedPartition['refused'][number],
  bytes?: number,
): StreamsError {
  const isTooLarge = code === CODE.messageTooLarge && bytes !== undefined;
  const saw = isTooLarge ? tooLarge(bytes) : blamed(queue, { refused: [refused], message: null });
  const cause = new ProtocolError(code, saw);
  return failureOf({ where: `${queue.topic}[${queue.partition}]`, cause, records: 1 });
}
