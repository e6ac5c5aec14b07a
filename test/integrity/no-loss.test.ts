import assert from 'node:assert/strict';
import fc from 'fast-check';
import { assertContains, crashSchedule, smallBatches, tell } from '../support/crashes.js';
import { eventRecords, pipeline, plainLinks } from '../support/pipelines.js';

describe('no loss: at_least_once', () => {
  it('gives after any crashes all outputs of a run without one, in order per key, and equal stores', async () => {
    await fc.assert(
      fc.asyncProperty(
        plainLinks,
        fc.array(fc.tuple(eventRecords(25, 6), eventRecords(8, 6)), { minLength: 1, maxLength: 3 }),
        fc.constantFrom(1, 3),
        smallBatches,
        crashSchedule(5, false),
        async (links, inputs, partitions, small, crashes) => {
          const topics = { events: partitions, accounts: partitions, out: 2 };
          const rounds = inputs.map(([events, accounts]) => ({ accounts, events }));
          const options = { ...small, guarantee: 'at_least_once' as const };
          const story = { topology: pipeline(links), options, topics, rounds };
          const expected = await tell({ ...story, options: { guarantee: 'at_least_once' }, crashes: [] }, [
            'out',
            'app-dead-letter',
          ]);
          const actual = await tell({ ...story, crashes }, ['out', 'app-dead-letter']);
          assertContains(actual.outputs.out!, expected.outputs.out!);
          assertContains(actual.outputs['app-dead-letter']!, expected.outputs['app-dead-letter']!);
          assert.deepEqual(actual.rows, expected.rows);
        },
      ),
      { numRuns: 150 },
    );
  });
});
