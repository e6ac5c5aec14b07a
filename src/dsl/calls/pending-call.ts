import { messageOf, StreamsError } from '../../model/errors.js';
import type { Headers } from '../../model/headers.js';
import { isNotReady } from '../../model/not-ready.js';
import { isChange, PlainRecord, rowChange, type SourcePosition } from '../../model/record.js';
import { checkedBefore } from '../../serdes/check.js';
import { containing } from '../../serdes/containing.js';
import type { Serde } from '../../serdes/serde.js';
import { ByteReader, readHeaders, written } from '../common/bytes.js';
import type { AnyRecord, AnySerde } from '../contract/push.js';

/** Characters of the last error that a row keeps. */
const MOST_ERROR = 200;

/** A record of a stream; a change of a table; of a versioned table, the newest or an earlier version. */
const KINDS = [undefined, false, false, true] as const;

/** What is kept of a record that waits for its call: the request as it is, not where it came from. */
interface Request {
  /** The path of the record: it identifies the call. */
  readonly origin: string;
  /** The part of the idempotency key after the application's name. */
  readonly id: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** An index of {@link KINDS}. */
  readonly kind: number;
  /** The row before the change. */
  readonly previous: Buffer | null;
  readonly timestamp: number;
  readonly headers: Headers;
  readonly position: SourcePosition;
}

/** A row of the store of pending calls. */
export class PendingCall {
  /** @param next The earliest moment of the attempt. @param error The error of the attempt before. */
  constructor(
    readonly request: Request,
    readonly attempt = 1,
    readonly next = 0,
    readonly error = '',
  ) {}

  /** After a failed attempt. */
  again(next: number, error: string): PendingCall {
    return new PendingCall(this.request, this.attempt + 1, next, error.slice(0, MOST_ERROR));
  }

  /** For tools that show the store. */
  toJSON(): object {
    const { request, attempt, next, error } = this;
    const { id, key, value, timestamp, position } = request;
    const text = (bytes: Buffer | null): string | null => bytes?.toString() ?? null;
    return {
      ...{ id, key: text(key), value: text(value), timestamp, position, attempt },
      ...(next > 0 && { next }),
      ...(error !== '' && { error }),
    };
  }
}

/** How the keys and values of waiting records are written. */
export interface RequestSerdes {
  readonly key: AnySerde;
  readonly value: AnySerde;
}

/** SERIALIZE_FAILED if a serde cannot write the record. */
export function requestOf(
  record: AnyRecord,
  place: Pick<Request, 'origin' | 'id' | 'position'>,
  { key, value }: RequestSerdes,
  at: string,
): Request {
  const write = (side: string, serde: AnySerde, content: unknown): Buffer | null => {
    if (content === null || content === undefined) return null;
    try {
      return serde.encode(content);
    } catch (error) {
      if (isNotReady(error)) throw error;
      throw new StreamsError('SERIALIZE_FAILED', {
        what: `the ${side} of a record that waits for its call cannot be written: ${messageOf(error)}`,
        at,
        action: side === 'key' ? 'Correct the key.' : 'Give the option request a serde for these values.',
        cause: error,
      });
    }
  };
  const change = isChange(record) ? record : undefined;
  const kind = change === undefined ? 0 : change.outOfOrder === undefined ? 1 : change.outOfOrder ? 3 : 2;
  return {
    ...place,
    key: write('key', key, record.key),
    value: write('value', value, record.value),
    kind,
    previous: change ? write('previous value', value, change.previous) : null,
    timestamp: record.timestamp,
    headers: record.headers,
  };
}

/** The record as it was: always from its bytes, so that it is the same before and after a crash. */
export function recordOf(
  { key, value, kind, previous, timestamp, headers }: Request,
  serdes: RequestSerdes,
): AnyRecord {
  const [k, v] = [key && serdes.key.decode(key), value && serdes.value.decode(value)];
  if (kind === 0) return new PlainRecord(k, v, timestamp, headers);
  const before = previous && serdes.value.decode(previous);
  return rowChange(k, v, before, { timestamp, headers }, kind === 1 ? undefined : KINDS[kind]);
}

const FORMAT = 1;

/**
 * A row on disk, format 1. Integers are big endian; a text is its length in 4 bytes, then UTF-8:
 *
 * | bytes | what |
 * |---|---|
 * | 1, 1 | format, kind of the record |
 * | 4, 8 | attempt, its earliest moment (double) |
 * | text, text, text | last error, origin, id |
 * | text, 4, 8 | source topic, partition, offset (double) |
 * | 8 | timestamp, double |
 * | 4 + n, 4 + n, 4 + n | key, value, previous value; length −1: null |
 * | 4 | number of headers, then for each: text, 4 + n value; length −1: null |
 */
export const pendingCallSerde = ({ key, value }: RequestSerdes): Serde<PendingCall> =>
  containing(value, {
    name: `call-${FORMAT}(${key.name},${value.name})`,
    check: checkedBefore,
    encode: ({ request, attempt, next, error }) =>
      written((row) => {
        row.byte(FORMAT);
        row.byte(request.kind);
        row.int32(attempt);
        row.double(next);
        for (const text of [error, request.origin, request.id, request.position.topic]) row.text(text);
        row.int32(request.position.partition);
        row.double(request.position.offset);
        row.double(request.timestamp);
        for (const bytes of [request.key, request.value, request.previous]) row.bytes(bytes);
        row.headers(request.headers);
      }),
    decode(bytes) {
      const row = new ByteReader(bytes, 'a call that waits');
      const format = row.byte();
      if (format !== FORMAT) throw new Error(`saw format ${format} of a call that waits, expected ${FORMAT}`);
      const [kind, attempt, next] = [row.byte(), row.int32(), row.double()];
      const [error, origin, id] = [row.text(), row.text(), row.text()];
      const position = { topic: row.text(), partition: row.int32(), offset: row.double() };
      const timestamp = row.double();
      const content = { key: row.bytes(), value: row.bytes(), previous: row.bytes() };
      const request = { origin, id, position, timestamp, kind, ...content, headers: readHeaders(row) };
      return new PendingCall(request, attempt, next, error);
    },
  });
