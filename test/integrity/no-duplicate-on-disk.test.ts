import assert from 'node:assert/strict';
import fc from 'fast-check';
import { diskBroker, diskMachine } from '../support/application.js';
import { assertContains, crashSchedule, perKey, tell, type World } from '../support/crashes.js';
import { eventRecords, pipeline, plainLinks, regroupedLinks } from '../support/pipelines.js';

const onDisk: World = { broker: () => diskBroker(), machine: diskMachine };
const OUTPUTS = ['out', 'app-dead-letter'];
const smallCommits = fc.record({
  batchRecords: fc.constantFrom(2, 1_000),
  commitRecords: fc.constantFrom(4, 1_000),
  cacheBytes: fc.constantFrom(1, 1_000_000),
});
const topics = { events: 1, accounts: 1, out: 1 };

describe('no duplicate, no loss, on the embedded broker with RocksDB', () => {
  it('exactly_once: gives after any crashes the outputs and stores of a run without one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(plainLinks, regroupedLinks),
        eventRecords(20),
        eventRecords(6),
        smallCommits,
        crashSchedule(3),
        async (links, events, accounts, options, crashes) => {
          const story = { topology: pipeline(links), options, topics, rounds: [{ accounts, events }, { events }] };
          const expected = await tell({ ...story, crashes: [] }, OUTPUTS);
          const actual = await tell({ ...story, crashes }, OUTPUTS, onDisk);
          assert.deepEqual(perKey(actual), perKey(expected));
          assert.deepEqual(actual.rows, expected.rows);
          assert.deepEqual(actual.rebuilt, expected.rows, 'rebuilt from the changelogs');
        },
      ),
      { numRuns: 25 },
    );
  });

  it('at_least_once: contains the outputs of a run without a crash, in order per key, and has equal stores', async () => {
    await fc.assert(
      fc.asyncProperty(
        plainLinks,
        eventRecords(20),
        eventRecords(6),
        smallCommits,
        crashSchedule(3),
        async (links, events, accounts, small, crashes) => {
          const options = { ...small, guarantee: 'at_least_once' as const };
          const story = { topology: pipeline(links), options, topics, rounds: [{ accounts, events }, { events }] };
          const expected = await tell({ ...story, crashes: [] }, OUTPUTS);
          const actual = await tell({ ...story, crashes }, OUTPUTS, onDisk);
          for (const topic of OUTPUTS) assertContains(actual.outputs[topic]!, expected.outputs[topic]!);
          assert.deepEqual(actual.rows, expected.rows);
          assert.deepEqual(actual.rebuilt, expected.rows, 'rebuilt from the changelogs');
        },
      ),
      { numRuns: 25 },
    );
  });
});
