import { crc32c } from '@node-rs/crc32';

/**
 * CRC-32C (Castagnoli) of some bytes, as an unsigned 32-bit number: the checksum of Kafka's record batches.
 */
export function checksum(bytes: Uint8Array): number {
  return crc32c(bytes);
}
