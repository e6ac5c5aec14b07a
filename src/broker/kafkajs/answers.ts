/**
 * Answers of a peer, as they come out of a socket.
 *
 * ```text
 * ┌ length of what follows: int32 ┬ correlation id: int32 ┬ the answer ┐
 * ```
 *
 * kafkajs believes whatever length comes: four zero bytes end the process, and others fill its memory. Here a
 * length is checked before anything is kept for it, and so is the question that it answers.
 */

/** As far as we look into a connection of kafkajs. */
export interface AnsweredConnection {
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  /** A login under way in the form that has no correlation ids. */
  readonly authHandlers: { onSuccess(raw: Buffer): void; onError(): void } | null;
  readonly authExpectResponse: boolean;
  readonly requestQueue: {
    readonly inflight: ReadonlyMap<number, { readonly entry: { readonly apiName: string } }>;
    fulfillRequest(answer: { readonly correlationId: number; readonly payload: Buffer; readonly size: number }): void;
  };
}

/** The length of an answer, which comes before it. */
export const LENGTH_BYTES = 4;
const CORRELATION_ID_BYTES = 4;
const MIB = 1024 * 1024;
/**
 * A batch comes whole, whatever a fetch asks for. A broker takes none from a producer that is larger than its
 * `socket.request.max.bytes`, 100 MiB by default; other partitions may come with it, up to 16 MiB.
 */
const MAX_FETCHED_BYTES = 128 * MIB;
/** Of all partitions of a cluster, metadata takes some 50 bytes each: 600,000 of them. */
const MAX_BYTES = 32 * MIB;
/** What is asked before a peer has proven anything is answered in some hundred bytes. */
const MAX_GREETING_BYTES = MIB;
const GREETINGS: ReadonlySet<string> = new Set(['ApiVersions', 'SaslHandshake', 'SaslAuthenticate']);

/**
 * What came is no answer of a Kafka broker. Named as kafkajs names what befalls a connection, which is then
 * made anew.
 */
export class NotKafkaError extends Error {
  override readonly name = 'KafkaJSConnectionError';
  readonly retriable = true;

  constructor(saw: string, expected: string) {
    super(`no answer of a Kafka broker (${saw}, where ${expected} can come)`);
  }
}

/**
 * Takes in what has come, and hands out the answers in it. Memory: one answer, of at most 128 MiB for a
 * fetch, 1 MiB before a login, else 32 MiB. Throws {@link NotKafkaError} for what cannot be an answer to
 * anything that was asked: nothing that follows can be understood then.
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

/** How many bytes are needed before more can be said of what begins here: its head, then all of it. */
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

/** Another protocol tells itself by its first letters. */
function shown(bytes: Buffer, length: number): string {
  const text = bytes.toString('latin1', 0, LENGTH_BYTES);
  return `${length} bytes${/^[ -~]{4}$/.test(text) ? `, which begin with "${text}"` : ''}`;
}
