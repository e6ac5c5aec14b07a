import { PlainRecord, type SourcePosition } from '../../model/record.js';
import { checkEncodes, checkedBefore } from '../../serdes/check.js';
import { containing } from '../../serdes/containing.js';
import type { Serde } from '../../serdes/serde.js';
import type { RowItems } from '../../state/contract.js';
import { ByteReader, readHeaders, written } from '../common/bytes.js';
import type { AnyRecord, AnySerde } from '../contract/processor.js';

export type EntityVersion = number | bigint;

/**
 * A waiting record. It is encoded once, and decoded once when it is first needed. This matters because a row
 * (or a page of a long one) is written at every commit that changes it and read with all its waiting records.
 */
export class Held {
  readonly version: EntityVersion;
  readonly #serdes: HeldSerdes;
  #content: HeldContent | undefined;
  #bytes: Buffer | undefined;

  constructor(version: EntityVersion, serdes: HeldSerdes, from: HeldContent | Buffer) {
    this.version = version;
    this.#serdes = serdes;
    if (Buffer.isBuffer(from)) this.#bytes = from;
    else this.#content = from;
  }

  /** A record that starts to wait. Throws if it cannot be encoded. */
  static of(version: EntityVersion, serdes: HeldSerdes, content: HeldContent): Held {
    const { key, value } = content.record;
    if (key !== null) checkEncodes(serdes.key, key);
    if (value !== null) checkEncodes(serdes.value, value);
    return new Held(version, serdes, content);
  }

  get record(): AnyRecord {
    return this.#read().record;
  }

  /** The record's source position, in case it becomes a dead letter. */
  get position(): SourcePosition {
    return this.#read().position;
  }

  get bytes(): Buffer {
    this.#bytes ??= encodeHeld(this.version, this.#read(), this.#serdes);
    return this.#bytes;
  }

  #read(): HeldContent {
    this.#content ??= decodeHeld(this.#bytes as Buffer, this.#serdes);
    return this.#content;
  }
}

interface HeldContent {
  readonly record: AnyRecord;
  readonly position: SourcePosition;
}

/** How the keys and values of waiting records are written. */
export interface HeldSerdes {
  readonly key: AnySerde;
  readonly value: AnySerde;
}

/** The state of one entity: the next version, and the records that came too early, sorted by version. */
export interface EntityQueue {
  readonly next: EntityVersion;
  readonly held: readonly Held[];
}

export const following = (version: EntityVersion): EntityVersion =>
  typeof version === 'bigint' ? version + 1n : version + 1;

/** The index of a version in the sorted list, and whether the list already contains it. */
export function indexOfVersion(
  held: readonly Held[],
  version: EntityVersion,
): { readonly at: number; readonly taken: boolean } {
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
const LENGTH_BYTES = 4;

/**
 * The row of an entity on disk, format 1. Integers are big endian; a text is its length in 4 bytes, then
 * UTF-8:
 *
 * | bytes | what |
 * |---|---|
 * | 1 | format |
 * | 1 | 0: versions are numbers, 1: bigints |
 * | text | next version, decimal |
 * | 4 | number of waiting records, then for each: |
 * | 4 + n | its length, and its bytes: |
 * | text | version, decimal |
 * | text, 4, 8 | source topic, partition, offset (double) |
 * | 8 | timestamp, double |
 * | 4 + n | key; length −1: null |
 * | 4 + n | value; length −1: null |
 * | 4 | number of headers, then for each: text, 4 + n value; length −1: null |
 */
export function entityQueueSerde(serdes: HeldSerdes): Serde<EntityQueue> {
  return containing(serdes.value, {
    name: `reorder-${FORMAT}(${serdes.key.name},${serdes.value.name})`,
    check: checkedBefore,
    encode: ({ next, held }) =>
      written((row) => {
        row.byte(FORMAT);
        row.byte(typeof next === 'bigint' ? 1 : 0);
        row.text(String(next));
        row.int32(held.length);
        for (const { bytes } of held) row.bytes(bytes);
      }),
    decode(bytes) {
      const reader = new ByteReader(bytes, 'a reorder row');
      const format = reader.byte();
      if (format !== FORMAT) throw new Error(`saw reorder row format ${format}, expected ${FORMAT}`);
      const version = reader.byte() === 1 ? BigInt : Number;
      const next = version(reader.text());
      const held: Held[] = [];
      for (let left = reader.int32(); left > 0; left--) {
        const own = reader.bytes() ?? Buffer.alloc(0);
        if (serdes.key.ready || serdes.value.ready) checkReady(own, serdes);
        held.push(new Held(version(new ByteReader(own, 'a record that waits').text()), serdes, own));
      }
      return { next, held };
    },
  });
}

/** Splits a row with many waiting records into pages: there is no limit per entity. */
export const entityQueueItems: RowItems<EntityQueue> = {
  of: ({ held }) => held,
  size: ({ bytes }: Held) => LENGTH_BYTES + bytes.length,
  with: ({ next }, held) => ({ next, held: held as readonly Held[] }),
};

const encodeHeld = (version: EntityVersion, { record, position }: HeldContent, { key, value }: HeldSerdes): Buffer =>
  written((row) => {
    row.text(String(version));
    row.text(position.topic);
    row.int32(position.partition);
    row.double(position.offset);
    row.double(record.timestamp);
    row.bytes(record.key === null ? null : key.encode(record.key));
    row.bytes(record.value === null ? null : value.encode(record.value));
    row.headers(record.headers);
  });

/**
 * Throws if the serdes are not ready to decode a waiting record. The record is decoded later, when it is
 * needed in the middle of other work, and everything must be available by then.
 */
function checkReady(bytes: Buffer, { key, value }: HeldSerdes): void {
  const reader = new ByteReader(bytes, 'a record that waits');
  reader.text();
  reader.text();
  reader.int32();
  reader.double();
  reader.double();
  const [keyBytes, valueBytes] = [reader.bytes(), reader.bytes()];
  if (keyBytes !== null) key.ready?.(keyBytes);
  if (valueBytes !== null) value.ready?.(valueBytes);
}

function decodeHeld(bytes: Buffer, { key, value }: HeldSerdes): HeldContent {
  const reader = new ByteReader(bytes, 'a record that waits');
  reader.text();
  const position = { topic: reader.text(), partition: reader.int32(), offset: reader.double() };
  const timestamp = reader.double();
  const keyBytes = reader.bytes();
  const valueBytes = reader.bytes();
  const record = new PlainRecord(
    keyBytes === null ? null : key.decode(keyBytes),
    valueBytes === null ? null : value.decode(valueBytes),
    timestamp,
    readHeaders(reader),
  );
  return { record, position };
}
