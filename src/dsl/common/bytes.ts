import { type HeaderEntry, Headers } from '../../model/headers.js';

/** A writer with a larger buffer than this releases it. */
const KEPT_BYTES = 1_048_576;

/**
 * Writes the fields of a row one after the other; integers are big endian. All fields share one buffer, since
 * a buffer per field costs more than its content.
 */
export class ByteWriter {
  #bytes = Buffer.allocUnsafeSlow(1_024);
  #at = 0;

  byte(value: number): void {
    const at = this.#move(1);
    this.#bytes.writeUInt8(value, at);
  }

  int32(value: number): void {
    const at = this.#move(4);
    this.#bytes.writeInt32BE(value, at);
  }

  double(value: number): void {
    const at = this.#move(8);
    this.#bytes.writeDoubleBE(value, at);
  }

  /** The length in bytes, then UTF-8. */
  text(value: string): void {
    const start = this.#move(4 + 3 * value.length);
    const length = this.#bytes.write(value, start + 4);
    this.#bytes.writeInt32BE(length, start);
    this.#at = start + 4 + length;
  }

  /** The length, then the bytes; length −1 for null. */
  bytes(value: Uint8Array | null): void {
    this.int32(value === null ? -1 : value.length);
    if (value === null) return;
    const at = this.#move(value.length);
    this.#bytes.set(value, at);
  }

  /** The number of headers, then for each its name and its value as {@link bytes}. */
  headers({ entries }: Headers): void {
    this.int32(entries.length);
    for (const [name, value] of entries) {
      this.text(name);
      this.bytes(value);
    }
  }

  /** A copy of everything written since the last `clear`. */
  take(): Buffer {
    const taken = Buffer.allocUnsafe(this.#at);
    taken.set(this.#bytes.subarray(0, this.#at));
    return taken;
  }

  clear(): void {
    this.#at = 0;
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(1_024);
  }

  /** Reserves `length` bytes and returns their start; grows the buffer if needed. */
  #move(length: number): number {
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#at, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, start));
      this.#bytes = larger;
    }
    return start;
  }
}

/**
 * Writers that are not in use. More than one is needed because the row of one serde may contain the row of
 * another, which is written while the outer row is unfinished.
 */
const idle: ByteWriter[] = [];

/** Runs `write` and returns the bytes of the row. */
export function written(write: (row: ByteWriter) => void): Buffer {
  const writer = idle.pop() ?? new ByteWriter();
  try {
    write(writer);
    return writer.take();
  } finally {
    writer.clear();
    idle.push(writer);
  }
}

export function readHeaders(reader: ByteReader): Headers {
  const entries: HeaderEntry[] = [];
  for (let left = reader.int32(); left > 0; left--) entries.push([reader.text(), reader.bytes()]);
  return entries.length === 0 ? Headers.none : new Headers(entries);
}

/** Reads the fields that {@link ByteWriter} wrote. Throws an Error if there are too few bytes. */
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

  /** A view, not a copy; null if the length is −1. */
  bytes(): Buffer | null {
    const length = this.int32();
    if (length < 0) return null;
    const start = this.#move(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Moves past `length` bytes and returns their start. */
  #move(length: number): number {
    const start = this.#at;
    this.#at += length;
    if (this.#at <= this.#bytes.length) return start;
    throw new Error(`saw ${this.#what} of ${this.#bytes.length} bytes, expected at least ${this.#at}`);
  }
}
