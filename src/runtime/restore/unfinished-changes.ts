import type { ChangeCause } from '../changelog/change-log.js';
import type { EngineConfig } from '../config/config.js';
import { type LostOffset, OffsetsLost } from '../offsets/lost-offsets.js';
import type { ResumePositions } from '../offsets/resume-positions.js';

/** A changelog row with a cause that will be processed again. */
interface Refused extends ChangeCause {
  readonly store: string;
  /** `topic[partition]@offset` of the row. */
  readonly at: string;
}

/**
 * Separates the changes of unfinished commits from those of finished ones. Changes of unfinished commits are
 * left out, and made again when their causes are processed again. The cases for a row with a cause at or
 * after the position of its source:
 *
 * | the commit that wrote it began | the group's offset | meaning |
 * |---|---|---|
 * | at that position | there; or none, under at_least_once | of an unfinished commit: left out |
 * | before that position | as a task has committed it, at_least_once | of a frozen owner: left out |
 * | after that position | any | of a commit that followed finished ones: the offsets were moved back, or are lost |
 * | anywhere | none, under exactly_once, which shows no unfinished commit | of a finished commit: the offsets are lost |
 *
 * In the last two cases, any treatment of the row is wrong. If it is left out, the results of the commits
 * before it are lost; if it is kept, its records count twice. So the task does not start, and the error
 * describes the ways out. A row that does not contain the start of its commit (format 1) may be unfinished if
 * it lies within the records of one commit.
 */
export class UnfinishedChanges {
  readonly #places: ResumePositions;
  readonly #config: Pick<EngineConfig, 'guarantee' | 'commitRecords' | 'batchRecords'>;
  readonly #partition: number;
  /** The highest offset that causes a change, for each of the task's sources. */
  readonly #highest = new Map<string, number>();
  /** The same for changes that are kept. */
  readonly #kept = new Map<string, number>();
  #refused: Refused | undefined;

  constructor(
    places: ResumePositions,
    config: Pick<EngineConfig, 'guarantee' | 'commitRecords' | 'batchRecords'>,
    partition: number,
  ) {
    this.#places = places;
    this.#config = config;
    this.#partition = partition;
  }

  /** Whether some row could neither be kept nor left out: {@link check} reports it. */
  get refused(): boolean {
    return this.#refused !== undefined;
  }

  /** Sources of the task that cause kept rows, and for which the group has no offset. */
  get withoutOffset(): readonly LostOffset[] {
    return this.#places.own.flatMap(({ topic, partition, offset: begins, committed }) => {
      const highest = this.#kept.get(topic);
      return committed || highest === undefined ? [] : [{ topic, partition, behind: highest + 1, begins }];
    });
  }

  /**
   * Whether rows come from the task's own sources, and some of their records count as processed. If all of
   * these sources are read from offset 0 and no row is kept, none counts: wherever the offsets come from,
   * every row is made again.
   */
  get followFromOwn(): boolean {
    const isNew = this.#kept.size === 0 && this.#places.own.every(({ offset }) => offset === 0);
    return this.#highest.size > 0 && !isNew;
  }

  /** The position of its cause must be known: see {@link ResumePositions.known}. */
  isLeftOut(cause: ChangeCause, store: string, row: { readonly topic: string; readonly offset: number }): boolean {
    const { topic, offset, from = this.#estimated(cause) } = cause;
    const isOwn = this.#places.isOwn(topic);
    if (isOwn) raise(this.#highest, topic, offset);
    const place = this.#places.of(topic);
    if (place === undefined || offset < place.offset) {
      if (isOwn) raise(this.#kept, topic, offset);
      return false;
    }
    const atLeastOnce = this.#config.guarantee === 'at_least_once';
    const unfinished =
      from === place.offset
        ? place.committed || place.begun || atLeastOnce
        : from < place.offset && place.committed && (cause.from === undefined || (atLeastOnce && place.ownCommit));
    if (!unfinished) this.#refused ??= { ...cause, store, at: `${row.topic}[${this.#partition}]@${row.offset}` };
    return unfinished;
  }

  /**
   * STATE_MISMATCH if the group's offsets do not match the changelogs. Called after everything is read: the
   * error contains how far the rows go.
   */
  check(taskId: string): void {
    if (this.#refused === undefined) return;
    const { topic, offset, store, at } = this.#refused;
    const place = this.#places.of(topic);
    const source = `${topic}[${this.#partition}]`;
    const seen = place?.committed
      ? `offset ${place.offset} committed`
      : `no committed offset; it would be read from ${place?.offset} on`;
    // An offset that a task has committed stays: rows after it are of an unfinished commit.
    const behind = new Map([[topic, offset + 1]]);
    for (const own of this.#places.own) {
      const last = this.#highest.get(own.topic);
      const stays = own.committed && own.topic !== topic && (own.ownCommit || (last ?? 0) < own.offset);
      if (last !== undefined && !stays) behind.set(own.topic, last + 1);
    }
    const details = {
      what: place?.committed
        ? `the group's offset of ${source} was moved back without the stores`
        : `the group has no offset of ${source} any more, and store ${store} holds rows made from its records`,
      at: `task ${taskId}, ${at}`,
      saw: `a row made from offset ${offset}, and ${seen}: records would count twice`,
      expected: `a committed offset of at least ${(this.#highest.get(topic) ?? offset) + 1}`,
    };
    throw new OffsetsLost(
      details,
      Array.from(behind, ([name, end]) => ({ topic: name, partition: this.#partition, offset: end })),
    );
  }

  /** For a change of format 1: assumes the longest possible commit. */
  #estimated({ offset }: ChangeCause): number {
    const { commitRecords, batchRecords } = this.#config;
    const place = offset + 1 - commitRecords - batchRecords;
    return Math.max(0, place);
  }
}

const raise = (highest: Map<string, number>, topic: string, offset: number): void => {
  highest.set(topic, Math.max(offset, highest.get(topic) ?? 0));
};
