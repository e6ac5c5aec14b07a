import type { PartitionOffset } from '../../broker/port.js';
import { addedTo, textOf } from '../config/offset-texts.js';
import { offsetsOf } from '../topics/sources.js';
import { markOf } from './reset-marks.js';

/**
 * The metadata that a task commits with each offset. It distinguishes the task's own offsets from those that
 * another program has set or lost: `{ "format": 1, "committed": offset, "begun": offset, "with": [[topic,
 * offset], …], "cut": true, "fed": [name, …], "emptied": id, … }`.
 */
interface CommitMarks {
  /** The offset itself. Undefined: no task has committed it, or a version without these marks has. */
  readonly committed: number | undefined;
  /** The application began at this offset: it has processed no record before it. */
  readonly begun: number | undefined;
  /** The task's other sources, committed at the same time. */
  readonly with: readonly (readonly [topic: string, offset: number])[];
  /** Whether some of them did not fit. */
  readonly cut: boolean;
  /** Of a repartition topic: short names of the topics that its writers read. See feeding.ts. */
  readonly fed: readonly string[];
  /** The last reset that deleted the application's stores. */
  readonly emptied: string | undefined;
}

function marksOf({ metadata }: PartitionOffset): CommitMarks {
  const { committed, begun, with: beside, cut, fed, emptied } = textOf(metadata);
  return {
    committed: numberOf(committed),
    begun: numberOf(begun),
    with: Array.isArray(beside) ? beside.filter(isPosition) : [],
    cut: cut === true,
    fed: Array.isArray(fed) ? fed.filter((topic) => typeof topic === 'string') : [],
    emptied: typeof emptied === 'string' && emptied.length <= MAX_RESET_LENGTH ? emptied : undefined,
  };
}

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

const isPosition = (position: unknown): position is readonly [string, number] =>
  Array.isArray(position) && typeof position[0] === 'string' && typeof position[1] === 'number';

/** Length of the time of a reset, which is part of its name. */
const MAX_RESET_LENGTH = 40;
/** Enough for a topic of the longest name, or ten of the usual ones. */
const MAX_WITH_BYTES = 400;

/** Facts about a task from before its commit. */
export interface BeforeCommit {
  readonly emptied: string | undefined;
  /** The offsets at which it began in sources of which nothing was processed before, by topic. */
  readonly begun: ReadonlyMap<string, number>;
  /** See {@link feedersOf}. */
  readonly fedBy: ReadonlyMap<string, readonly string[]>;
}

export function withCommitMarks(
  positions: readonly PartitionOffset[],
  { emptied, begun, fedBy }: BeforeCommit,
): readonly PartitionOffset[] {
  return positions.map((at) => {
    const { topic, offset } = at;
    const beside = fitting(positions.filter((other) => other.topic !== topic));
    const marks = {
      committed: offset,
      begun: begun.get(topic) === offset ? offset : undefined,
      emptied,
      cut: beside.length + 1 < positions.length ? true : undefined,
      with: beside.length > 0 ? beside : undefined,
      fed: fedBy.get(topic),
    };
    return { ...at, metadata: addedTo(at.metadata, marks) };
  });
}

/** Offsets at which the application begins: see {@link hasBegunAt}. */
export const begunAt = (positions: readonly PartitionOffset[]): readonly PartitionOffset[] =>
  positions.map((at) => ({ ...at, metadata: addedTo(at.metadata, { begun: at.offset }) }));

/** The offsets at which a task begins in sources of which nothing was processed, by topic. */
export function beginningsOf(
  committed: readonly PartitionOffset[],
  positions: readonly PartitionOffset[],
): ReadonlyMap<string, number> {
  const processed = new Set(committed.filter(hasProcessed).map(({ topic }) => topic));
  return offsetsOf(positions.filter(({ topic }) => !processed.has(topic)));
}

function fitting(positions: readonly PartitionOffset[]): (readonly [string, number])[] {
  const beside: (readonly [string, number])[] = [];
  let bytes = 0;
  for (const { topic, offset } of positions) {
    bytes += Buffer.byteLength(topic) + 24;
    if (bytes > MAX_WITH_BYTES) break;
    beside.push([topic, offset]);
  }
  return beside;
}

/**
 * The metadata of an offset that is set by a reset which deletes the stores. Of two resets, the later one has
 * the greater text.
 */
export const emptiedBy = (reset: string): string => addedTo(undefined, { emptied: reset });

/**
 * The metadata of an offset that is set by a reset which keeps the stores: it is as good as one that the task
 * has committed.
 */
export const keptBy = (metadata: string | undefined, offset: number): string =>
  addedTo(metadata, { committed: offset, begun: undefined, with: undefined, cut: undefined });

/**
 * The last reset that deleted the application's stores. Undefined: there is none, or another program has set
 * the offsets since.
 */
export const emptiedOf = (committed: readonly PartitionOffset[]): string | undefined =>
  committed.map((at) => marksOf(at).emptied ?? '').reduce((a, b) => (b > a ? b : a), '') || undefined;

/** Whether records of the partition were processed since the last reset that deleted the stores. */
export function hasProcessed(position: PartitionOffset): boolean {
  const { committed, emptied } = marksOf(position);
  return position.offset > 0 && !hasBegunAt(position) && (committed !== undefined || emptied === undefined);
}

/** Whether the offset is only where the application began: it does not show that any record was processed. */
export const hasBegunAt = (position: PartitionOffset): boolean => marksOf(position).begun === position.offset;

/**
 * Whether the task itself has committed this offset, or a reset that keeps the stores has set it. Commits of
 * versions without these marks are recognized by their stream times.
 */
export function isOwnCommit(position: PartitionOffset): boolean {
  const { committed } = marksOf(position);
  if (committed === undefined) return textOf(position.metadata).task !== undefined;
  return committed === position.offset || markOf(position)?.keeps === true;
}

/**
 * Whether the metadata of one source's offset would show that the task had come further in another source
 * than that source's offset says.
 */
export const tellsOfAll = (position: PartitionOffset): boolean => isOwnCommit(position) && !marksOf(position).cut;

/**
 * What a task had committed, if another program has moved the offset since and has kept its metadata.
 */
export const committedBefore = (position: PartitionOffset): number | undefined => marksOf(position).committed;

/**
 * How far the task had come in each of its sources, according to the offsets that were committed together.
 */
export function knownProgress(committed: readonly PartitionOffset[]): ReadonlyMap<string, number> {
  const known = new Map<string, number>();
  for (const position of committed)
    for (const [topic, offset] of marksOf(position).with) known.set(topic, Math.max(offset, known.get(topic) ?? 0));
  return known;
}

/**
 * Short names of the topics that the writers of a repartition topic read, according to its offset. Undefined:
 * another program has set the offset, or no record of the topic is processed.
 */
export function fedOf(position: PartitionOffset): readonly string[] | undefined {
  const { fed, emptied } = marksOf(position);
  const isOlder = emptied !== undefined || textOf(position.metadata).task !== undefined;
  return hasBegunAt(position) || (fed.length === 0 && !isOlder) ? undefined : fed;
}
