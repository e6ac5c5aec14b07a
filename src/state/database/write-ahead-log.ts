import { checksum } from './checksum.js';

/**
 * RocksDB writes its logs in blocks of 32 KB, which hold records: checksum:4 length:2 type:1, then the bytes.
 * A record does not cross the end of a block; if fewer than 7 bytes are left, they are padding.
 *
 * Types from 5 to 8, 11 and 131 have four more bytes before the bytes that the length counts.
 */
const BLOCK_BYTES = 32 * 1024;
const HEAD_BYTES = 7;
const LONG_HEAD_BYTES = 11;
const LONG_HEADS: ReadonlySet<number> = new Set([5, 6, 7, 8, 11, 131]);

/**
 * The position of the first incomplete or changed record among the first `length` bytes of a log; undefined
 * if there is none.
 */
export function firstDamage(log: Buffer, length: number): number | undefined {
  let at = 0;
  while (at < length) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (left < HEAD_BYTES) {
      at += left;
      continue;
    }
    const end = endOfRecord(log, at);
    if (end === undefined || end > Math.min(length, at + left) || !isWhole(log, at, end)) return at;
    at = end;
  }
  return undefined;
}

function endOfRecord(log: Buffer, at: number): number | undefined {
  if (at + HEAD_BYTES > log.length) return undefined;
  const head = LONG_HEADS.has(log[at + 6] as number) ? LONG_HEAD_BYTES : HEAD_BYTES;
  return at + head + log.readUInt16LE(at + 4);
}

/** RocksDB rotates its checksums, because they may be part of data that is checksummed again. */
function isWhole(log: Buffer, at: number, end: number): boolean {
  const sum = checksum(log.subarray(at + 6, end));
  const turned = (((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0;
  return log.readUInt32LE(at) === turned;
}
