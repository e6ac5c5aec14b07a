import type { ProducerRecord } from '../../broker/port.js';
import { isStreamsError, messageOf } from '../../model/errors.js';
import { type HeaderEntry, Headers } from '../../model/headers.js';
import type { SourcePosition } from '../../model/record.js';

/**
 * Builds the record for the dead letter topic: the raw key, value, timestamp and headers. Further headers
 * contain its origin and the reason, so that it can be fed in again.
 *
 * | header | content |
 * |---|---|
 * | `millrace.topic`, `millrace.partition`, `millrace.offset` | where it was read |
 * | `millrace.application`, `millrace.operator` | what gave up on it |
 * | `millrace.error.code`, `millrace.error.message` | why |
 * | `millrace.attempt` | how often it was tried |
 * | `millrace.shortened` | only if the broker refused the full record: what is shorter, and how many bytes it had |
 *
 * Kafka Streams says the same under other names (KIP-1034), so that its tools can show these letters, too:
 * see {@link forKafkaStreams}.
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
  const entries = [...headers.entries, ...forKafkaStreams(position, error)];
  return { topic, key, value, timestamp, headers: new Headers(entries) };
}

/** The names of these headers: `__streams.errors.topic` and so on. */
const STREAMS_PREFIX = '__streams.errors.';
const STREAMS_NAMES = ['exception', 'message', 'topic', 'partition', 'offset'].map((name) => STREAMS_PREFIX + name);
/** `millrace.error.message` has the whole text. */
const STREAMS_TEXT_BYTES = 1_024;

/**
 * The headers that Kafka Streams gives a dead letter. There is no `__streams.errors.stacktrace`: it would
 * hold paths of the machine, and whoever may read the topic would see them.
 */
function forKafkaStreams({ topic, partition, offset }: SourcePosition, error: unknown): readonly HeaderEntry[] {
  const message = messageOf(error);
  const exception = isStreamsError(error) ? `${error.code}: ${message}` : `PROCESS_FAILED: ${message}`;
  const values = [bounded(exception), bounded(message), topic, String(partition), String(offset)];
  return STREAMS_NAMES.map((name, i) => [name, Buffer.from(values[i] as string)]);
}

/** Whole characters of at most so many bytes. */
function bounded(text: string): string {
  const bytes = Buffer.from(text.slice(0, STREAMS_TEXT_BYTES));
  if (bytes.length <= STREAMS_TEXT_BYTES) return bytes.toString('utf8');
  let end = STREAMS_TEXT_BYTES;
  while (((bytes[end] as number) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}

const PREFIX = 'millrace.';
const MESSAGE = 'millrace.error.message';
const SHORTENED = 'millrace.shortened';
/** This much of the error's text is kept, if there is any room. */
const MESSAGE_BYTES = 256;

/**
 * Room for the names of the two headers, and for the text that lists what is shorter, with four lengths of
 * seven digits.
 */
const SAYING_BYTES =
  MESSAGE.length + SHORTENED.length + 'value 9999999, key 9999999, headers 9999999, message 9999999'.length;

type Content = Pick<ProducerRecord, 'key' | 'value' | 'headers'>;

/** The size of a record's content, without its overhead in a batch. */
export const contentBytes = ({ key, value, headers }: Content): number =>
  (key?.length ?? 0) + (value?.length ?? 0) + headerBytes(headers.entries);

const headerBytes = (entries: readonly HeaderEntry[]): number =>
  entries.reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + (value?.length ?? 0), 0);

/**
 * Shortens a dead letter to at most `maxBytes`: it keeps the first bytes of the value, key and error text.
 * The record's own headers are left out if they take more than a quarter of that. `millrace.shortened` lists
 * what is shorter and how long it was: `value 1048576, key 70000, headers 312, message 9000`. The origin of
 * the record stays whole. The headers for Kafka Streams repeat what others say: they are left out if they
 * take more than an eighth of the room.
 */
export function shortened<R extends Content>(letter: R, maxBytes: number): R {
  const { key, value } = letter;
  const { headers, repeating } = withoutRepeating(letter.headers);
  const own = headers.entries.filter(([name]) => !name.startsWith(PREFIX));
  const message = headers.get(MESSAGE) ?? Buffer.alloc(0);
  const fixed = headers.entries.filter(([name]) => name.startsWith(PREFIX) && name !== MESSAGE);
  const all = Math.max(0, maxBytes - headerBytes(fixed) - SAYING_BYTES);
  const repeated = headerBytes(repeating) <= all / 8 ? repeating : [];
  const room = all - headerBytes(repeated);

  const quarter = Math.floor(room / 4);
  const text = message.subarray(0, Math.min(Math.floor(room / 2), Math.max(MESSAGE_BYTES, quarter)));
  const keyPart = key?.subarray(0, quarter) ?? null;
  const kept = headerBytes(own) <= quarter ? own : [];
  const left = Math.max(0, room - text.length - (keyPart?.length ?? 0) - headerBytes(kept));
  const valuePart = value?.subarray(0, left) ?? null;

  const cut = [
    ['value', value?.length ?? 0, valuePart?.length ?? 0],
    ['key', key?.length ?? 0, keyPart?.length ?? 0],
    ['headers', headerBytes(own), headerBytes(kept)],
    ['message', message.length, text.length],
  ] as const;
  const said = cut.filter(([, before, after]) => after < before).map(([what, before]) => `${what} ${before}`);
  const entries: HeaderEntry[] = [
    ...kept,
    ...fixed,
    [MESSAGE, text],
    ...repeated,
    ...(said.length > 0 ? [[SHORTENED, Buffer.from(said.join(', '))] as const] : []),
  ];
  return { ...letter, key: keyPart, value: valuePart, headers: new Headers(entries) };
}

/** The headers that {@link deadLetter} gives a record. */
const OWN_NAMES = [
  ...['topic', 'partition', 'offset', 'application', 'operator', 'error.code', 'error.message', 'attempt', 'shortened'],
].map((name) => PREFIX + name);

/** The headers of the record from which a letter was made. */
export const withoutLetterHeaders = (headers: Headers): Headers =>
  OWN_NAMES.reduce((rest, name) => rest.without(name), withoutRepeating(headers).headers);

/** Takes out the headers for Kafka Streams: the last of each name. Earlier ones came with the record. */
function withoutRepeating({ entries }: Headers): { headers: Headers; repeating: readonly HeaderEntry[] } {
  const last = new Set(STREAMS_NAMES.map((name) => entries.findLastIndex((entry) => entry[0] === name)));
  return {
    headers: new Headers(entries.filter((_, i) => !last.has(i))),
    repeating: entries.filter((_, i) => last.has(i)),
  };
}
