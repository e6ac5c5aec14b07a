import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Topology } from '#src/index.js';
import { type InputRecord, TestDriver } from '#src/testing/index.js';
import { pipeline } from '../steps/graphs.js';
import { type Item, items } from '../steps/item.js';
import { isModest, steps } from '../steps/steps.js';
import { json } from '../support.js';

const BATCHES = [2, 7, 1_000];
const TOPICS = ['in', 'more', 'rows'] as const;

type Feed = Readonly<Record<(typeof TOPICS)[number], readonly InputRecord<string, Item>[]>>;

const record = fc.record({
  key: fc.option(fc.constantFrom('a', 'b', 'c', 'd'), { freq: 12 }),
  value: fc.option(items, { freq: 8 }),
  timestamp: fc.nat({ max: 60 }),
});
const feeds: fc.Arbitrary<Feed> = fc.record({
  in: fc.array(record, { minLength: 5, maxLength: 30 }),
  more: fc.array(record, { maxLength: 10 }),
  rows: fc.array(record, { maxLength: 15 }),
});

/** Everything that can be seen of a run: what came out, by partition, in order; the dead letters; the rows of all stores. */
async function outcome(target: Topology, given: Feed, partitions: number, batchRecords: number): Promise<unknown> {
  const driver = await TestDriver.create(target, { partitions, batchRecords, onError: { process: 'deadLetter' } });
  // Fed while the engine is down, so that one run takes all of it, merged by timestamp.
  await driver.crash();
  for (const topic of TOPICS) await driver.input(topic, json<Item>()).sendAll(given[topic]);
  await driver.restart();
  const outputs: Record<string, unknown> = {};
  for (const node of target.graph.nodes) {
    if (node.kind === 'sink' && node.topic)
      outputs[node.topic] = await driver.output(node.topic, json<unknown>()).read();
  }
  const letters = await driver.deadLetters().read();
  const stores: Record<string, unknown> = {};
  for (const { name } of target.graph.stores) stores[name] = await driver.store(name).entries();
  await driver.close();
  return { outputs, letters, stores };
}

async function sameForAllBatchSizes(target: () => Topology, given: Feed, partitions: number): Promise<void> {
  const expected = await outcome(target(), given, partitions, 1);
  for (const size of BATCHES)
    assert.deepEqual(await outcome(target(), given, partitions, size), expected, `batches of ${size}`);
}

describe('outputs, dead letters and stores do not depend on the size of batches', () => {
  for (const name of Object.keys(steps)) {
    for (const partitions of [1, 3]) {
      it(`${name}, ${partitions === 1 ? 'one partition' : `${partitions} partitions`}`, async () => {
        await fc.assert(
          fc.asyncProperty(feeds, (given) => sameForAllBatchSizes(() => pipeline([name]), given, partitions)),
          { numRuns: 12 },
        );
      });
    }
  }

  const names = fc.array(fc.constantFrom(...Object.keys(steps)), { minLength: 2, maxLength: 4 }).filter(isModest);
  for (const partitions of [1, 3]) {
    it(`random pipelines of two to four operators, ${partitions === 1 ? 'one partition' : `${partitions} partitions`}`, async () => {
      await fc.assert(
        fc.asyncProperty(names, feeds, (list, given) => sameForAllBatchSizes(() => pipeline(list), given, partitions)),
        { numRuns: 120 },
      );
    });

    it(`two random pipelines beside each other that share a table, ${partitions === 1 ? 'one partition' : `${partitions} partitions`}`, async () => {
      await fc.assert(
        fc.asyncProperty(names, names, feeds, (list, other, given) =>
          sameForAllBatchSizes(() => pipeline(list, other), given, partitions),
        ),
        { numRuns: 60 },
      );
    });
  }
});
