import assert from 'node:assert/strict';
import fc from 'fast-check';
import { dueStore } from '#src/dsl/buffers/due-queue.js';
import { type Bounds, HeldChanges } from '#src/dsl/buffers/held-changes.js';
import { Pending, pendingSerde } from '#src/dsl/buffers/pending.js';
import { Headers } from '#src/model/headers.js';
import { serdes } from '#src/serdes/serdes.js';
import { databases, StoreLab } from '../../support/stores.js';

const spec = dueStore('held', serdes.string, pendingSerde(serdes.string));
const serde = { key: serdes.string, value: serdes.string };
/** 8 bytes of the moment, the key, and the row: 1 + 8 + (4 + n) + 4 + 4. */
const sizeOf = (key: string, value: string): number => 8 + key.length + 21 + value.length;

type Step =
  | { readonly do: 'put'; readonly key: string; readonly due: number; readonly length: number }
  | { readonly do: 'remove'; readonly key: string }
  | { readonly do: 'release'; readonly until: number }
  | { readonly do: 'commit' | 'reopen' };

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), key, due: fc.nat(20), length: fc.nat(60) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), key }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), until: fc.nat(20) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('commit' as const, 'reopen' as const) }) },
  ),
  { maxLength: 50 },
);
const bounds: fc.Arbitrary<Bounds> = fc.record({
  maxRecords: fc.constantFrom(1, 3, Number.POSITIVE_INFINITY),
  maxBytes: fc.constantFrom(60, 150, Number.POSITIVE_INFINITY),
  whenFull: fc.constant('emitEarly' as const),
});

for (const [name, place] of databases) {
  describe(`changes that are held back over ${name}`, () => {
    it('come out when due, earlier when too many wait, however few fit in memory, and over crashes', async () => {
      await fc.assert(
        fc.asyncProperty(steps, bounds, fc.integer({ min: 1, max: 3 }), async (taken, bound, limit) => {
          const lab = new StoreLab(spec, place(), 0);
          await lab.open();
          const given: unknown[] = [];
          const hold = () =>
            new HeldChanges<string, string>({
              rows: lab.store,
              serdes: serde,
              bounds: bound,
              limit,
              give: (from, { value, timestamp }) => given.push([from, value, timestamp]),
            });
          let held = hold();
          await held.start();
          let model: { key: string; due: number; value: string }[] = [];
          let committed = model;
          let n = 0;
          for (const step of taken) {
            const before = 'key' in step ? model.find((row) => row.key === step.key) : undefined;
            if (step.do === 'put') {
              const value = `${n++}`.padEnd(step.length, '.');
              const pending = new Pending(value, null, n, Headers.none);
              const row = { key: step.key, due: before?.due ?? step.due };
              const size = held.sizeOf(step.key, pending);
              if (before)
                held.replace(
                  row,
                  pending,
                  size,
                  Number.isFinite(bound.maxBytes) ? sizeOf(before.key, before.value) : 0,
                );
              else held.add(row, pending, size);
              model = [...model.filter((other) => other !== before), { ...row, value }];
            } else if (step.do === 'remove' && before) {
              held.remove(before, Number.isFinite(bound.maxBytes) ? sizeOf(before.key, before.value) : 0);
              model = model.filter((other) => other !== before);
            } else if (step.do === 'release') {
              model.sort((a, b) => a.due - b.due || (a.key < b.key ? -1 : 1));
              const expected: unknown[] = [];
              const bytes = () => model.reduce((sum, row) => sum + sizeOf(row.key, row.value), 0);
              for (let first = model[0]; first; first = model[0]) {
                if (first.due > step.until && model.length <= bound.maxRecords && bytes() <= bound.maxBytes) break;
                expected.push([first.key, first.value]);
                model = model.slice(1);
              }
              given.length = 0;
              await held.release(step.until);
              assert.deepEqual(
                given.map((row) => (row as unknown[]).slice(0, 2)),
                expected,
              );
            } else if (step.do === 'commit') {
              await lab.commit();
              committed = model;
            } else if (step.do === 'reopen') {
              await lab.reopen();
              model = committed;
              held = hold();
              await held.start();
            }
          }
          await lab.close();
        }),
        { numRuns: name === 'memory' ? 300 : 15 },
      );
    });
  });
}
