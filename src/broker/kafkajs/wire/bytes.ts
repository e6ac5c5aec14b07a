import { readInt64, writeInt64 } from '../../record-batch/format.js';

const NO_UUID = Buffer.alloc(16);

/**
 * Writes the primitive types of Kafka's protocol, big endian. The flexible versions of requests use "compact"
 * forms (length + 1 as an unsigned varint) and tagged fields.
 */
export class BytesWriter {
  #bytes: Buffer;
  #at = 0;

  constructor(initialBytes = 512) {
    this.#bytes = Buffer.allocUnsafe(initialBytes);
  }

  get written(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  int8(value: number): this {
    this.#reserve(1);
    this.#at = this.#bytes.writeInt8(value, this.#at);
    return this;
  }

  bool(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  int16(value: number): this {
    this.#reserve(2);
    this.#at = this.#bytes.writeInt16BE(value, this.#at);
    return this;
  }

  int32(value: number): this {
    this.#reserve(4);
    this.#at = this.#bytes.writeInt32BE(value, this.#at);
    return this;
  }

  int64(value: number): this {
    this.#reserve(8);
    writeInt64(this.#bytes, value, this.#at);
    this.#at += 8;
    return this;
  }

  string(value: string | null): this {
    if (value === null) return this.int16(-1);
    const length = Buffer.byteLength(value);
    this.int16(length).#reserve(length);
    this.#at += this.#bytes.write(value, this.#at, 'utf8');
    return this;
  }

  bytes(value: Uint8Array | null): this {
    return value === null ? this.int32(-1) : this.int32(value.length).#raw(value);
  }

  /** In most requests, null means "all" and an empty array means "none". */
  array<T>(items: readonly T[] | null, write: (item: T) => void): this {
    this.int32(items === null ? -1 : items.length);
    for (const item of items ?? []) write(item);
    return this;
  }

  compactString(value: string | null): this {
    if (value === null) return this.#uvarint(0);
    const bytes = Buffer.from(value);
    return this.#uvarint(bytes.length + 1).#raw(bytes);
  }

  compactArray<T>(items: readonly T[] | null, write: (item: T) => void): this {
    this.#uvarint(items === null ? 0 : items.length + 1);
    for (const item of items ?? []) write(item);
    return this;
  }

  /** Null is written as the zero UUID, which stands for "none". */
  uuid(value: string | null): this {
    return this.#raw(value === null ? NO_UUID : Buffer.from(value, 'hex'));
  }

  /** Ends a structure of a flexible version, without tagged fields. */
  noTags(): this {
    return this.#uvarint(0);
  }

  #uvarint(value: number): this {
    let rest = value;
    for (; rest > 0x7f; rest >>>= 7) this.#byte((rest & 0x7f) | 0x80);
    return this.#byte(rest);
  }

  #byte(value: number): this {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
    return this;
  }

  #raw(value: Uint8Array): this {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
    return this;
  }

  #reserve(length: number): void {
    if (this.#at + length <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#at + length, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

/**
 * Reads what {@link BytesWriter} writes. Byte fields are views. A RangeError for a response that is
 * malformed.
 */
export class BytesReader {
  #at = 0;

  constructor(readonly source: Buffer) {}

  get done(): boolean {
    return this.#at >= this.source.length;
  }

  int8(): number {
    const value = this.source.readInt8(this.#at);
    this.#at += 1;
    return value;
  }

  bool(): boolean {
    return this.int8() !== 0;
  }

  int16(): number {
    const value = this.source.readInt16BE(this.#at);
    this.#at += 2;
    return value;
  }

  int32(): number {
    const value = this.source.readInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  int64(): number {
    const value = readInt64(this.source, this.#at);
    this.#at += 8;
    return value;
  }

  string(): string | null {
    const length = this.int16();
    return length < 0 ? null : this.#take(length).toString('utf8');
  }

  /** A string that the protocol does not allow to be null. */
  text(): string {
    return this.string() ?? '';
  }

  bytes(): Buffer | null {
    const length = this.int32();
    return length < 0 ? null : this.#take(length);
  }

  array<T>(read: () => T): T[] {
    return this.#items(this.int32(), read);
  }

  compactText(): string {
    const length = this.#uvarint() - 1;
    return length < 0 ? '' : this.#take(length).toString('utf8');
  }

  compactArray<T>(read: () => T): T[] {
    return this.#items(this.#uvarint() - 1, read);
  }

  /** As 32 hexadecimal digits. */
  uuid(): string | null {
    const bytes = this.#take(NO_UUID.length);
    return bytes.equals(NO_UUID) ? null : bytes.toString('hex');
  }

  /** Skips tagged fields: this client uses none of them. */
  skipTags(): void {
    for (let count = this.#uvarint(); count > 0; count--) {
      this.#uvarint();
      this.#take(this.#uvarint());
    }
  }

  #items<T>(count: number, read: () => T): T[] {
    // Every item takes at least one byte, so an impossible count is refused before it costs time.
    const left = this.source.length - this.#at;
    if (count > left) throw new RangeError(`a response has ${left} bytes left for ${count} items`);
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }

  #uvarint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.source.readUInt8(this.#at++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }

  #take(length: number): Buffer {
    if (this.#at + length > this.source.length) throw new RangeError(`a response ends ${length} bytes too early`);
    const part = this.source.subarray(this.#at, this.#at + length);
    this.#at += length;
    return part;
  }
}
