import { messageOf, StreamsError } from '../../model/errors.js';
import { COMPRESSIONS, type Codec, type Compression, UnpackError } from './codec.js';
import { gzip } from './gzip.js';
import { loadLz4 } from './lz4.js';
import { loadSnappy } from './snappy.js';
import { loadZstd } from './zstd.js';

/** How each codec is loaded, and the package that it needs. */
const CODECS: Readonly<
  Record<Exclude<Compression, 'none'>, { readonly load: () => Promise<Codec>; readonly needs: string }>
> = {
  gzip: { load: async () => gzip, needs: 'zlib, which is part of Node' },
  snappy: { load: loadSnappy, needs: 'snappyjs' },
  lz4: { load: loadLz4, needs: 'lz4-napi' },
  zstd: { load: () => loadZstd(), needs: '@bokuweb/zstd-wasm' },
};

/**
 * Maximum size of a decompressed batch. A topic accepts batches of 1 MiB (`max.message.bytes`): JSON
 * decompresses to 5 to 20 MiB, a repeated row to 60. A reader holds one decompressed batch per partition.
 */
const MAX_UNPACKED_BYTES = 128 * 1024 * 1024;

const loaded = new Map<Compression, Codec>();

/**
 * Loads a codec on first use. CONFIG_INVALID names the package to install if it is missing. All packages are
 * optional, because most applications use one compression or none; gzip needs none.
 */
export async function loadCodec(name: Exclude<Compression, 'none'>): Promise<Codec> {
  const { load, needs } = CODECS[name];
  try {
    const codec = loaded.get(name) ?? (await load());
    loaded.set(name, codec);
    return codec;
  } catch (cause) {
    throw new StreamsError('CONFIG_INVALID', {
      what: `cannot use ${name} compression`,
      saw: messageOf(cause),
      expected: `the package ${needs}`,
      action: `Install it: npm install ${needs}`,
      cause,
    });
  }
}

/** The name of a code in a batch's attributes; undefined for a code that Kafka does not define. */
const nameOf = (code: number): Compression | undefined => COMPRESSIONS[code];

/**
 * Loads the codecs that {@link unpack} needs for batches with these codes. Ignores codes that Kafka does not
 * define: {@link unpack} reports them.
 */
export async function loadCodecs(codes: Iterable<number>): Promise<void> {
  for (const code of codes) {
    const name = nameOf(code);
    if (name && name !== 'none') await loadCodec(name);
  }
}

/**
 * Decompresses the records of a batch with this code in its attributes. The codec must be loaded. Throws for
 * bytes that are not valid compressed data.
 */
export function unpack(code: number, bytes: Buffer): Buffer {
  const name = nameOf(code);
  const codec = name && loaded.get(name);
  if (!codec) throw new UnpackError(`${name ?? `compression ${code}`} is not known`);
  const unpacked = codec.unpack(bytes, MAX_UNPACKED_BYTES);
  return Buffer.from(unpacked.buffer, unpacked.byteOffset, unpacked.length);
}
