import type { Size, SourceChange } from './topology.js';

/** What the files add up to when each change is believed as it comes: what a service does that trusts its input. */
export function inArrivalOrder(changes: Iterable<SourceChange>): Size {
  const sizes = new Map<string, number>();
  for (const { file, change, bytes } of changes) {
    if (change === 'deleted') sizes.delete(file);
    else sizes.set(file, bytes);
  }
  return { files: sizes.size, bytes: [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0) };
}
