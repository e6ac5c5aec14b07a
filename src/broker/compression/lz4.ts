import { type Codec, tooLarge, UnpackError } from './codec.js';

const MAGIC = 0x184d2204;
const FLAG = { blockChecksum: 0x10, contentSize: 0x08, contentChecksum: 0x04, dictionary: 0x01 } as const;
/** Bits 4 to 6 of the second byte: 4 to 7 for 64 KiB, 256 KiB, 1 MiB and 4 MiB. */
const blockMaxBytes = (descriptor: number): number => 2 ** (8 + 2 * ((descriptor >> 4) & 7));
/** One byte of a block's lengths stands for at most 255 bytes. */
const MOST_TIMES = 255;
const UNCOMPRESSED = 0x8000_0000;

/** LZ4's frame format, with `lz4-napi`: native, prebuilt for all platforms that Node supports. */
export async function loadLz4(): Promise<Codec> {
  const { default: lz4 } = await import('lz4-napi');
  return {
    name: 'lz4',
    pack: (bytes) => lz4.compressFrameSync(bytes),
    unpack(bytes, maxBytes) {
      const most = mostBytes(bytes);
      if (most > maxBytes) throw tooLarge(most, maxBytes);
      return lz4.decompressFrameSync(bytes);
    },
  };
}

/**
 * An upper bound for the decompressed size of a frame, computed from its blocks without decompression,
 * because the library has no limit. In frames of Kafka's clients all blocks except the last are full, so the
 * bound is less than one block too high.
 */
function mostBytes(frame: Buffer): number {
  if (frame.length < 7 || frame.readUInt32LE(0) !== MAGIC) throw new UnpackError('they do not begin as an LZ4 frame');
  const flags = frame.readUInt8(4);
  const blockMax = blockMaxBytes(frame.readUInt8(5));
  let at = 7 + (flags & FLAG.contentSize ? 8 : 0) + (flags & FLAG.dictionary ? 4 : 0);
  let total = 0;
  for (;;) {
    if (at + 4 > frame.length) throw new UnpackError('they end before the end of the LZ4 frame');
    const field = frame.readUInt32LE(at);
    at += 4;
    if (field === 0) break;
    const length = field & (UNCOMPRESSED - 1);
    total += field >= UNCOMPRESSED ? length : Math.min(blockMax, length * MOST_TIMES);
    at += length + (flags & FLAG.blockChecksum ? 4 : 0);
  }
  at += flags & FLAG.contentChecksum ? 4 : 0;
  if (at !== frame.length) throw new UnpackError(`${frame.length - at} bytes follow the LZ4 frame`);
  return total;
}
