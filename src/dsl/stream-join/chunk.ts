import { checkedBefore } from '../../serdes/check.js';
import { containing } from '../../serdes/containing.js';
import type { Serde } from '../../serdes/serde.js';
import type { RowItems } from '../../state/contract.js';

/**
 * How many records a row holds. This limits how much is encoded again for one more record, and their marks
 * fit into one integer.
 */
export const CHUNK_RECORDS = 32;
/** A row with this many bytes of values is full too; it can exceed the limit by one value at most. */
const FULL_BYTES = 32 * 1024;

/** The lowest and highest timestamp of a full chunk, which decide whether it has to be read. */
export interface ChunkSpan {
  readonly low: number;
  readonly high: number;
}

/** The values already encoded: the bytes of the first ones in sequence, and the end of each. */
interface Written {
  readonly bytes: Buffer;
  readonly ends: readonly number[];
}

const NOTHING_WRITTEN: Written = { bytes: Buffer.alloc(0), ends: [] };

/**
 * Some records of one key and side, in the order of arrival. It is immutable: an added record makes a new
 * chunk, which shares the encoded and decoded values. A value is encoded once, when it arrives, and decoded
 * when it first matches.
 */
export class Chunk<V> {
  /** For chunk 0: the spans of the full chunks, in order. */
  readonly full: readonly ChunkSpan[];
  readonly timestamps: readonly number[];
  /** A bit for each record that waits for a partner, or waited until it was joined with null. */
  readonly waiting: number;
  readonly #values: (V | undefined)[];
  readonly #serde: Serde<V>;
  #written: Written;
  /** The later values, encoded on arrival: their lengths decide when the chunk is full. */
  #added: readonly Buffer[];

  constructor(
    serde: Serde<V>,
    {
      full,
      timestamps,
      waiting,
      values,
      written = NOTHING_WRITTEN,
      added = values.slice(written.ends.length).map((value) => serde.encode(value as V)),
    }: {
      readonly full: readonly ChunkSpan[];
      readonly timestamps: readonly number[];
      readonly waiting: number;
      readonly values: (V | undefined)[];
      readonly written?: Written;
      readonly added?: readonly Buffer[];
    },
  ) {
    this.#serde = serde;
    this.full = full;
    this.timestamps = timestamps;
    this.waiting = waiting;
    this.#values = values;
    this.#written = written;
    this.#added = added;
  }

  get isFull(): boolean {
    if (this.timestamps.length === CHUNK_RECORDS) return true;
    let bytes = this.#written.bytes.length;
    for (const { length } of this.#added) bytes += length;
    return bytes >= FULL_BYTES;
  }

  get span(): ChunkSpan {
    return { low: Math.min(...this.timestamps), high: Math.max(...this.timestamps) };
  }

  value(at: number): V {
    const known = this.#values[at];
    if (known !== undefined) return known;
    const { bytes, ends } = this.#written;
    const value = this.#serde.decode(bytes.subarray(at === 0 ? 0 : ends[at - 1], ends[at]));
    this.#values[at] = value;
    return value;
  }

  waits(at: number): boolean {
    return (this.waiting & (1 << at)) !== 0;
  }

  with(timestamp: number, value: V, waits: boolean): Chunk<V> {
    const at = this.timestamps.length;
    return new Chunk(this.#serde, {
      full: this.full,
      timestamps: [...this.timestamps, timestamp],
      waiting: waits ? this.waiting | (1 << at) : this.waiting,
      values: [...this.#values, value],
      written: this.#written,
      added: [...this.#added, this.#serde.encode(value)],
    });
  }

  /** The same records, with other waiting bits. */
  marked(waiting: number): Chunk<V> {
    return this.#as(this.full, waiting);
  }

  /** The same records as a full chunk, which refers to no other chunk. */
  alone(): Chunk<V> {
    return this.#as([], this.waiting);
  }

  /** The same records, with these full chunks. */
  after(full: readonly ChunkSpan[]): Chunk<V> {
    return this.#as(full, this.waiting);
  }

  #as(full: readonly ChunkSpan[], waiting: number): Chunk<V> {
    return new Chunk(this.#serde, {
      full,
      timestamps: this.timestamps,
      waiting,
      values: this.#values,
      written: this.#written,
      added: this.#added,
    });
  }

