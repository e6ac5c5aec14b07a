import assert from 'node:assert/strict';
import fc from 'fast-check';
import { merge } from 'rxjs';
import { serdes, type Topology, to, topology } from '#src/index.js';
import { type InputRecord, TestDriver } from '#src/testing/index.js';
import { type Item, items } from '../steps/item.js';
import { isModest, steps } from '../steps/steps.js';
import { timeFolds } from '../steps/time-folds.js';
import { windowFolds } from '../steps/window-folds.js';
import { json } from '../support.js';

const TOPICS = ['in', 'more', 'rows'] as const;
type Feed = Readonly<Record<(typeof TOPICS)[number], readonly InputRecord<string, Item>[]>>;
type Crash = '1 settle' | '2 log' | '3 offsets' | '4 apply' | 'none';

const records = fc.array(
  fc.record({
    key: fc.option(fc.constantFrom('a', 'b', 'c'), { freq: 12 }),
    value: fc.option(items, { freq: 8 }),
    timestamp: fc.nat({ max: 60 }),
  }),
  { maxLength: 12 },
);
const feeds: fc.Arbitrary<Feed> = fc.record({ in: records, more: records, rows: records });
const rounds = fc.array(fc.tuple(feeds, fc.constantFrom<Crash>('1 settle', '2 log', '3 offsets', '4 apply', 'none')), {
  minLength: 2,
  maxLength: 4,
});

// Timers are scheduled anew by start, not kept: those that a record scheduled are gone after a crash.
// Folds over windows of time have tests of their own (time-folds.test.ts): here there would be a repartition behind them.
// A repartition is read when its writer has committed: what it meets in a table depends on when that was, as in Kafka Streams.
const names = Object.keys(steps).filter(
  (name) =>
    !(name in timeFolds) &&
    ![
      'process that schedules timers while it runs',
      'selectKey',
      'groupBy',
      'repartition',
      'aggregate of a regrouped table',
      ...Object.keys(windowFolds),
      'joinTable by a foreign key',
      'leftJoinTable by a foreign key',
    ].includes(name),
);

/** A fold over windows alone: its results keep their keys, so that no repartition is needed. */
const windowed = (name: string): Topology =>
  topology('test', (t) => {
    t.table('rows', { ...json<Item>(), store: 'rows' });
    const source = merge(t.stream('in', json<Item>()), t.stream('more', json<Item>()));
    windowFolds[name]!(source, 'windows').pipe(to('out', { ...json<any>(), key: serdes.windowed(serdes.string) }));
  });

const pipeline = (list: readonly string[]): Topology =>
  topology('test', (t) => {
    const rows = t.table('rows', { ...json<Item>(), store: 'rows' });
    const source = merge(t.stream('in', json<Item>()), t.stream('more', json<Item>()));
    list
      .reduce((stream, name, i) => steps[name]!(stream, `s${i}`, rows), source as ReturnType<(typeof steps)[string]>)
      .pipe(to('out', json<any>()));
  });

/** Feeds and runs round after round. With crashes, the commit of a round is interrupted after a step, and the engine started again. */
async function outcome(
  target: Topology,
  given: readonly (readonly [Feed, Crash])[],
  crashes: boolean,
): Promise<unknown> {
  const driver = await TestDriver.create(target, { onError: { process: 'deadLetter' } });
  for (const [feed, crash] of given) {
    for (const topic of TOPICS) {
      if (crashes && crash !== 'none') await driver.crash(crash);
      await driver.input(topic, json<Item>()).sendAll(feed[topic]);
      if (driver.crashed) await driver.restart();
    }
  }
  const outputs = await driver.output('out', { key: serdes.bytes, value: serdes.json() }).read();
  const letters = await driver.deadLetters().read();
  const stores: Record<string, unknown> = {};
  for (const { name } of target.graph.stores) stores[name] = await driver.store(name).entries();
  await driver.close();
  return { outputs, letters, stores };
}

describe('under exactly_once, outputs, dead letters and stores are those of a run without crashes', () => {
  for (const name of names) {
    it(name, async () => {
      await fc.assert(
        fc.asyncProperty(rounds, async (given) => {
          assert.deepEqual(await outcome(pipeline([name]), given, true), await outcome(pipeline([name]), given, false));
        }),
        { numRuns: 15 },
      );
    });
  }

  for (const name of Object.keys(windowFolds)) {
    it(name, async () => {
      await fc.assert(
        fc.asyncProperty(rounds, async (given) => {
          assert.deepEqual(await outcome(windowed(name), given, true), await outcome(windowed(name), given, false));
        }),
        { numRuns: 15 },
      );
    });
  }

  it('random pipelines of two to four operators', async () => {
    const lists = fc.array(fc.constantFrom(...names), { minLength: 2, maxLength: 4 }).filter(isModest);
    await fc.assert(
      fc.asyncProperty(lists, rounds, async (list, given) => {
        assert.deepEqual(await outcome(pipeline(list), given, true), await outcome(pipeline(list), given, false));
      }),
      { numRuns: 80 },
    );
  });
});
