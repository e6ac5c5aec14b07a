import type { PartitionOffset } from '../../broker/port.js';
import { addedTo, textOf } from '../config/offset-texts.js';

/**
 * Identifies the owner that changed a task's rows. Under at_least_once, a process that has lost its
 * membership may not have noticed it yet. It can then still write changelog records after those of the task's
 * next owner. So an owner takes an epoch when it opens a task, higher than those of all earlier owners; its
 * changes carry it.
 *
 * The metadata of committed offsets holds the epochs of a task, as `"epochs": [[epoch, begin], …]`: each with
 * the committed offset at its begin. Whatever an earlier owner caused from that offset on was never
 * committed. Only the latest {@link KEPT} are kept, and of those that began at the same offset only the last:
 * 8 take at most 350 bytes. `begin` is null if nothing was committed then.
 *
 * exactly_once does not need this, since the transaction of such a process is aborted. Under exactly_once a
 * task has epochs only if it had them earlier, under at_least_once.
 */
export type Epoch = readonly [epoch: number, begin: number | null];

const KEPT = 8;

/** The epochs that a committed offset names; none if they are not valid. */
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

/** The epochs of a partition after another one begins. */
export const withEpoch = (epochs: readonly Epoch[], epoch: number, begin: number | null): readonly Epoch[] =>
  [...epochs.filter(([, began]) => began !== begin), [epoch, begin] as const].slice(-KEPT);

/** Adds the epochs to offsets; partitions without an offset here are left out. */
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
 * The offset at which a later owner took over the task: what `epoch` has caused from there on was not
 * committed.
 */
export function overtakenFrom(epochs: readonly Epoch[], epoch: number): number {
  let from = Number.POSITIVE_INFINITY;
  for (const [later, begin] of epochs) if (later > epoch && begin !== null) from = Math.min(from, begin);
  return from;
}
