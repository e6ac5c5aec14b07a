import type { Case } from './case.js';

/** Where millrace answers otherwise than Kafka Streams, knowingly. */
export interface Difference {
  readonly reason: string;
  /** Deletions that Kafka Streams emits and millrace does not; all else must be equal. */
  readonly notEmitted?: readonly (readonly [step: number, key: string])[];
  /** What millrace makes of the case, where more than deletions differs. */
  readonly instead?: Pick<Case, 'expected' | 'stores'>;
}

/** The case as millrace answers it. */
export const differing = (target: Case, { notEmitted = [], instead }: Difference): Case => ({
  ...target,
  expected: target.expected.filter(
    (record) => record.value !== null || !notEmitted.some(([step, key]) => step === record.step && key === record.key),
  ),
  ...instead,
});

const INITIAL_AS_OLD =
  'Kafka Streams gives the first change of an aggregated row the initial value as its old value; in millrace there was no row before, so nothing is taken out of a group or deleted behind a filter.';

const out = (step: number, key: unknown, value: unknown, timestamp: number) => ({
  step,
  topic: 'out',
  key,
  value,
  timestamp,
});

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
  'suppress/time-limit-then-group': {
    reason:
      'Kafka Streams gives what leaves a suppress buffer the old value of the last change that was held back, so that a group behind it subtracts what it never added. In millrace the old value is what came out before.',
    instead: {
      expected: [out(2, 'all', '+2', 50), out(6, 'all', '+2-2+5', 140), out(7, 'all', '+2-2+5+6', 300)],
      stores: {
        agg: [['all', '+2-2+5+6']],
        t: [
          ['a', 5],
          ['c', 6],
          ['d', 7],
        ],
      },
    },
  },
};
