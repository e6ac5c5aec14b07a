import { type Codec, tooLarge, UnpackError } from './codec.js';

/**
 * The stream format of the Java library `snappy-java` (xerial), which Kafka's clients write. It has 8 bytes
 * of magic, two 32-bit versions, then blocks, each preceded by its length in 32 bits.
 */
const MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const HEAD = Buffer.concat([MAGIC, Buffer.from([0, 0, 0, 1, 0, 0, 0, 1])]);
/** The block size of snappy-java. */
const BLOCK_BYTES = 32 * 1024;
/**
 * Uses `snappyjs`, which is pure JavaScript. librdkafka writes one block without the stream around it: that
 * is accepted too.
 */
export async function loadSnappy(): Promise<Codec> {
  const { default: snappy } = await import('snappyjs');

  const unpackBlock = (block: Buffer, maxBytes: number): Buffer => {
    // The library allocates the length that a block declares before it checks the rest, and fills missing
    // bytes with zeros.
    const { said, given } = lengthsOf(block);
    if (said > maxBytes) throw tooLarge(said, maxBytes);
    if (said !== given) throw new UnpackError(`a block says it holds ${said} bytes, it holds ${given}`);
    return snappy.uncompress(block, maxBytes);
  };

  return {
    name: 'snappy',
    pack(bytes) {
      const parts: Buffer[] = [HEAD];
      for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
        const block = snappy.compress(bytes.subarray(at, at + BLOCK_BYTES));
        const length = Buffer.alloc(4);
        length.writeInt32BE(block.length);
        parts.push(length, block);
      }
      return Buffer.concat(parts);
    },
    unpack(bytes, maxBytes) {
      if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return unpackBlock(bytes, maxBytes);
      const parts: Buffer[] = [];
      let total = 0;
      for (let at = HEAD.length; at < bytes.length; ) {
        if (at + 4 > bytes.length) throw new UnpackError('they end within the length of a block');
        const length = bytes.readInt32BE(at);
        at += 4;
        if (length < 0 || at + length > bytes.length)
          throw new UnpackError(`they end within a block of ${length} bytes`);
        const part = unpackBlock(bytes.subarray(at, at + length), maxBytes - total);
        total += part.length;
        parts.push(part);
        at += length;
      }
      return Buffer.concat(parts, total);
    },
  };
}

/**
 * The decompressed length that a block declares, and the length that its elements produce, computed without
 * decompression.
 */
function lengthsOf(block: Buffer): { readonly said: number; readonly given: number } {
  let at = 0;
  let said = 0;
  for (let shift = 0, more = true; more; shift += 7) {
    if (shift > 28 || at >= block.length) throw new UnpackError('a block does not begin with its length');
    const byte = block[at++] as number;
    said += (byte & 0x7f) * 2 ** shift;
    more = byte >= 0x80;
  }
  let given = 0;
  while (at < block.length) {
    const tag = block[at++] as number;
    const kind = tag & 3;
    let length = (tag >> 2) + 1;
    if (kind === LITERAL) {
      const extra = Math.max(0, length - LONGEST_SHORT_LITERAL);
      if (at + extra > block.length) throw new UnpackError('a block ends within a length');
      if (extra > 0) length = block.readUIntLE(at, extra) + 1;
      at += extra + length;
    } else {
      if (kind === 1) length = ((tag >> 2) & 7) + 4;
      at += COPY_OFFSET_BYTES[kind] as number;
    }
    given += length;
  }
  if (at !== block.length) throw new UnpackError('a block ends within an element');
  return { said, given };
}

const LITERAL = 0;
/** The length of a longer literal follows its tag, in one to four bytes. */
const LONGEST_SHORT_LITERAL = 60;
/** By the kind of a copy: the size of its offset, which is the distance back to its source. */
const COPY_OFFSET_BYTES = [0, 1, 2, 4];
