import { type HeaderEntry, Headers } from '../../model/headers.js';

/** Pieces of rows that are made of several parts: integers are big endian. */
export function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function double(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

/** Its length in bytes, and UTF-8. */
export function text(value: string): Buffer {
  const length = Buffer.byteLength(value);
  const bytes = Buffer.allocUnsafe(4 + length);
  bytes.writeInt32BE(length);
  bytes.write(value, 4);
  return bytes;
}

/** The length, and the bytes; length −1 for null. */
export const bytesOrNull = (bytes: Uint8Array | null): Buffer[] =>
  bytes === null ? [int32(-1)] : [int32(bytes.length), Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)];

/** The number of headers, then of each its name, and its value as {@link bytesOrNull}. */
export const headerBytes = ({ entries }: Headers): Buffer[] => [
  int32(entries.length),
  ...entries.flatMap(([name, bytes]) => [text(name), ...bytesOrNull(bytes)]),
];

export function readHeaders(reader: ByteReader): Headers {
  const entries: HeaderEntry[] = [];
  for (let left = reader.int32(); left > 0; left--) entries.push([reader.text(), reader.bytes()]);
  return entries.length === 0 ? Headers.none : new Headers(entries);
}

/** Reads such pieces one after the other. An Error says so when there are too few bytes. */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Buffer, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#move(1));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#move(4));
  }

  double(): number {
    return this.#bytes.readDoubleBE(this.#move(8));
  }

  text(): string {
    return (this.bytes() ?? '').toString();
  }

  /** A view; null if the length is −1. */
  bytes(): Buffer | null {
    const length = this.int32();
    if (length < 0) return null;
    const start = this.#move(length);
    return this.#bytes.subarray(start, start + length);
  }

  #move(length: number): number {
    const start = this.#at;
    this.#at += length;
    if (this.#at <= this.#bytes.length) return start;
    throw new Error(`saw ${this.#what} of ${this.#bytes.length} bytes, expected at least ${this.#at}`);
  }
}
