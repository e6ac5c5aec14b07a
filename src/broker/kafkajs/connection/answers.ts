/**
 * Splits the bytes from a broker's socket into responses.
 *
 * ```text
 * ┌ length of what follows: int32 ┬ correlation id: int32 ┬ the response ┐
 * ```
 *
 * kafkajs trusts any length it receives: four zero bytes end the process, and other lengths fill its memory.
 * Here, each length is checked before memory is reserved for it. The request that the response belongs to is
 * checked as well.
 */

/** The parts of a kafkajs connection that this file uses. */
export interface AnsweredConnection {
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  /** A running login, in the form without correlation ids. */
  readonly authHandlers: { onSuccess(raw: Buffer): void; onError(): void } | null;
  readonly authExpectResponse: boolean;
  readonly requestQueue: {
    readonly inflight: ReadonlyMap<number, { readonly entry: { readonly apiName: string } }>;
    fulfillRequest(answer: { readonly correlationId: number; readonly payload: Buffer; readonly size: number }): void;
  };
}

/** Size of the length that precedes each response. */
export const LENGTH_BYTES = 4;
const CORRELATION_ID_BYTES = 4;
const MIB = 1024 * 1024;
/**
 * A batch is returned whole, whatever limit a fetch sets. A broker accepts no batch from a producer that is
 * larger than its `socket.request.max.bytes`, 100 MiB by default. Other partitions may come in the same
 * response, up to 16 MiB.
 */
const MAX_FETCHED_BYTES = 128 * MIB;
/** Metadata of all partitions of a cluster takes about 50 bytes each: this is enough for 600,000. */
const MAX_BYTES = 32 * MIB;
/** Requests that precede the peer's authentication have responses of a few hundred bytes. */
const MAX_GREETING_BYTES = MIB;
const GREETINGS: ReadonlySet<string> = new Set(['ApiVersions', 'SaslHandshake', 'SaslAuthenticate']);

/**
 * The bytes are not a response of a Kafka broker. The name equals that of kafkajs' connection errors, after
 * which kafkajs reconnects.
 */
export class NotKafkaError extends Error {
  override readonly name = 'KafkaJSConnectionError';
  readonly retriable = true;

  constructor(saw: string, expected: string) {
    super(`no answer of a Kafka broker (${saw}, where ${expected} can come)`);
  }
}

/**
 * Buffers the received bytes and delivers the complete responses in them. Memory: one response, of at most
 * 128 MiB for a fetch, 1 MiB before a login, else 32 MiB. Throws {@link NotKafkaError} if the bytes cannot be
 * a response to any pending request: then nothing that follows can be parsed.
 */
export function takeAnswers(connection: AnsweredConnection, data: Buffer): void {
  connection.chunks.push(data);
  connection.bytesBuffered += data.length;
  while (connection.bytesBuffered >= connection.bytesNeeded) {
    const bytes = connection.chunks.length > 1 ? Buffer.concat(connection.chunks) : (connection.chunks[0] as Buffer);
    const needed = bytesOf(connection, bytes);
    connection.bytesNeeded = needed;
    connection.chunks = [bytes];
    if (bytes.length < needed) return;
    const rest = bytes.subarray(needed);
    connection.chunks = [rest];
    connection.bytesBuffered = rest.length;
    connection.bytesNeeded = LENGTH_BYTES;
    if (connection.authHandlers) return connection.authHandlers.onSuccess(bytes.subarray(0, needed));
    connection.requestQueue.fulfillRequest({
      correlationId: bytes.readInt32BE(LENGTH_BYTES),
      payload: bytes.subarray(LENGTH_BYTES + CORRELATION_ID_BYTES, needed),
      size: needed - LENGTH_BYTES,
    });
  }
}

/**
 * How many bytes must be buffered before the next step: first the head of the response, then the whole
 * response.
 */
function bytesOf({ authHandlers, requestQueue }: AnsweredConnection, bytes: Buffer): number {
  const length = bytes.readInt32BE(0);
  const least = authHandlers ? 0 : CORRELATION_ID_BYTES;
  const most = authHandlers ? MAX_GREETING_BYTES : MAX_FETCHED_BYTES;
  if (length < least || length > most) throw new NotKafkaError(shown(bytes, length), `${least} to ${most}`);
  if (authHandlers) return LENGTH_BYTES + length;
  if (bytes.length < LENGTH_BYTES + CORRELATION_ID_BYTES) return LENGTH_BYTES + CORRELATION_ID_BYTES;
  const correlationId = bytes.readInt32BE(LENGTH_BYTES);
  const asked = requestQueue.inflight.get(correlationId)?.entry.apiName;
  if (asked === undefined)
    throw new NotKafkaError(`one to request ${correlationId}`, 'only one to a request that waits');
  const mostOfIt = GREETINGS.has(asked) ? MAX_GREETING_BYTES : asked === 'Fetch' ? MAX_FETCHED_BYTES : MAX_BYTES;
  if (length > mostOfIt) throw new NotKafkaError(`${length} bytes to a request ${asked}`, `at most ${mostOfIt}`);
  return LENGTH_BYTES + length;
}

/** Another protocol can often be recognized by its first four characters. */
function shown(bytes: Buffer, length: number): string {
  const text = bytes.toString('latin1', 0, LENGTH_BYTES);
  return `${length} bytes${/^[ -~]{4}$/.test(text) ? `, which begin with "${text}"` : ''}`;
}
