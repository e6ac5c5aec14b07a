import { type Duration, durationMs } from '../../model/duration.js';
import { StreamsError } from '../../model/errors.js';
import { show } from '../../model/show.js';
import { COMPRESSIONS, type Codec, type Compression } from '../compression/codec.js';
import { loadCodec } from '../compression/codecs.js';

/**
 * Half of what a topic takes by default (`max.message.bytes`, 1 MiB). Measured with records of 100 bytes to 8
 * partitions of one broker on two shared cores, in thousands of records a second, for batches of 16, 64, 128,
 * 256, 512 and 1,000 KiB: with a commit every 20,000 records 139, 165, 155, 234, 375 and 292; with one commit
 * for 400,000 records 462, 1,001, 1,010, 1,068, 868 and 794. Only small batches are slow, and they cost twice
 * the CPU.
 */
const DEFAULT_BATCH_BYTES = 512 * 1024;
/**
 * What one request to a broker may hold by default (`socket.request.max.bytes`) is 100 MiB; requests are kept
 * to 16 MiB, so that a batch always fits.
 */
const MAX_BATCH_BYTES = 64 * 1024 * 1024;
/**
 * A record batch of Kafka's own producers has 16 KiB; below that, heads and requests cost more than records.
 */
const MIN_BATCH_BYTES = 1024;

export interface KafkaWriterOptions {
  /**
   * How record batches are compressed. Default: `none`. Readers need to be told nothing. gzip is part of
   * Node, the others need a package: `snappyjs`, `lz4-napi`, `@bokuweb/zstd-wasm` (none from Node 22.15 on).
   */
  readonly compression?: Compression;
  /**
   * How large a batch of one partition becomes before it is sent without waiting for more, before
   * compression. Default: 512 KiB.
   */
  readonly batchBytes?: number;
  /**
   * How long a record waits for others at most before its batch is sent. Default: until the batch is full, or
   * `flush` or `commit`: an application commits every 100 ms, and 1 to 20 ms made it neither faster nor
   * slower (505 to 619 thousand records a second, 575 without).
   */
  readonly linger?: Duration;
  /**
   * How long a transaction may be open before the broker aborts it, and fences its writer. Default: `1m`.
   * Brokers allow up to 15 minutes (`transaction.max.timeout.ms`).
   */
  readonly transactionTimeout?: Duration;
}

export interface WriterSettings {
  readonly codec: Codec | undefined;
  readonly batchBytes: number;
  readonly lingerMs: number;
  readonly transactionTimeoutMs: number;
}

/**
 * Checks the options and loads the codec. CONFIG_INVALID for a value that is not allowed or a package that is
 * not installed.
 */
export async function writerSettings(options: KafkaWriterOptions): Promise<WriterSettings> {
  const { compression = 'none', batchBytes = DEFAULT_BATCH_BYTES, linger = '5ms', transactionTimeout = '1m' } = options;
  if (!COMPRESSIONS.includes(compression)) throw invalid('compression', compression, COMPRESSIONS.join(', '));
  if (!(Number.isInteger(batchBytes) && batchBytes >= MIN_BATCH_BYTES && batchBytes <= MAX_BATCH_BYTES))
    throw invalid('batchBytes', batchBytes, `a whole number from ${MIN_BATCH_BYTES} to ${MAX_BATCH_BYTES}`);
  return {
    codec: compression === 'none' ? undefined : await loadCodec(compression),
    batchBytes,
    lingerMs: durationMs(linger, 'linger'),
    transactionTimeoutMs: durationMs(transactionTimeout, 'transactionTimeout'),
  };
}

const invalid = (option: string, saw: unknown, expected: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: `cannot write with ${option}`,
    saw: show(saw),
    expected,
    action: 'Correct the option of the broker.',
  });
