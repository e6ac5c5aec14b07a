import { UnpackError } from './codec.js';

const MAGIC = 0xfd2f_b528;
const MAX_BLOCK_BYTES = 128 * 1024;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const BLOCK = { raw: 0, repeated: 1, compressed: 2 } as const;

export interface ZstdFrame {
  readonly bytes: Buffer;
  /** An upper bound for the decompressed size: the declared size, or else computed from the blocks. */
  readonly most: number;
}

/**
 * The Zstandard frames (RFC 8878) in these bytes, without decompression. Java writes frames that do not
 * declare their content size, but the library needs the size in advance. All blocks except the last hold 128
 * KiB, so the number of blocks gives the size.
 */
export function zstdFrames(bytes: Buffer): readonly ZstdFrame[] {
  const frames: ZstdFrame[] = [];
  try {
    for (let at = 0; at < bytes.length; ) {
      const frame = frameAt(bytes, at);
      frames.push(frame);
      at += frame.bytes.length;
    }
  } catch (error) {
    if (error instanceof RangeError) throw new UnpackError('they end within a Zstandard frame');
    throw error;
  }
  return frames;
}

function frameAt(bytes: Buffer, start: number): ZstdFrame {
  if (bytes.readUInt32LE(start) !== MAGIC) throw new UnpackError('no Zstandard frame begins where one has to');
  const descriptor = bytes.readUInt8(start + 4);
  const singleSegment = (descriptor & 0x20) !== 0;
  let at = start + 5 + (singleSegment ? 0 : 1) + (DICTIONARY_ID_BYTES[descriptor & 3] as number);
  const sizeFlag = descriptor >> 6;
  let said: number | undefined;
  if (sizeFlag === 0 && singleSegment) said = bytes.readUInt8(at);
  else if (sizeFlag === 1) said = bytes.readUInt16LE(at) + 256;
  else if (sizeFlag === 2) said = bytes.readUInt32LE(at);
  else if (sizeFlag === 3) said = Number(bytes.readBigUInt64LE(at));
  if (said !== undefined) at += sizeFlag === 0 ? 1 : 2 ** sizeFlag;

  let most = 0;
  for (let last = false; !last; ) {
    const head = bytes.readUIntLE(at, 3);
    at += 3;
    last = (head & 1) === 1;
    const type = (head >> 1) & 3;
    const size = head >> 3;
    if (type > BLOCK.compressed) throw new UnpackError('a Zstandard block is of an unknown type');
    most += type === BLOCK.compressed ? MAX_BLOCK_BYTES : size;
    at += type === BLOCK.repeated ? 1 : size;
  }
  if (descriptor & 4) at += 4;
  if (at > bytes.length) throw new UnpackError('they end within a Zstandard frame');
  if (said !== undefined && said > most)
    throw new UnpackError(`a Zstandard frame says it holds ${said} bytes, its blocks can hold ${most}`);
  return { bytes: bytes.subarray(start, at), most: said ?? most };
}
