import { StreamsError } from '../../model/errors.js';

/** The head of a batch. */
export interface BatchHead {
  readonly baseOffset: number;
  /** The last offset that the batch covers, even if that record is no longer there. */
  readonly lastOffset: number;
  /** Bytes of the whole batch: the next one begins after them. */
  readonly size: number;
  readonly attributes: number;
  /** Kafka's code for the compression of the records; 0 for none. */
  readonly compression: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
  readonly transactional: boolean;
  /** Transaction markers: their records are internal. */
  readonly control: boolean;
  /** When tombstones may be dropped; undefined if no cleaner has set it. */
  readonly deleteHorizon: number | undefined;
}

/** The partition of the records: used in the records themselves and in error messages. */
export interface DecodeContext {
  readonly topic: string;
  readonly partition: number;
  /**
   * Decompresses the records of a batch by compression code (1 gzip, 2 snappy, 3 lz4, 4 zstd). Without it,
   * compressed batches are refused. Its errors become LOG_CORRUPT.
   */
  readonly decompress?: (compression: number, bytes: Buffer) => Buffer;
}

export function corrupt(
  context: DecodeContext,
  offset: number | undefined,
  saw: string,
  expected: string,
): StreamsError {
  return new StreamsError('LOG_CORRUPT', {
    what: 'cannot decode a record batch',
    at: `${context.topic}[${context.partition}]${offset === undefined ? '' : `@${offset}`}`,
    saw,
    expected,
    action: 'The bytes are not what was written: restore the log from a copy, or seek past this offset.',
  });
}
