import { crc32c } from '@node-rs/crc32';

/**
 * CRC-32C (Castagnoli) of some bytes, as an unsigned 32-bit number: the checksum of RocksDB's logs, and of
 * {@link SyncedMark}.
 */
export const checksum = (bytes: Uint8Array): number => crc32c(bytes);
