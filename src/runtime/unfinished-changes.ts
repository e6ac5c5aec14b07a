import { StreamsError } from '../model/errors.js';
import type { ChangeCause } from './change-log.js';
import type { EngineConfig } from './config.js';
import { goOnOrBeginAnew, type LostOffset } from './lost-offsets.js';
import type { ResumePositions } from './resume-positions.js';

/** A row of a changelog that follows from a record which will be processed again. */
interface Refused extends ChangeCause {
  readonly store: string;
  /** `topic[partition]@offset` of the row. */
  readonly at: string;
}

/**
 * Tells the changes of a commit that never finished from those of commits that did. The former are left out,
 * and made again when their causes are processed again. A row whose cause lies at or past the place of its
 * source is one of:
 *
 * | the commit that wrote it began | the group's offset | it is |
 * |---|---|---|
 * | at that place | there; or none, under at_least_once | of an unfinished commit: left out |
 * | before that place | as a task has committed it, at_least_once | of a frozen owner: left out |
 * | behind that place | any | of a commit that followed finished ones: the offsets were moved back, or are lost |
 * | anywhere | none, under exactly_once, which shows no unfinished commit | of a finished commit: the offsets are lost |
 *
 * In the last two cases whatever is done with the row is wrong: left out, what the commits before it had done
 * is gone; kept, its records count twice. So the task does not start, and says how to go on. What does not
 * say where its commit began (format 1) can be of an unfinished one if it lies within the records of one
 * commit.
 */
export class UnfinishedChanges {
  readonly #places: ResumePositions;
  readonly #config: Pick<EngineConfig, 'guarantee' | 'commitRecords' | 'batchRecords'>;
  readonly #partition: number;
  /** Of each of the task's sources, the highest offset that a change follows from. */
  readonly #highest = new Map<string, number>();
  /** The same, of changes that are kept. */
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

  /** Some row was neither to be kept nor to be left out: {@link check} says so. */
  get refused(): boolean {
    return this.#refused !== undefined;
  }

  /** Sources of the task that rows follow from which are kept, and of which the group has no offset. */
  get withoutOffset(): readonly LostOffset[] {
    return this.#places.own.flatMap(({ topic, partition, offset: begins, committed }) => {
      const highest = this.#kept.get(topic);
      return committed || highest === undefined ? [] : [{ topic, partition, behind: highest + 1, begins }];
    });
  }

  /**
   * Whether rows follow from records of the task's own sources, and some of it is done. If all of these are
   * read from offset 0 on and no row is kept, nothing is: whoever has set the offsets, every row is made
   * again.
   */
  get followFromOwn(): boolean {
    const anew = this.#kept.size === 0 && this.#places.own.every(({ offset }) => offset === 0);
    return this.#highest.size > 0 && !anew;
  }

  /** The place of its cause is known: see {@link ResumePositions.known}. */
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
   * STATE_MISMATCH if the group's offsets do not fit the changelogs. To be called when all is read: it says
   * up to where the rows go.
   */
  check(taskId: string): void {
    if (this.#refused === undefined) return;
    const { topic, offset, store, at } = this.#refused;
    const place = this.#places.of(topic);
    const source = `${topic}[${this.#partition}]`;
    const seen = place?.committed
      ? `offset ${place.offset} committed`
      : `no committed offset; it would be read from ${place?.offset} on`;
    throw new StreamsError('STATE_MISMATCH', {
      what: place?.committed
        ? `the group's offset of ${source} was moved back without the stores`
        : `the group has no offset of ${source} any more, and store ${store} holds what follows from its records`,
      at: `task ${taskId}, ${at}`,
      saw: `a row that follows from offset ${offset}, and ${seen}: records would count twice`,
      expected: `a committed offset of at least ${(this.#highest.get(topic) ?? offset) + 1}`,
      action: goOnOrBeginAnew(
        new Map([[topic, offset + 1], ...Array.from(this.#highest, ([name, last]) => [name, last + 1] as const)]),
        this.#partition,
      ),
    });
  }

  /** Of a change of format 1: as if its commit was as long as any can be. */
  #estimated({ offset }: ChangeCause): number {
    const { commitRecords, batchRecords } = this.#config;
    const place = offset + 1 - commitRecords - batchRecords;
    return Math.max(0, place);
  }
}

const raise = (highest: Map<string, number>, topic: string, offset: number): void => {
  highest.set(topic, Math.max(offset, highest.get(topic) ?? 0));
};
