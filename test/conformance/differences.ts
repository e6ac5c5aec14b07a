/** Where millrace answers otherwise than Kafka Streams, knowingly. */
export interface Difference {
  readonly reason: string;
  /** What Kafka Streams emits and millrace does not; all else must be equal. */
  readonly notEmitted: readonly (readonly [step: number, key: string])[];
}

const INITIAL_AS_OLD =
  'Kafka Streams gives the first change of an aggregated row the initial value as its old value; in millrace there was no row before, so nothing is taken out of a group or deleted behind a filter.';

export const DIFFERENCES: Readonly<Record<string, Difference>> = {
  'grouping/regrouped-count': {
    reason: INITIAL_AS_OLD,
    notEmitted: [
      [0, '0'],
      [1, '0'],
    ],
  },
  'grouping/filter-after-count': {
    reason: INITIAL_AS_OLD,
    notEmitted: [
      [0, 'a'],
      [3, 'b'],
    ],
  },
  'tables/filter-no-store': {
    reason:
      'Kafka Streams does not know the old value of a source table without a store, and emits a tombstone for every value that fails a filter. In millrace every source table has a store: a row that never passed is not deleted.',
    notEmitted: [
      [0, 'a'],
      [5, 'a'],
      [7, 'c'],
      [9, 'b'],
    ],
  },
};
