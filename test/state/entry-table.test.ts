import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Entry } from '#src/state/entry.js';
import { EntryTable } from '#src/state/entry-table.js';

type Decision = ReturnType<Parameters<EntryTable<string, number>['review']>[0]>;

describe('a table of cached entries', () => {
  it('finds and keeps what a Map would, in its order, over any additions and reviews', () => {
    const id = fc.nat({ max: 1_500 }).map((n) => `key-${n}`);
    const decision = fc.constantFrom<Decision>('keep', 'renew', 'remove');
    const step = fc.oneof(
      fc.record({ add: fc.array(id, { maxLength: 400 }) }),
      fc.record({ decisions: fc.array(decision, { minLength: 1, maxLength: 5 }), stopAt: fc.nat({ max: 1_000 }) }),
      fc.constant('clear' as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const table = new EntryTable<string, number>();
        const map = new Map<string, Entry<string, number>>();
        for (const each of steps) {
          if (each === 'clear') {
            table.clear();
            map.clear();
          } else if ('add' in each) {
            for (const name of each.add) {
              assert.equal(table.get(name), map.get(name));
              if (map.has(name)) continue;
              const entry = new Entry<string, number>(name, name);
              table.add(entry);
              map.set(name, entry);
            }
          } else {
            let at = 0;
            const decide = (): Decision => {
              const chosen = at === each.stopAt ? 'stop' : (each.decisions[at % each.decisions.length] as Decision);
              at++;
              return chosen;
            };
            const seen: string[] = [];
            table.review((entry) => {
              seen.push(entry.id);
              return decide();
            });
            at = 0;
            const expected: string[] = [];
            for (const entry of [...map.values()]) {
              expected.push(entry.id);
              const chosen = decide();
              if (chosen === 'stop') break;
              if (chosen !== 'keep') map.delete(entry.id);
              if (chosen === 'renew') map.set(entry.id, entry);
            }
            assert.deepEqual(seen, expected);
          }
          assert.equal(table.size, map.size);
        }
        const order: string[] = [];
        table.review((entry) => {
          order.push(entry.id);
          return 'keep';
        });
        assert.deepEqual(order, [...map.keys()]);
        for (let n = 0; n <= 1_500; n++) assert.equal(table.get(`key-${n}`), map.get(`key-${n}`));
      }),
    );
  });

  it('tells ids apart that have the same hash', () => {
    const table = new EntryTable<string, number>();
    const ids = Array.from({ length: 200_000 }, (_, n) => `k${n}`);
    const entries = ids.map((id) => new Entry<string, number>(id, id));
    for (const entry of entries) table.add(entry);
    const hashes = new Set(entries.map(({ hash }) => hash));
    assert.ok(hashes.size < ids.length, 'some of so many ids have the same hash');
    assert.ok(hashes.size > ids.length - 100, 'and few');
    for (const entry of entries) assert.equal(table.get(entry.id), entry);
  });
});
