/**
 * Buffers for batches that are being encoded. An application has as many encoders as tasks times partitions,
 * but few have an unfinished batch at the same time. They share these buffers, in sizes that double.
 */

/** A few records of an event: 2^9 bytes. */
const SMALLEST = 9;
/** Buffers above 2^20 bytes are rare and are not kept. */
const LARGEST_KEPT = 20;
/** Limit for all kept buffers: enough for a writer that fills batches of 512 KiB for sixteen partitions. */
const MOST_KEPT_BYTES = 8 * 1024 * 1024;

/** By the power of two of their size. */
const kept: readonly Buffer[][] = Array.from({ length: LARGEST_KEPT + 1 }, () => []);
let keptBytes = 0;

/** A buffer of at least that many bytes for exclusive use. Its content is arbitrary. */
export function takeBuffer(bytes: number): Buffer {
  const power = Math.max(SMALLEST, 32 - Math.clz32(bytes - 1));
  const found = kept[power]?.pop();
  // Node cuts small buffers out of larger ones, which saves as much memory again as they hold.
  if (!found) return Buffer.allocUnsafe(2 ** power);
  keptBytes -= found.length;
  return found;
}

/** Returns a buffer from {@link takeBuffer}: no view of it may remain in use. */
export function giveBack(buffer: Buffer): void {
  const { length } = buffer;
  if (keptBytes + length > MOST_KEPT_BYTES) return;
  const same = kept[31 - Math.clz32(length)];
  if (!same) return;
  same.push(buffer);
  keptBytes += length;
}
