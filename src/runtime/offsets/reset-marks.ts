import type { PartitionOffset } from '../../broker/port.js';
import { StreamsError } from '../../model/errors.js';
import { addedTo, isFields, textOf } from '../config/offset-texts.js';

/**
 * How outputs and outside calls are treated if records are processed a second time. `capture`: outputs go to
 * `<application>-captured` instead.
 */
export type EffectsMode = 'live' | 'silent' | 'capture';

/**
 * Marks a partition: a reset or a promotion has set its position, and some of its records are processed a
 * second time. It is part of the metadata of the committed offset, so every process of the group gets it,
 * also after a crash:
 * `{ "format": 1, "reset": { "id", "until", "effects", "keeps"?, "marked"?, "unfinished"?, "over"? }, … }`.
 */
export interface ResetMark {
  readonly id: string;
  /** Records before this offset had already been processed. */
  readonly until: number;
  readonly effects: EffectsMode;
  /** The stores still contain the results of these records. */
  readonly keeps?: true;
  /**
   * For a repartition topic: its records from `until` on have headers that show whether they come from
   * records that are processed a second time.
   */
  readonly marked?: true;
  /** The reset did not finish. */
  readonly unfinished?: true;
  /**
   * All of these records are processed, here and wherever records of this partition lead: see catch-up.ts.
   */
  readonly over?: true;
}

/** The metadata of a committed offset with a mark added, or removed. */
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

/** Length of the time at the end of an id. Metadata of an offset has little room. */
const ID_TIME = 24;

/**
 * Marks a position as committed twice while the task catches up: everything written up to it can be read (see
 * catch-up.ts). `{ "format": 1, "quiet": time in the id of the reset, … }`.
 */
export const quietIn = (position: PartitionOffset, id: string): PartitionOffset => ({
  ...position,
  metadata: addedTo(position.metadata, { quiet: id.slice(-ID_TIME) }),
});

export const isQuietIn = ({ metadata }: PartitionOffset, id: string): boolean =>
  textOf(metadata).quiet === id.slice(-ID_TIME);

/** Errors: RESET_UNFINISHED: the positions are about to change. */
export function checkResetFinished(applicationId: string, positions: readonly PartitionOffset[]): void {
  const mark = positions.map(markOf).find((each) => each?.unfinished);
  if (!mark) return;
  throw new StreamsError('RESET_UNFINISHED', {
    what: `the reset ${mark.id} of the application was interrupted`,
    at: `group ${applicationId}`,
    action: 'Run `millrace reset` once more first: it goes on where it was.',
  });
}
