import * as zlib from 'node:zlib';
import { type Codec, tooLarge } from './codec.js';
import { zstdFrames } from './zstd-frames.js';

/** Zstandard of Node itself, from 22.15 on. */
interface BuiltIn {
  zstdCompressSync?: (bytes: Buffer) => Buffer;
  zstdDecompressSync?: (bytes: Buffer, options: { readonly maxOutputLength: number }) => Buffer;
}

/** A second `init` would replace the library's memory while somebody uses it. */
let ready: Promise<void> | undefined;

/**
 * Built into Node from 22.15 on; before, by `@bokuweb/zstd-wasm`, whose memory stays as large as its largest
 * batch.
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
      // No room at all is an address that the library takes for none.
      const parts = frames.map((frame) => zstd.decompress(frame.bytes, { defaultHeapSize: frame.most || 1 }));
      return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
    },
  };
}
