import assert from 'node:assert/strict';
import fc from 'fast-check';
import { serdes, type Topology, to, topology } from '#src/index.js';
import { type InputRecord, TestDriver } from '#src/testing/index.js';
import type { Item } from '../steps/item.js';
import { type TimeFold, timeFolds } from '../steps/time-folds.js';
import { json } from '../support.js';

const windows = { key: serdes.windowed(serdes.string), value: serdes.json<any>() };

const records = (maxLength: number) =>
  fc.array(
    fc.record({
      key: fc.option(fc.constantFrom('a', 'b', 'c'), { freq: 12 }),
      value: fc.option(
        fc.nat({ max: 6 }).map((n) => ({ n, id: 'i', version: 1, group: 'a' })),
        { freq: 8 },
      ),
      // Mostly near each other, now and then far ahead of all retention.
      timestamp: fc.oneof(
        { weight: 30, arbitrary: fc.nat({ max: 60 }) },
        { weight: 1, arbitrary: fc.nat({ max: 500 }) },
      ),
    }),
    { minLength: 3, maxLength },
  );
const rounds = fc.array(
  fc.tuple(records(12), fc.constantFrom('1 settle', '2 log', '3 offsets', '4 apply', 'lost', 'none')),
  { minLength: 2, maxLength: 4 },
);
type Rounds = typeof rounds extends fc.Arbitrary<infer R> ? R : never;

const fold = (step: TimeFold): Topology =>
  topology('test', (t) => {
    step(t.stream('in', json<Item>()), 'fold').pipe(to('out', windows));
  });

/** Everything that can be seen of a run: what came out, in order; the dead letters; the rows of all stores. */
async function seen(driver: TestDriver, target: Topology): Promise<unknown> {
  const outputs = await driver.output('out', windows).read();
  const letters = await driver.deadLetters().read();
  const stores: Record<string, unknown> = {};
  for (const { name } of target.graph.stores) stores[name] = await driver.store(name).entries();
  await driver.close();
  return { outputs, letters, stores };
}

/** All of it in one run, in batches of that size. */
async function inBatches(step: TimeFold, given: readonly InputRecord<string, Item>[], batchRecords: number) {
  const target = fold(step);
  const driver = await TestDriver.create(target, { partitions: 2, batchRecords, onError: { process: 'deadLetter' } });
  await driver.crash();
  await driver.input('in', json<Item>()).sendAll(given);
  await driver.restart();
  return seen(driver, target);
}

/** Round after round. With crashes, the commit of a round is interrupted after a step, and the engine started again; `lost`: before it begins. */
async function inRounds(step: TimeFold, given: Rounds, crashes: boolean): Promise<unknown> {
  const target = fold(step);
  const driver = await TestDriver.create(target, { onError: { process: 'deadLetter' } });
  for (const [round, crash] of given) {
    if (crashes && crash === 'lost') await driver.crash();
    else if (crashes && crash !== 'none') await driver.crash(crash as '1 settle');
    await driver.input('in', json<Item>()).sendAll(round);
    if (driver.crashed) await driver.restart();
  }
  return seen(driver, target);
}

describe('folds over windows give the same results', () => {
  for (const [name, step] of Object.entries(timeFolds)) {
    it(`in batches of any size: ${name}`, async () => {
      await fc.assert(
        fc.asyncProperty(records(40), async (given) => {
          const expected = await inBatches(step, given, 1);
          for (const size of [2, 7, 1_000])
            assert.deepEqual(await inBatches(step, given, size), expected, `batches of ${size}`);
        }),
        { numRuns: 25 },
      );
    });

    it(`with crashes at any step of a commit: ${name}`, async () => {
      await fc.assert(
        fc.asyncProperty(rounds, async (given) => {
          assert.deepEqual(await inRounds(step, given, true), await inRounds(step, given, false));
        }),
        { numRuns: 20 },
      );
    });
  }
});