  /** For tools that show the store. */
  toJSON(): unknown {
    return {
      records: this.timestamps.map((timestamp, at) => ({ timestamp, value: this.value(at), waiting: this.waits(at) })),
      full: this.full,
    };
  }

  encode(): Buffer {
    const { timestamps, full } = this;
    const { bytes, ends } = this.#written;
    const added = this.#added;
    const allEnds = [...ends];
    let end = bytes.length;
    for (const { length } of added) {
      end += length;
      allEnds.push(end);
    }
    const row = Buffer.allocUnsafe(HEAD_BYTES + 16 * full.length + 12 * timestamps.length + end);
    row[0] = FORMAT;
    row[1] = timestamps.length;
    row.writeInt32BE(this.waiting, 2);
    let at = row.writeUInt32BE(full.length, 6);
    for (const { low, high } of full) at = row.writeDoubleBE(high, row.writeDoubleBE(low, at));
    for (const timestamp of timestamps) at = row.writeDoubleBE(timestamp, at);
    for (const one of allEnds) at = row.writeUInt32BE(one, at);
    const start = at;
    at += bytes.copy(row, at);
    for (const encoded of added) at += encoded.copy(row, at);
    this.#written = { bytes: row.subarray(start), ends: allEnds };
    this.#added = [];
    return row;
  }

  static decode<V>(serde: Serde<V>, row: Buffer): Chunk<V> {
    if (row[0] !== FORMAT) throw new Error(`saw a join's row of format ${row[0]}, expected ${FORMAT}`);
    const records = row.readUInt8(1);
    const waiting = row.readInt32BE(2);
    let at = HEAD_BYTES;
    const full: ChunkSpan[] = [];
    for (let left = row.readUInt32BE(6); left > 0; left--, at += 16)
      full.push({ low: row.readDoubleBE(at), high: row.readDoubleBE(at + 8) });
    const timestamps: number[] = [];
    for (let i = 0; i < records; i++, at += 8) timestamps.push(row.readDoubleBE(at));
    const ends: number[] = [];
    for (let i = 0; i < records; i++, at += 4) ends.push(row.readUInt32BE(at));
    const bytes = row.subarray(at);
    if (bytes.length !== (ends.at(-1) ?? 0))
      throw new Error(`saw ${bytes.length} bytes of values in a join's row, expected ${ends.at(-1) ?? 0}`);
    // Values are decoded later, in the middle of other work, so the serde must be ready for them now.
    if (serde.ready)
      for (let i = 0, from = 0; i < records; from = ends[i++] as number) serde.ready(bytes.subarray(from, ends[i]));
    return new Chunk(serde, { full, timestamps, waiting, values: new Array(records), written: { bytes, ends } });
  }
}

const FORMAT = 1;
const HEAD_BYTES = 10;

/** Splits a row into pages if it refers to many full chunks. */
export const chunkItems = <V>(value: Serde<V>): RowItems<Chunk<V>> => ({
  of: ({ full }) => full,
  size: () => 16,
  with: (chunk, full) => chunk.after(full as readonly ChunkSpan[]),
  page: (_, full) => new Chunk(value, { full: full as readonly ChunkSpan[], timestamps: [], waiting: 0, values: [] }),
});

/**
 * A row of a join's buffer, format 1 (integers big endian):
 *
 * | bytes | what |
 * |---|---|
 * | 1 | format |
 * | 1 | number of records |
 * | 4 | a bit for each that waits, the first one lowest |
 * | 4 | number of full chunks, then for each: |
 * | 8, 8 | its lowest and highest timestamp, doubles |
 * | 8 a record | timestamps, doubles |
 * | 4 a record | where its value ends in what follows |
 * | rest | the values |
 */
export function chunkSerde<V>(value: Serde<V>): Serde<Chunk<V>> {
  return containing(value, {
    name: `chunk-${FORMAT}(${value.name})`,
    check: checkedBefore,
    encode: (chunk) => chunk.encode(),
    decode: (row) => Chunk.decode(value, row),
  });
}
