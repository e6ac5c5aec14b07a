import { type Codec, tooLarge, UnpackError } from './codec.js';

/**
 * The stream of the Java library `snappy-java` (xerial), which Kafka's clients write: 8 bytes of magic, two 32-bit versions, then blocks, each with
 * its length as 32 bits before it.
 */
const MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const HEAD = Buffer.concat([MAGIC, Buffer.from([0, 0, 0, 1, 0, 0, 0, 1])]);
/** The block size of snappy-java. */
const BLOCK_BYTES = 32 * 1024;
/** The densest element of a snappy block is a copy of 64 bytes in 3. */
const MOST_TIMES = 22;

/** By `snappyjs`, which is JavaScript only. librdkafka writes one block without the stream around it: that is read, too. */
export async function loadSnappy(): Promise<Codec> {
  const { default: snappy } = await import('snappyjs');

  const unpackBlock = (block: Buffer, maxBytes: number): Buffer =>
    // It takes the memory that the block says it needs before it looks at the rest.
    snappy.uncompress(block, Math.min(maxBytes, block.length * MOST_TIMES));

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
        if (total > maxBytes) throw tooLarge(total, maxBytes);
        parts.push(part);
        at += length;
      }
      return Buffer.concat(parts, total);
    },
  };
}
