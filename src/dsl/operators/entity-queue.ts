import { type HeaderEntry, Headers } from '../../model/headers.js';
import { PlainRecord, type SourcePosition } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import type { AnyRecord, AnySerde } from '../processor.js';

export type Version = number | bigint;

export interface Held {
  readonly version: Version;
  /** Where it was read, should it become a dead letter. */
  readonly position: SourcePosition;
  readonly record: AnyRecord;
}

/** What is known of one entity: the version that comes next, and the records that came too early, by version. */
export interface EntityQueue {
  readonly next: Version;
  readonly held: readonly Held[];
}

export const following = (version: Version): Version => (typeof version === 'bigint' ? version + 1n : version + 1);

/** Where a version belongs among the held ones: its place, and whether it is there already. */
export function placeOf(held: readonly Held[], version: Version): { readonly at: number; readonly taken: boolean } {
  let low = 0;
  let high = held.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((held[middle] as Held).version < version) low = middle + 1;
    else high = middle;
  }
  return { at: low, taken: held[low]?.version === version };
}

const FORMAT = 1;

/**
 * An entity's row on disk, format 1 (integers big endian):
 *
 * | bytes | what |
 * |---|---|
 * | 1 | format |
 * | 1 | 0: versions are numbers, 1: bigints |
 * | 4 + n | next version, decimal text |
 * | 4 | number of held records, then for each: |
 * | 4 + n | version, decimal text |
 * | 4 + n, 4, 8 | source topic, partition, offset (double) |
 * | 8 | timestamp, double |
 * | 4 + n | key; length −1: null |
 * | 4 + n | value; length −1: null |
 * | 2 | number of headers, then for each: 4 + n name (UTF-8), 4 + n value; length −1: null |
 */
export function entityQueueSerde(key: AnySerde, value: AnySerde): Serde<EntityQueue> {
  return {
    name: `reorder-${FORMAT}(${key.name},${value.name})`,
    encode(queue) {
      const parts: Buffer[] = [
        Buffer.from([FORMAT, typeof queue.next === 'bigint' ? 1 : 0]),
        text(String(queue.next)),
        count(queue.held.length),
      ];
      for (const { version, record, position } of queue.held) {
        const numbers = Buffer.allocUnsafe(16);
        numbers.writeDoubleBE(position.offset, 0);
        numbers.writeDoubleBE(record.timestamp, 8);
        parts.push(text(String(version)), text(position.topic), count(position.partition), numbers);
        parts.push(...long(record.key === null ? null : key.encode(record.key)));
        parts.push(...long(record.value === null ? null : value.encode(record.value)));
        const headers = record.headers.entries;
        const size = Buffer.allocUnsafe(2);
        size.writeUInt16BE(headers.length);
        parts.push(size);
        for (const [name, bytes] of headers) parts.push(text(name), ...long(bytes));
      }
      return Buffer.concat(parts);
    },
    decode(bytes) {
      const reader = new Reading(bytes);
      const format = reader.byte();
      if (format !== FORMAT) throw new Error(`saw reorder row format ${format}, expected ${FORMAT}`);
      const big = reader.byte() === 1;
      const version = (): Version => (big ? BigInt(reader.text()) : Number(reader.text()));
      const next = version();
      const held: Held[] = [];
      for (let left = reader.count(); left > 0; left--) {
        const own = version();
        const position = { topic: reader.text(), partition: reader.count(), offset: reader.double() };
        const timestamp = reader.double();
        const keyBytes = reader.long();
        const valueBytes = reader.long();
        const headers: HeaderEntry[] = [];
        for (let more = reader.size(); more > 0; more--) headers.push([reader.text(), reader.long()]);
        const record = new PlainRecord(
          keyBytes === null ? null : key.decode(keyBytes),
          valueBytes === null ? null : value.decode(valueBytes),
          timestamp,
          headers.length === 0 ? Headers.none : new Headers(headers),
        );
        held.push({ version: own, position, record });
      }
      return { next, held };
    },
  };
}

function text(value: string): Buffer {
  const length = Buffer.byteLength(value);
  const bytes = Buffer.allocUnsafe(4 + length);
  bytes.writeInt32BE(length);
  bytes.write(value, 4);
  return bytes;
}

function count(n: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(n);
  return bytes;
}

const long = (bytes: Uint8Array | null): Buffer[] =>
  bytes === null ? [count(-1)] : [count(bytes.length), Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)];

class Reading {
  #at = 0;

  constructor(private readonly bytes: Buffer) {}

  byte(): number {
    return this.bytes.readUInt8(this.#move(1));
  }

  size(): number {
    return this.bytes.readUInt16BE(this.#move(2));
  }

  count(): number {
    return this.bytes.readInt32BE(this.#move(4));
  }

  double(): number {
    return this.bytes.readDoubleBE(this.#move(8));
  }

  text(): string {
    const length = this.count();
    const start = this.#move(length);
    return this.bytes.toString('utf8', start, start + length);
  }

  long(): Buffer | null {
    const length = this.count();
    if (length < 0) return null;
    const start = this.#move(length);
    return this.bytes.subarray(start, start + length);
  }

  #move(length: number): number {
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.bytes.length)
      throw new Error(`saw a reorder row of ${this.bytes.length} bytes, expected at least ${this.#at}`);
    return start;
  }
}
