import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DueQueue, dueStore } from '#src/dsl/buffers/due-queue.js';
import { serdes } from '#src/serdes/serdes.js';
import { databases, StoreLab } from '../../support/stores.js';

const spec = dueStore('waiting', serdes.string, serdes.string);

type Step =
  | { readonly do: 'add' | 'remove'; readonly due: number; readonly key: string }
  | { readonly do: 'take' | 'look'; readonly until: number }
  | { readonly do: 'takeFirst' | 'commit' | 'reopen' };

const key = fc.constantFrom('a', 'b', 'c', 'd');
const due = fc.nat(20);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('add' as const), due, key }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), due, key }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('take' as const, 'look' as const), until: due }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constantFrom('takeFirst' as const, 'commit' as const, 'reopen' as const) }),
    },
  ),
  { maxLength: 60 },
);

for (const [name, place] of databases) {
  describe(`a due queue over ${name}`, () => {
    it('shows what is due by moment and key, however much of it is in memory, over commits and crashes', async () => {
      await fc.assert(
        fc.asyncProperty(steps, fc.integer({ min: 1, max: 4 }), async (taken, limit) => {
          const lab = new StoreLab(spec, place(), 0);
          let queue = new DueQueue(await lab.open(), serdes.string, limit);
          await queue.start();
          let model = new Map<string, { due: number; key: string; value: string }>();
          let committed = new Map(model);
          const first = () => [...model.values()].sort((a, b) => a.due - b.due || (a.key < b.key ? -1 : 1))[0];
          let n = 0;
          for (const step of taken) {
            const shown: unknown[] = [];
            const expected: unknown[] = [];
            const show = (key: string, value: string, due: number): void => void shown.push({ due, key, value });
            if (step.do === 'add') {
              const value = `v${n++}`;
              const id = `${step.due}/${step.key}`;
              if (model.has(id)) queue.replace(step.due, step.key, value, step.due);
              else queue.add(step.due, step.key, value, step.due);
              model.set(id, { due: step.due, key: step.key, value });
            } else if (step.do === 'remove') {
              queue.remove(step.due, step.key);
              model.delete(`${step.due}/${step.key}`);
            } else if (step.do === 'look') {
              await queue.ready();
              const next = queue.look(step.until, (key, due) => void shown.push({ due, key }));
              const waits = [...model.values()]
                .sort((a, b) => a.due - b.due || (a.key < b.key ? -1 : 1))
                .map(({ due, key }) => ({ due, key }));
              const isDue = waits.filter(({ due }) => due <= step.until);
              expected.push(...isDue.slice(0, shown.length));
              assert.ok(shown.length > 0 || isDue.length === 0);
              // More that is due waits only behind those that were shown.
              assert.ok(next <= step.until || shown.length === isDue.length);
              assert.ok(next <= (waits[shown.length]?.due ?? Number.POSITIVE_INFINITY));
            } else if (step.do === 'take' || step.do === 'takeFirst') {
              const until = step.do === 'take' ? step.until : Number.POSITIVE_INFINITY;
              for (let next = first(); next && next.due <= until; next = first()) {
                expected.push(next);
                model.delete(`${next.due}/${next.key}`);
                if (step.do === 'takeFirst') break;
              }
              await (step.do === 'take' ? queue.take(until, show) : queue.takeFirst(show));
            } else if (step.do === 'commit') {
              await lab.commit();
              committed = new Map(model);
            } else {
              await lab.reopen();
              model = new Map(committed);
              queue = new DueQueue(lab.store, serdes.string, limit);
              await queue.start();
            }
            assert.deepEqual(shown, expected);
            assert.ok(queue.next <= (first()?.due ?? Number.POSITIVE_INFINITY));
          }
          await lab.close();
        }),
        { numRuns: name === 'memory' ? 300 : 15 },
      );
    });

    it('writes nothing to disk and changelog of what was added and taken within one commit', async () => {
      const lab = new StoreLab(spec, place());
      const queue = new DueQueue(await lab.open(), serdes.string);
      await queue.start();
      queue.add(1, 'a', 'x', 1);
      queue.add(2, 'b', 'y', 1);
      await queue.take(1, () => undefined);
      assert.deepEqual(
        (await lab.commit()).map(({ value }) => String(value)),
        ['y'],
      );
      await lab.close();
    });
  });
}
