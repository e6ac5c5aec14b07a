import { gunzipSync, gzipSync } from 'node:zlib';
import type { Codec } from './codec.js';

/** Built into Node. */
export const gzip: Codec = {
  name: 'gzip',
  pack: (bytes) => gzipSync(bytes),
  unpack: (bytes, maxBytes) => gunzipSync(bytes, { maxOutputLength: maxBytes }),
};
