import { messageOf, StreamsError } from '../../model/errors.js';
import { checkedBefore } from '../../serdes/check.js';
import { containing } from '../../serdes/containing.js';
import type { Serde } from '../../serdes/serde.js';
import { showBytes } from '../../serdes/show.js';
import type { RowItems } from '../../state/contract.js';

/**
 * One of several windows of a key in one row: its start, its highest timestamp and its aggregate. It is
 * immutable: a row replaces it by a new one.
 *
 * The aggregate is decoded when it is first needed. It is not encoded again if it has not changed since it
 * was read or written. Mostly only one window of a row is needed, but its neighbours are read and written
 * with it.
 */
export class Span<A> {
  /** The serde, if the span was read. Its `ready` has been called for these bytes. */
  readonly #serde: Serde<A> | undefined;
  #aggregate: A | undefined;
  #bytes: Buffer | undefined;

  private constructor(
    readonly start: number,
    readonly last: number,
    aggregate: A | undefined,
    bytes: Buffer | undefined,
    serde: Serde<A> | undefined,
  ) {
    this.#serde = serde;
    this.#aggregate = aggregate;
    this.#bytes = bytes;
  }

  static of<A>(start: number, last: number, aggregate: A): Span<A> {
    return new Span(start, last, aggregate, undefined, undefined);
  }

  static read<A>(start: number, last: number, bytes: Buffer, serde: Serde<A>): Span<A> {
    return new Span<A>(start, last, undefined, bytes, serde);
  }

  get aggregate(): A {
    this.#aggregate ??= decoded(this.#serde as Serde<A>, this.#bytes as Buffer);
    return this.#aggregate;
  }

  bytes(serde: Serde<A>): Buffer {
    return this.#bytes ?? serde.encode(this.#aggregate as A);
  }

  /** The size in its row. It encodes the aggregate once, and the write of the row reuses the bytes. */
  size(serde: Serde<A>): number {
    this.#bytes ??= serde.encode(this.#aggregate as A);
    return HEAD_BYTES + this.#bytes.length;
  }

  /** Keeps these bytes, which are part of a whole row. */
  keep(bytes: Buffer): void {
    this.#bytes = bytes;
  }
}

function decoded<A>(serde: Serde<A>, bytes: Buffer): A {
  try {
    return serde.decode(bytes);
  } catch (error) {
    throw new StreamsError('STATE_CORRUPT', {
      what: `cannot decode the aggregate of a window with serde ${serde.name}`,
      saw: messageOf(error),
      action:
        'If the serde changed what it writes without changing its name, change it back; else delete the task directory to have it rebuilt from the changelog.',
      cause: error,
    });
  }
}

export type Spans<A> = readonly Span<A>[];

export const NO_SPANS: Spans<never> = [];

/** The windows in one or two adjacent rows that start between two moments, both included. */
export function around<A>(rows: readonly Spans<A>[], from: number, to: number): Spans<A> {
  const [first = NO_SPANS, second = NO_SPANS] = rows;
  const all = second.length === 0 ? first : first.length === 0 ? second : [...first, ...second];
  const begin = firstFrom(all, from);
  const end = firstFrom(all, to + 1);
  return begin === 0 && end === all.length ? all : all.slice(begin, end);
}

/**
 * The index of the first window that starts at `start` or later; windows are in the order of their starts.
 */
export function firstFrom(spans: Spans<unknown>, start: number): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((spans[middle] as Span<unknown>).start < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Splits a row with many windows into pages: there is no limit per row. */
export const spanItems = <A>(aggregate: Serde<A>): RowItems<Spans<A>> => ({
  of: (spans) => spans,
  size: (span: Span<A>) => span.size(aggregate),
  with: (_, spans) => spans as Spans<A>,
});

const FORMAT = 1;
const HEAD_BYTES = 8 + 8 + 4;
/**
 * In a shorter row, nearly every window changes between two commits. Keeping the bytes would then cost more
 * memory than it saves work.
 */
const MANY = 4;

/**
 * The windows of one row, format 1 (big endian):
 *
 * | bytes | what |
 * |---|---|
 * | 1 | format |
 * | 8, 8, 4 + n | for each: start and highest timestamp (doubles), length of the aggregate and its bytes |
 */
export function spansSerde<A>(aggregate: Serde<A>): Serde<Spans<A>> {
  return containing(aggregate, {
    name: `windows-${FORMAT}(${aggregate.name})`,
    check: checkedBefore,
    encode(spans) {
      const parts = spans.map((span) => span.bytes(aggregate));
      const encoded = Buffer.allocUnsafe(parts.reduce((sum, { length }) => sum + HEAD_BYTES + length, 1));
      let at = encoded.writeUInt8(FORMAT, 0);
      for (let i = 0; i < spans.length; i++) {
        const span = spans[i] as Span<A>;
        const bytes = parts[i] as Buffer;
        at = encoded.writeDoubleBE(span.start, at);
        at = encoded.writeDoubleBE(span.last, at);
        at = encoded.writeInt32BE(bytes.length, at);
        const end = at + bytes.copy(encoded, at);
        if (spans.length > MANY) span.keep(encoded.subarray(at, end));
        at = end;
      }
      return encoded;
    },
    decode(encoded) {
      if (encoded[0] !== FORMAT)
        throw new Error(`saw ${showBytes(encoded)}, expected a row of windows of format ${FORMAT}`);
      const spans: Span<A>[] = [];
      for (let at = 1; at < encoded.length; ) {
        const start = encoded.readDoubleBE(at);
        const last = encoded.readDoubleBE(at + 8);
        const end = at + HEAD_BYTES + encoded.readInt32BE(at + 16);
        if (end > encoded.length)
          throw new Error(`saw a row of windows of ${encoded.length} bytes, expected at least ${end}`);
        const bytes = encoded.subarray(at + HEAD_BYTES, end);
        aggregate.ready?.(bytes);
        spans.push(Span.read(start, last, bytes, aggregate));
        at = end;
      }
      return spans;
    },
  });
}
