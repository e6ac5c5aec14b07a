import { messageOf, StreamsError } from '../../model/errors.js';
import { asStreamsError, CODE, codeOf, isConnectionError, isRefusal, LEADER_MOVED, ProtocolError } from './errors.js';
import type { PartitionQueue } from './partition-queue.js';
import type { ProducedPartition } from './requests-records.js';
import { isDenied, topicError } from './rights.js';

/** The broker's memory of the producer does not fit what it is sent: a new producer id begins anew. */
export const SEQUENCE_LOST: ReadonlySet<number> = new Set([45, 49, 59]);

/** What is known of records that are not acknowledged. */
export interface Failed {
  readonly where: string;
  readonly cause: unknown;
  records: number;
}

/** What the caller is told of records that are not acknowledged. */
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
      action: 'Whether they are in the log is not known: begin again at what is committed.',
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

/** Why a batch of so many bytes was refused, as a whole or because of some of its records. */
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

/** The records of a refused batch that are to blame, or what the broker says of all of it. */
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
 * The error of one record of the first batch, for which the others were not taken either. `bytes`: of that
 * batch, if what is refused is its size.
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
