import { StreamsError } from '../model/errors.js';

/** Bytes before the head: those of the whole message, and those of its head. */
const PREFIX_BYTES = 8;

/** More than any batch of records or answer has; a larger length is not one of ours. */
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

/** A message between two processes: a head, which is JSON, and parts, which are bytes. */
export interface Message {
  readonly head: unknown;
  readonly parts: readonly Buffer[];
}

/**
 * The bytes of a message: its length, the length of its head (4 bytes each, big endian), the head, and the
 * parts. The head is a JSON array: first what the sender passed, then the length of each part.
 */
export function encodeMessage({ head, parts }: Message): readonly Buffer[] {
  const text = Buffer.from(JSON.stringify([head, ...parts.map(({ length }) => length)]));
  let bytes = text.length;
  for (const part of parts) bytes += part.length;
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
  prefix.writeUInt32BE(bytes, 0);
  prefix.writeUInt32BE(text.length, 4);
  return [prefix, text, ...parts];
}

/** Reads messages from chunks of bytes, wherever the chunks are cut. */
export class MessageReader {
  #chunks: Buffer[] = [];
  #bytes = 0;

  /**
   * Returns the messages that are complete with this chunk. Their parts are views of it.
   *
   * Errors: BROKER_UNAVAILABLE for bytes that are no message. The connection can then only be closed.
   */
  push(chunk: Buffer): readonly Message[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const messages: Message[] = [];
    while (this.#bytes >= PREFIX_BYTES) {
      const [first] = this.#chunks as [Buffer];
      const start = first.length >= PREFIX_BYTES ? first : this.#join();
      const length = start.readUInt32BE(0);
      const headLength = start.readUInt32BE(4);
      if (length > MAX_MESSAGE_BYTES || headLength > length) throw noMessage(`a message of ${length} bytes`);
      if (this.#bytes < PREFIX_BYTES + length) break;
      const all = this.#join();
      messages.push(decode(all.subarray(PREFIX_BYTES, PREFIX_BYTES + length), headLength));
      const rest = all.subarray(PREFIX_BYTES + length);
      this.#chunks = rest.length > 0 ? [rest] : [];
      this.#bytes = rest.length;
    }
    return messages;
  }

  #join(): Buffer {
    const [first] = this.#chunks as [Buffer];
    const all = this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}

function decode(bytes: Buffer, headLength: number): Message {
  let list: unknown;
  try {
    list = JSON.parse(bytes.toString('utf8', 0, headLength));
  } catch {
    throw noMessage('a head that is no JSON');
  }
  if (!Array.isArray(list) || !list.slice(1).every((length) => Number.isSafeInteger(length) && length >= 0))
    throw noMessage('a head without lengths');
  const [head, ...lengths] = list as [unknown, ...number[]];
  const parts: Buffer[] = [];
  let at = headLength;
  for (const length of lengths) {
    parts.push(bytes.subarray(at, at + length));
    at += length;
  }
  if (at !== bytes.length) throw noMessage('parts of other lengths');
  return { head, parts };
}

const noMessage = (saw: string): StreamsError =>
  new StreamsError('BROKER_UNAVAILABLE', {
    what: 'a process of this machine sent something that is no message',
    saw,
    expected: 'messages of this version of millrace',
    action: 'Use the same version of millrace in all processes that share a directory.',
  });
