import assert from 'node:assert/strict';
import fc from 'fast-check';
import { dedupe } from '#src/index.js';
import { feed, open, read, type Short, through } from '../support.js';

interface Event {
  readonly id: string;
}

const event = (id: string): Event => ({ id });
const byKey = through<Event>((input) =>
  input.pipe(dedupe({ store: 'seen', id: (record) => record.value.id, within: '10ms' })),
);
const byPartition = through<Event>((input) =>
  input.pipe(dedupe({ store: 'seen', id: (record) => record.value.id, within: '10ms', scope: 'partition' })),
);

describe('dedupe against a simple model', () => {
  for (const scope of ['key', 'partition'] as const) {
    it(`equals a simple model with scope ${scope}, for any order of timestamps and any batches`, async () => {
      const within = 10;
      const given = fc.array(
        fc.record({
          key: fc.constantFrom('a', 'b'),
          id: fc.constantFrom('x', 'y', 'z'),
          timestamp: fc.nat({ max: 40 }),
        }),
        { maxLength: 40 },
      );
      await fc.assert(
        fc.asyncProperty(
          given,
          fc.constantFrom(1, 2, 7, 1_000),
          fc.nat({ max: 40 }),
          async (records, batchRecords, crashAt) => {
            const expected: unknown[] = [];
            const firsts = new Map<string, number>();
            let streamTime = Number.NEGATIVE_INFINITY;
            for (const { key, id, timestamp } of records) {
              streamTime = Math.max(streamTime, timestamp);
              const name = scope === 'key' ? `${key} ${id}` : id;
              const first = firsts.get(name);
              if (first !== undefined && first + within >= streamTime) continue;
              firsts.set(name, timestamp);
              expected.push([key, event(id), timestamp]);
            }
            const driver = await open(scope === 'key' ? byKey : byPartition, { batchRecords });
            const shorts = records.map(({ key, id, timestamp }): Short => [key, event(id), timestamp]);
            await feed(driver, 'in', shorts.slice(0, crashAt));
            await driver.crash();
            await feed(driver, 'in', shorts.slice(crashAt));
            await driver.restart();
            assert.deepEqual(await read(driver), expected);
            await driver.close();
          },
        ),
        { numRuns: 100 },
      );
    });
  }
});
