import assert from 'node:assert/strict';
import fc from 'fast-check';
import { crashSchedule, perKey, smallBatches, tell } from '../support/crashes.js';
import { eventRecords, pipeline, plainLinks, regroupedLinks } from '../support/pipelines.js';

const OUTPUTS = ['out', 'app-dead-letter'];

describe('no duplicate, no loss: exactly_once', () => {
  let crashed = 0;

  it('gives after any crashes the outputs and stores of a run without one', async () => {
    await fc.assert(
      fc.asyncProperty(
        plainLinks,
        fc.array(fc.tuple(eventRecords(25, 6), eventRecords(8, 6)), { minLength: 1, maxLength: 3 }),
        fc.constantFrom(1, 3),
        smallBatches,
        crashSchedule(5, false),
        async (links, inputs, partitions, options, crashes) => {
          const topics = { events: partitions, accounts: partitions, out: 2 };
          const rounds = inputs.map(([events, accounts]) => ({ accounts, events }));
          const story = { topology: pipeline(links), options, topics, rounds };
          const expected = await tell({ ...story, options: {}, crashes: [] }, OUTPUTS);
          const actual = await tell({ ...story, crashes }, OUTPUTS);
          crashed += actual.crashes;
          assert.deepEqual(perKey(actual), perKey(expected));
          assert.deepEqual(actual.rows, expected.rows);
        },
      ),
      { numRuns: 150 },
    );
    assert.ok(crashed > 150, `only ${crashed} crashes`);
  });

  it('gives the same through a repartition topic', async () => {
    await fc.assert(
      fc.asyncProperty(
        regroupedLinks,
        fc.array(eventRecords(25), { minLength: 1, maxLength: 3 }),
        smallBatches,
        crashSchedule(5, false),
        async (links, inputs, options, crashes) => {
          const story = {
            topology: pipeline(links),
            options,
            topics: { events: 1, out: 2 },
            rounds: inputs.map((events) => ({ events })),
          };
          const expected = await tell({ ...story, options: {}, crashes: [] }, OUTPUTS);
          const actual = await tell({ ...story, crashes }, OUTPUTS);
          assert.deepEqual(perKey(actual), perKey(expected));
          assert.deepEqual(actual.rows, expected.rows);
        },
      ),
      { numRuns: 150 },
    );
  });
});
