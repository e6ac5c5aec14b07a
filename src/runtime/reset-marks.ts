import type { PartitionOffset } from '../broker/port.js';
import { addedTo, isFields, textOf } from './offset-texts.js';

/**
 * What becomes of outputs and calls to the outside that records cause when they are processed a second time.
 * `capture`: outputs go to `<application>-captured` instead.
 */
export type EffectsMode = 'live' | 'silent' | 'capture';

/**
 * Says of one partition that a reset or a promotion has set its position, and which of its records are
 * processed a second time. Travels as metadata of its committed offset, so that every process of the group
 * knows it, after a crash, too:
 * `{ "format": 1, "reset": { "id", "until", "effects", "keeps"?, "marked"?, "unfinished"?, "over"? }, … }`.
 */
export interface ResetMark {
  readonly id: string;
  /** Records before this offset had been processed before. */
  readonly until: number;
  readonly effects: EffectsMode;
  /** The stores still hold what these records did the first time. */
  readonly keeps?: true;
  /**
   * A repartition topic: its records from `until` on say themselves which of them come from records that are
   * processed a second time.
   */
  readonly marked?: true;
  /** The reset was not carried out to its end. */
  readonly unfinished?: true;
  /** All that was put back is through, here and wherever records of this partition go: see catch-up.ts. */
  readonly over?: true;
}

/** The metadata of a committed offset with a mark added, or taken out. */
export const marked = (metadata: string | undefined, mark: ResetMark | undefined): string =>
  addedTo(metadata, { reset: mark });

export function markOf({ metadata }: PartitionOffset): ResetMark | undefined {
  const { reset } = textOf(metadata);
  return isMark(reset) ? reset : undefined;
}

export const MODES: readonly unknown[] = ['live', 'silent', 'capture'] satisfies readonly EffectsMode[];

const isMark = (reset: unknown): reset is ResetMark =>
  isFields(reset) &&
  typeof reset.id === 'string' &&
  typeof reset.until === 'number' &&
  MODES.includes(reset.effects) &&
  [reset.keeps, reset.marked, reset.unfinished, reset.over].every((flag) => flag === undefined || flag === true);

/** So long is the time at the end of an id. There is little room beside an offset. */
const ID_TIME = 24;

/**
 * A position of a task that has committed the same positions before, while it catches up: what it has written
 * for them is there to be read (see catch-up.ts). `{ "format": 1, "quiet": time in the id of the reset, … }`.
 */
export const quietIn = (position: PartitionOffset, id: string): PartitionOffset => ({
  ...position,
  metadata: addedTo(position.metadata, { quiet: id.slice(-ID_TIME) }),
});

export const isQuietIn = ({ metadata }: PartitionOffset, id: string): boolean =>
  textOf(metadata).quiet === id.slice(-ID_TIME);
