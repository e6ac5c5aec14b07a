import type { PartitionOffset } from '../broker/port.js';
import { addedTo, textOf } from './offset-texts.js';

/**
 * Which of its owners has changed a task's rows. Under at_least_once nothing keeps a process that was put out
 * of the group, and does not know it yet, from writing changelog records: behind those of the task's next
 * owner. So an owner takes an epoch when it opens a task, higher than that of every owner before it; its
 * changes carry it.
 *
 * The epochs of a task travel with its committed offsets, as `"epochs": [[epoch, begin], …]`: each with the
 * offset that was committed when it began. What an owner before it has caused from there on was never
 * committed. Only the latest {@link KEPT} are kept, and of those that began at the same offset only the last:
 * 8 take at most 350 bytes. `begin` is null if nothing was committed then.
 *
 * exactly_once needs none of this, since the transaction of such a process is aborted; a task has epochs
 * under it only if it had them before, under at_least_once.
 */
export type Epoch = readonly [epoch: number, begin: number | null];

const KEPT = 8;

/** Those that a committed offset names; none if they are not what they should be. */
export function epochsOf({ metadata }: PartitionOffset): readonly Epoch[] {
  const { epochs } = textOf(metadata);
  return Array.isArray(epochs) && epochs.length <= KEPT && epochs.every(isEpoch) ? epochs : [];
}

const isEpoch = (pair: unknown): pair is Epoch =>
  Array.isArray(pair) && pair.length === 2 && isCount(pair[0]) && (pair[1] === null || isCount(pair[1]));

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

/** The epoch of the last owner; 0: there was none. */
export const lastEpoch = (committed: readonly PartitionOffset[]): number =>
  Math.max(0, ...committed.flatMap((at) => epochsOf(at).map(([epoch]) => epoch)));

/** Those of a partition when another one begins. */
export const withEpoch = (epochs: readonly Epoch[], epoch: number, begin: number | null): readonly Epoch[] =>
  [...epochs.filter(([, began]) => began !== begin), [epoch, begin] as const].slice(-KEPT);

/** Says with offsets which epochs there were; nothing of partitions that are not in there. */
export const withEpochs = (
  positions: readonly PartitionOffset[],
  epochs: ReadonlyMap<string, readonly Epoch[]>,
): readonly PartitionOffset[] =>
  epochs.size === 0
    ? positions
    : positions.map((at) => {
        const own = epochs.get(at.topic);
        return own ? { ...at, metadata: addedTo(at.metadata, { epochs: own }) } : at;
      });

/**
 * Where an owner stood when the next one took the task over: what it has caused from there on was not
 * committed.
 */
export function overtakenFrom(epochs: readonly Epoch[], epoch: number): number {
  let from = Number.POSITIVE_INFINITY;
  for (const [later, begin] of epochs) if (later > epoch && begin !== null) from = Math.min(from, begin);
  return from;
}
