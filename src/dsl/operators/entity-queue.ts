import { PlainRecord, type SourcePosition } from '../../model/record.js';
import { checkEncodes, checkedBefore } from '../../serdes/check.js';
import { containing } from '../../serdes/containing.js';
import type { Serde } from '../../serdes/serde.js';
import type { RowItems } from '../../state/contract.js';
import type { AnyRecord, AnySerde } from '../processor.js';
import { ByteReader, readHeaders, written } from './bytes.js';

export type EntityVersion = number | bigint;

/**
 * A record that waits. Encoded once and decoded once, when it is first needed: an entity's row, or a page of
 * a long one, is written at every commit that changes it, and read with all that waits.
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

  /** One that begins to wait. Throws if it cannot be written. */
  static of(version: EntityVersion, serdes: HeldSerdes, content: HeldContent): Held {
    const { key, value } = content.record;
    if (key !== null) checkEncodes(serdes.key, key);
    if (value !== null) checkEncodes(serdes.value, value);
    return new Held(version, serdes, content);
  }

  get record(): AnyRecord {
    return this.#read().record;
  }

  /** Where it was read, should it become a dead letter. */
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

/** How the keys and values of records that wait are written. */
export interface HeldSerdes {
  readonly key: AnySerde;
  readonly value: AnySerde;
}

/**
 * What is known of one entity: the version that comes next, and the records that came too early, by version.
 */
export interface EntityQueue {
  readonly next: EntityVersion;
  readonly held: readonly Held[];
}

export const following = (version: EntityVersion): EntityVersion =>
  typeof version === 'bigint' ? version + 1n : version + 1;

/** Where a version belongs among the held ones: its place, and whether it is there already. */
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
 * An entity's row on disk, format 1 (integers big endian; a text is its length in 4 bytes and UTF-8):
 *
 * | bytes | what |
 * |---|---|
 * | 1 | format |
 * | 1 | 0: versions are numbers, 1: bigints |
 * | text | next version, decimal |
 * | 4 | number of records that wait, then for each: |
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

/** Any number of records may wait for one entity: a row of many is kept in pages. */
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
 * What waits is decoded when it is needed, in the middle of other work: then everything for it must be there.
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
