import { messageOf, StreamsError } from '../../model/errors.js';
import { checkedBefore } from '../../serdes/check.js';
import { containing } from '../../serdes/containing.js';
import type { Serde } from '../../serdes/serde.js';
import { showBytes } from '../../serdes/show.js';
import type { RowItems } from '../../state/contract.js';

/**
 * One of the windows of a key that lie in one row: where it begins, the highest timestamp in it, and its
 * aggregate. Never changed: a row gets a new one in its place.
 *
 * An aggregate is decoded when it is first needed, and what has not changed since it was read or written is
 * not encoded again: mostly one of a row's windows is meant, and its neighbours are read and written with it.
 */
export class Span<A> {
  /** How it was written, if it was read: what it needs for being decoded was asked for there. */
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

  /** How many bytes it takes in its row: it is encoded for that, and not again when the row is written. */
  size(serde: Serde<A>): number {
    this.#bytes ??= serde.encode(this.#aggregate as A);
    return HEAD_BYTES + this.#bytes.length;
  }

  /** From now on its bytes are these, which are part of a whole row. */
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

/** Of rows that follow each other the windows that start between two moments, both included. */
export function around<A>(rows: readonly Spans<A>[], from: number, to: number): Spans<A> {
  const [first = NO_SPANS, second = NO_SPANS] = rows;
  const all = second.length === 0 ? first : first.length === 0 ? second : [...first, ...second];
  const begin = firstFrom(all, from);
  const end = firstFrom(all, to + 1);
  return begin === 0 && end === all.length ? all : all.slice(begin, end);
}

/** Among windows in the order of their starts, the place of the first that does not start before a moment. */
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

/** A row of any number of windows is kept in pages. */
export const spanItems = <A>(aggregate: Serde<A>): RowItems<Spans<A>> => ({
  of: (spans) => spans,
  size: (span: Span<A>) => span.size(aggregate),
  with: (_, spans) => spans as Spans<A>,
});

const FORMAT = 1;
const HEAD_BYTES = 8 + 8 + 4;
/**
 * In a shorter row nearly every window changes between two commits: keeping the bytes would cost more memory
 * than it saves work.
 */
const MANY = 4;

/**
 * Windows that lie in one row, format 1 (big endian):
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
