import { StreamsError } from '../../model/errors.js';

/** The head of a batch. */
export interface BatchHead {
  readonly baseOffset: number;
  /** Last offset the batch covers, whether or not that record is still there. */
  readonly lastOffset: number;
  /** Bytes of the whole batch: the next one begins after them. */
  readonly size: number;
  readonly attributes: number;
  /** How its records are packed, by Kafka's code; 0 for not at all. */
  readonly compression: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
  readonly transactional: boolean;
  /** Transaction markers: their records are not for users. */
  readonly control: boolean;
  /** When tombstones may be dropped; undefined if no cleaner has set it. */
  readonly deleteHorizon: number | undefined;
}

/** What the records belong to: for the records themselves and for error messages. */
export interface DecodeContext {
  readonly topic: string;
  readonly partition: number;
  /**
   * Unpacks a compressed batch: the records' bytes by compression code (1 gzip, 2 snappy, 3 lz4, 4 zstd).
   * Without it, compression is refused. What it throws is LOG_CORRUPT.
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
