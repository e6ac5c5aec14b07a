import type { BrokerRecord } from '../../broker/port.js';
import type { Headers } from '../../model/headers.js';
import type { SourcePosition } from '../../model/record.js';

/**
 * What a program asks for that feeds a letter in again. Key, value, timestamp and other headers of the record
 * are those of the letter's record.
 */
export interface RedriveRequest {
  /** Where the letter is. */
  readonly letter: SourcePosition;
  /** The id of its topic, if the broker has such ids. */
  readonly topicId?: string | undefined;
  /** Where the record was read. */
  readonly origin: SourcePosition;
  /** The node that gets the record. The node of a source: all that read it. */
  readonly at: string;
  readonly actor: string;
  readonly reason: string;
  /** Whether its bytes are not those of the letter. */
  readonly patched: boolean;
}

/** Why a record failed again. */
export interface RedriveFailure {
  readonly code: string;
  readonly message: string;
  readonly attempt: number;
}

/**
 * The record of a letter that is fed in again. It stands where it stood the first time: topic, partition,
 * offset and timestamp are those of the record that failed. So ids and random numbers are the same again.
 */
export class RedrivenRecord implements BrokerRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
  /** Where it was read now: the cause of the changes that it makes. */
  readonly noted: SourcePosition;
  readonly request: RedriveRequest;
  /** Undefined: it has not failed where it was fed in. */
  failure: RedriveFailure | undefined;

  /** @param record As it was read, with the headers of the record that failed. */
  constructor({ topic, partition, offset, timestamp, key, value, headers }: BrokerRecord, request: RedriveRequest) {
    const { origin } = request;
    this.topic = origin.topic;
    this.partition = origin.partition;
    this.offset = origin.offset;
    this.timestamp = timestamp;
    this.key = key;
    this.value = value;
    this.headers = headers;
    this.noted = { topic, partition, offset };
    this.request = request;
  }

  /** Whether a failure in this node is one more attempt on the same letter. */
  isFedInAt(node: string): boolean {
    return this.request.at === node;
  }
}

/** The position of a record in the topics that the task reads. */
export const readAt = (record: SourcePosition): SourcePosition => (record as Partial<RedrivenRecord>).noted ?? record;
