/**
 * The buffers that batches are made in. An application has as many encoders as tasks times partitions, of
 * which few have a batch in the making at one time: those share these, by sizes that double.
 */

/** Some records of an event: 2^9 bytes. */
const SMALLEST = 9;
/** Larger ones, than 2^20 bytes, are rare, and are let go. */
const LARGEST_KEPT = 20;
/**
 * Kept for the next batches, in all: those of a writer that fills batches of 512 KiB for sixteen partitions.
 */
const MOST_KEPT_BYTES = 8 * 1024 * 1024;

/** By the power of two of their size. */
const kept: readonly Buffer[][] = Array.from({ length: LARGEST_KEPT + 1 }, () => []);
let keptBytes = 0;

/** One that nobody else has, of at least that many bytes. What is in it is anything. */
export function takeBuffer(bytes: number): Buffer {
  const power = Math.max(SMALLEST, 32 - Math.clz32(bytes - 1));
  const found = kept[power]?.pop();
  // Node cuts small ones out of larger ones, which saves as much again as they hold.
  if (!found) return Buffer.allocUnsafe(2 ** power);
  keptBytes -= found.length;
  return found;
}

/** Gives back one that {@link takeBuffer} gave: nobody may have a view on it. */
export function giveBack(buffer: Buffer): void {
  const { length } = buffer;
  if (keptBytes + length > MOST_KEPT_BYTES) return;
  const same = kept[31 - Math.clz32(length)];
  if (!same) return;
  same.push(buffer);
  keptBytes += length;
}
