import * as zlib from 'node:zlib';
import { type Codec, tooLarge } from './codec.js';
import { zstdFrames } from './zstd-frames.js';

/** Node's own Zstandard functions, from 22.15 on. */
interface BuiltIn {
  zstdCompressSync?: (bytes: Buffer) => Buffer;
  zstdDecompressSync?: (bytes: Buffer, options: { readonly maxOutputLength: number }) => Buffer;
}

/** Shared, because a second `init` would replace the library's memory while it is in use. */
let ready: Promise<void> | undefined;

/**
 * Built into Node from 22.15 on; before that, `@bokuweb/zstd-wasm`, which keeps memory for its largest batch.
 */
export async function loadZstd(node: BuiltIn = zlib as BuiltIn): Promise<Codec> {
  const { zstdCompressSync, zstdDecompressSync } = node;
  if (zstdCompressSync && zstdDecompressSync) {
    return {
      name: 'zstd',
      pack: (bytes) => zstdCompressSync(bytes),
      unpack: (bytes, maxBytes) => zstdDecompressSync(bytes, { maxOutputLength: maxBytes }),
    };
  }
  const { default: zstd } = await import('@bokuweb/zstd-wasm');
  ready ??= zstd.init();
  await ready;
  return {
    name: 'zstd',
    pack: (bytes) => zstd.compress(bytes),
    unpack(bytes, maxBytes) {
      const frames = zstdFrames(bytes);
      const most = frames.reduce((sum, frame) => sum + frame.most, 0);
      if (most > maxBytes) throw tooLarge(most, maxBytes);
      // With a size of 0 the library would treat the address of its memory as missing.
      const parts = frames.map((frame) => zstd.decompress(frame.bytes, { defaultHeapSize: frame.most || 1 }));
      return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
    },
  };
}
