/** More than any application has; larger numbers would only fill the memory. */
export const MAX_TASKS = 1_000_000;

/**
 * Tasks of one sub-topology, as alternating numbers of partitions: left out, included, left out, and so on.
 * `[0, 3, 2, 1]` are the partitions 0, 1, 2 and 5.
 */
type Ranges = readonly [subTopology: string, runs: readonly number[]];

/** Task ids in few bytes: `payments-0` to `payments-9999` are `["payments", [0, 10000]]`. */
export interface TaskRanges {
  readonly ranges: readonly Ranges[];
  /** Ids that do not consist of a sub-topology and a partition. */
  readonly others: readonly string[];
}

const TASK = /^(.*)-(0|[1-9]\d{0,8})$/s;

/** Encodes a set of ids. */
export function toRanges(ids: Iterable<string>): TaskRanges {
  const bySubTopology = new Map<string, Set<number>>();
  const others: string[] = [];
  for (const id of new Set(ids)) {
    const [, subTopology, partition] = TASK.exec(id) ?? [];
    if (subTopology === undefined || partition === undefined) {
      others.push(id);
      continue;
    }
    const partitions = bySubTopology.get(subTopology) ?? new Set();
    bySubTopology.set(subTopology, partitions.add(Number(partition)));
  }
  return { ranges: [...bySubTopology].map(([id, partitions]) => [id, runsOf([...partitions])]), others };
}

function runsOf(partitions: readonly number[]): readonly number[] {
  const runs: number[] = [];
  let end = 0;
  for (const partition of partitions.toSorted((a, b) => a - b)) {
    if (partition === end && runs.length > 0) (runs[runs.length - 1] as number)++;
    else runs.push(partition - end, 1);
    end = partition + 1;
  }
  return runs;
}

/**
 * Decodes the ids, by sub-topology and partition; undefined for anything that {@link toRanges} does not
 * write.
 */
export function fromRanges({
  ranges,
  others,
}: { readonly [Field in keyof TaskRanges]: unknown }): readonly string[] | undefined {
  if (!Array.isArray(ranges) || !ranges.every(isRanges) || !Array.isArray(others) || !others.every(isText))
    return undefined;
  const ids: string[] = [];
  for (const [subTopology, runs] of ranges) {
    let partition = 0;
    for (const [i, length] of runs.entries()) {
      const end = partition + length;
      const isIn = i % 2 === 1;
      if (end > MAX_TASKS || (isIn && ids.length + length > MAX_TASKS)) return undefined;
      if (isIn) for (; partition < end; partition++) ids.push(`${subTopology}-${partition}`);
      partition = end;
    }
  }
  return [...ids, ...others];
}

const isText = (value: unknown): value is string => typeof value === 'string';

const isRanges = (value: unknown): value is Ranges =>
  Array.isArray(value) &&
  isText(value[0]) &&
  Array.isArray(value[1]) &&
  value[1].every((length) => Number.isSafeInteger(length) && length >= 0);
