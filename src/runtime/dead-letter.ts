import type { ProducerRecord } from '../broker/port.js';
import { isStreamsError, messageOf } from '../model/errors.js';
import type { Headers } from '../model/headers.js';
import type { SourcePosition } from '../model/record.js';

/**
 * A record as it goes to the dead letter topic: the raw key, value, timestamp and headers, and in further headers where it came from and why it is there, so that it can be fed in again.
 *
 * | header | what |
 * |---|---|
 * | `millrace.topic`, `millrace.partition`, `millrace.offset` | where it was read |
 * | `millrace.application`, `millrace.operator` | who gave up on it |
 * | `millrace.error.code`, `millrace.error.message` | why |
 * | `millrace.attempt` | how often it was tried |
 */
export function deadLetter(options: {
  readonly topic: string;
  readonly applicationId: string;
  readonly operator: string;
  readonly position: SourcePosition;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestamp: number;
  readonly headers: Headers;
  readonly error: unknown;
  readonly attempt: number;
}): Omit<ProducerRecord, 'partition'> {
  const { topic, key, value, timestamp, position, error } = options;
  const headers = options.headers
    .with('millrace.topic', position.topic)
    .with('millrace.partition', String(position.partition))
    .with('millrace.offset', String(position.offset))
    .with('millrace.application', options.applicationId)
    .with('millrace.operator', options.operator)
    .with('millrace.error.code', isStreamsError(error) ? error.code : 'PROCESS_FAILED')
    .with('millrace.error.message', messageOf(error))
    .with('millrace.attempt', String(options.attempt));
  return { topic, key, value, timestamp, headers };
}
