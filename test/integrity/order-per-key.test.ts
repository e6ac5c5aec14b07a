import assert from 'node:assert/strict';
import fc from 'fast-check';
import { count } from '#src/dsl/operators/aggregate.js';
import { dedupe } from '#src/dsl/operators/dedupe.js';
import { groupBy } from '#src/dsl/operators/group-by.js';
import { reorderByVersion } from '#src/dsl/operators/reorder-by-version.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import type { CommitStep, Guarantee } from '#src/runtime/config/config.js';
import { serdes } from '#src/serdes/serdes.js';
import { TestDriver } from '#src/testing/driver.js';
import type { TestInput } from '#src/testing/driver-topics.js';
import { byKey, crashSchedule, smallBatches, tell } from '../support/crashes.js';

interface Order {
  readonly id: string;
  readonly version: number;
}

const order = serdes.json<Order>();
const orders = topology('orders', (t) => {
  t.stream('orders', { key: serdes.string, value: order }).pipe(
    dedupe({ store: 'seen', id: (record) => record.value.id, within: '1h' }),
    reorderByVersion({ store: 'versions', version: (record) => record.value.version, first: 1, value: order }),
    to('in-order', { key: serdes.string, value: order }),
  );
});

const perEntity = 12;
const entities = ['a', 'b', 'c', 'd', 'e'];
const history = Array.from({ length: perEntity }, (_, i) =>
  entities.map((key) => ({ key, value: { id: `${key}${i + 1}`, version: i + 1 }, timestamp: 10 * i })),
).flat();
const versions = Array.from({ length: perEntity }, (_, i) => i + 1);
const STEPS: readonly CommitStep[] = ['1 settle', '2 log', '3 offsets', '4 apply'];
const crashPoint = fc.constantFrom('now' as const, ...STEPS, undefined);

/** Feeds the history in pieces, delivered twice and out of order, with a crash somewhere in each. */
async function deliver(
  driver: TestDriver,
  input: TestInput<string, Order>,
  seed: number,
  crashes: readonly (CommitStep | 'now' | undefined)[],
): Promise<void> {
  const size = Math.ceil(history.length / crashes.length);
  for (const [i, crash] of crashes.entries()) {
    if (crash !== undefined) await driver.crash(crash === 'now' ? undefined : crash);
    await input.sendAll(history.slice(i * size, (i + 1) * size), { duplicate: 0.4, shuffle: 9, seed: seed + i });
    if (driver.crashed) await driver.restart();
  }
}

describe('order per key', () => {
  for (const guarantee of ['exactly_once', 'at_least_once'] satisfies Guarantee[]) {
    it(`${guarantee}: the versions of each entity in order, despite duplicates, disorder and crashes`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer(),
          fc.array(crashPoint, { minLength: 1, maxLength: 6 }),
          fc.constantFrom(1, 3),
          fc.constantFrom(1, 7, 1_000),
          async (seed, crashes, partitions, batchRecords) => {
            const driver = await TestDriver.create(orders, { partitions, guarantee, batchRecords });
            await deliver(driver, driver.input('orders', { key: serdes.string, value: order }), seed, crashes);
            const found = await driver.output('in-order', { key: serdes.string, value: order }).read();
            for (const key of entities) {
              const came = found
                .filter((record) => record.key === key)
                .map((record) => record.value?.version as number);
              if (guarantee === 'exactly_once') assert.deepEqual(came, versions);
              else assertReplays(came);
            }
            await driver.close();
          },
        ),
        { numRuns: 40 },
      );
    });
  }

  it('counts per group are one after the other, whatever tasks write into the group and crash meanwhile', async () => {
    const counts = topology('grouped', (t) => {
      t.stream('orders', { key: serdes.string, value: order }).pipe(
        groupBy((record) => `v${record.value.version % 4}`, {
          key: serdes.string,
          value: order,
          name: 'by-version',
          partitions: 2,
        }),
        count({ store: 'counts' }),
        to('out', { key: serdes.string, value: serdes.json() }),
      );
    });
    const records = history.map(({ key, value, timestamp }) => ({ key, value: JSON.stringify(value), timestamp }));
    await fc.assert(
      fc.asyncProperty(smallBatches, crashSchedule(5), async (options, crashes) => {
        const story = {
          topology: counts,
          options,
          topics: { orders: 3, out: 2 },
          rounds: [{ orders: records }],
          crashes,
        };
        const { outputs } = await tell(story, ['out']);
        for (const group of byKey(outputs.out!).values()) {
          assert.deepEqual(
            group.map(({ value }) => Number(value)),
            Array.from({ length: records.length / 4 }, (_, i) => i + 1),
          );
        }
      }),
      { numRuns: 40 },
    );
  });
});

/** at_least_once: versions rise one by one; a crash goes back to one that was there before, and on from it. */
function assertReplays(came: readonly number[]): void {
  let highest = 0;
  let before = 0;
  for (const version of came) {
    assert.ok(version === before + 1 || version <= highest, `${version} after ${before} in ${came.join(' ')}`);
    highest = Math.max(highest, version);
    before = version;
  }
  assert.equal(highest, perEntity);
  assert.equal(before, perEntity);
}
