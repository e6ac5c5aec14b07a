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
const windowed = (key: string, startMs: number, endMs: number) => ({ key, startMs, endMs });

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
  'table-joins/self-join-delete': {
    reason:
      'In Kafka Streams each side of a table joined with itself finds the other already gone, and the joined row is never deleted. In millrace the rows of such a join are those of the relational join.',
    instead: {
      expected: [
        out(0, 'a', [1, 1], 0),
        out(0, 'a', [1, 1], 0),
        out(1, 'a', null, 20),
        out(2, 'a', [4, 4], 30),
        out(2, 'a', [4, 4], 30),
      ],
      stores: { l: [['a', 4]], r: [] },
    },
  },
  'windows-sliding/filtered': {
    reason:
      'Kafka Streams gives a new sliding window that begins with what another holds the aggregate of the other as its old value. In millrace a new window was empty before, so nothing is deleted behind a filter.',
    instead: {
      expected: [
        out(1, windowed('a', 1001, 1101), 2, 1040),
        out(1, windowed('a', 940, 1040), 2, 1040),
        out(2, windowed('a', 1001, 1101), null, 1100),
        out(4, windowed('a', 1101, 1201), 8, 1170),
        out(4, windowed('a', 1161, 1261), 8, 1170),
        out(4, windowed('a', 1070, 1170), 8, 1170),
        out(5, windowed('a', 1070, 1170), null, 1170),
      ],
      stores: {},
    },
  },
  'windows-session/late-boundary-default-retention': {
    reason:
      'With its default retention Kafka Streams emits a session that is exactly gap + grace old, and forgets it at once. In millrace every session that is open is kept, so the answer is that of a longer retention (windows-session/late-boundary).',
    instead: {
      expected: [
        out(0, windowed('b', 1000, 1000), '+1', 1000),
        out(2, windowed('a', 850, 850), '+2', 850),
        out(3, windowed('a', 850, 850), null, 850),
        out(3, windowed('a', 849, 850), '|+2+3', 850),
        out(4, windowed('a', 849, 850), null, 850),
        out(4, windowed('a', 849, 851), '||+2+3+4', 851),
        out(5, windowed('a', 849, 851), null, 851),
        out(5, windowed('a', 849, 860), '|||+2+3+4+5', 860),
      ],
      stores: {},
    },
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
  'cogroup/late': {
    reason:
      'In Kafka Streams each stream of a windowed cogroup closes windows by its own time, so that a window is closed for one stream and open for another. In millrace a cogroup has one stream time, and a window that is closed is final.',
    instead: {
      expected: [
        out(0, windowed('a', 0, 100), '+1', 10),
        out(1, windowed('a', 500, 600), '-10', 500),
        out(5, windowed('a', 500, 600), '-10-12', 510),
      ],
      stores: {},
    },
  },
};
