import assert from 'node:assert/strict';
import fc from 'fast-check';
import { serdes, type Topology } from '#src/index.js';
import { type Moment, type ReplayedRecord, replay, stateAsOf } from '#src/replay/index.js';
import { TestDriver } from '#src/testing/index.js';
import { pipeline } from '../dsl/steps/graphs.js';
import { items } from '../dsl/steps/item.js';
import { isModest, steps } from '../dsl/steps/steps.js';
import { json } from '../dsl/support.js';
import { brokerWith, bytesOf, merged, type StoreBytes, shown, type Told, written } from './support.js';

const TOPICS = ['in', 'more', 'rows'] as const;

const told: fc.Arbitrary<Told> = fc.record({
  topic: fc.constantFrom(...TOPICS),
  key: fc.option(fc.constantFrom('a', 'b', 'c', 'd'), { freq: 12 }),
  value: fc.option(items, { freq: 8 }),
  timestamp: fc.nat({ max: 60 }),
});
const histories = fc.array(told, { minLength: 5, maxLength: 30 });

interface Outcome {
  readonly stores: StoreBytes;
  readonly out: readonly string[];
}

const onError = { process: 'deadLetter' } as const;

/** An application that takes the records one after the other. */
async function live(target: Topology, records: readonly Told[], partitions: number): Promise<Outcome> {
  const driver = await TestDriver.create(target, { partitions, onError });
  for (const record of records) {
    const { topic, partition } = written(record, partitions);
    await driver.input(topic, json()).send({ ...record, partition } as never);
  }
  const rows = new Map<string, readonly (readonly [unknown, unknown])[]>();
  for (const { name } of target.graph.stores) rows.set(name, await driver.store(name).entries());
  const bytes = { key: serdes.bytes, value: serdes.bytes };
  const out = (await driver.output('out', bytes).read()).map(
    ({ partition, key, value, timestamp }) => `out[${partition}] ${key} = ${value} @${timestamp}`,
  );
  await driver.close();
  return { stores: bytesOf(target, rows), out };
}

/** The same of a replay up to the moment. */
async function past(
  target: Topology,
  history: readonly Told[],
  partitions: number,
  until: Moment,
  batchRecords: number,
): Promise<Outcome & { readonly records: number }> {
  const broker = await brokerWith(history, { topics: [...TOPICS, 'out'], partitions });
  const options = { broker, onError, inMemory: true, batchRecords };
  const state = await stateAsOf(target, { ...options, asOf: until });
  const rows = new Map<string, (readonly [unknown, unknown])[]>();
  for (const store of state.stores) {
    const found = rows.get(store.spec.name) ?? [];
    for await (const row of store.entries()) found.push(row);
    rows.set(store.spec.name, found);
  }
  await state.close();
  const captured: ReplayedRecord[] = [];
  const report = await replay(target, { ...options, until, onOutput: (some) => void captured.push(...some) });
  await broker.close();
  assert.equal(report.records, state.records);
  const out = captured.filter(({ topic }) => topic === 'out').sort((a, b) => a.partition - b.partition);
  return { stores: bytesOf(target, rows), out: out.map(shown), records: report.records };
}

/** The first so many records of the merged order, as offsets of all partitions. */
function cutAfter(history: readonly Told[], partitions: number, count: number): Moment {
  const ends = new Map<string, number>(
    TOPICS.flatMap((topic) =>
      Array.from({ length: partitions }, (_, partition) => [`${topic}:${partition}`, 0] as const),
    ),
  );
  for (const record of merged(history, partitions).slice(0, count)) {
    const { topic, partition } = written(record, partitions);
    ends.set(`${topic}:${partition}`, (ends.get(`${topic}:${partition}`) ?? 0) + 1);
  }
  const offsets = [...ends].map(([name, offset]) => {
    const [topic = '', partition = ''] = name.split(':');
    return { topic, partition: Number(partition), offset };
  });
  return { kind: 'offset', offsets };
}

describe('a replay up to a cut equals the live state at that cut', () => {
  for (const name of Object.keys(steps)) {
    for (const partitions of [1, 3]) {
      it(`${name}, ${partitions === 1 ? 'one partition' : `${partitions} partitions`}`, async () => {
        await fc.assert(
          fc.asyncProperty(
            histories,
            fc.nat({ max: 30 }),
            fc.constantFrom(1, 3, 1_000),
            async (history, cut, batchRecords) => {
              const order = merged(history, partitions).slice(0, cut);
              const expected = await live(pipeline([name]), order, partitions);
              const until = cutAfter(history, partitions, cut);
              const { records, ...found } = await past(pipeline([name]), history, partitions, until, batchRecords);
              assert.deepEqual(found, expected);
              assert.equal(records, order.length);
            },
          ),
          { numRuns: 6 },
        );
      });
    }
  }

  it('random pipelines of two to four operators, and cuts at a time', async () => {
    const names = fc.array(fc.constantFrom(...Object.keys(steps)), { minLength: 2, maxLength: 4 }).filter(isModest);
    await fc.assert(
      fc.asyncProperty(names, histories, fc.nat({ max: 61 }), fc.constantFrom(1, 2), async (list, history, time, n) => {
        // The slice ends with the first record of the merged order that is later.
        const all = merged(history, n);
        const later = all.findIndex(({ timestamp }) => timestamp > time);
        const order = later < 0 ? all : all.slice(0, later);
        fc.pre(order.length > 0);
        const expected = await live(pipeline(list), order, n);
        const { records: _, ...found } = await past(pipeline(list), history, n, { kind: 'time', time }, 4);
        assert.deepEqual(found, expected);
      }),
      { numRuns: 60 },
    );
  });
});
