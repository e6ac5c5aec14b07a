import assert from 'node:assert/strict';
import fc from 'fast-check';
import { EntryTable } from '#src/state/cache/entry-table.js';
import { CachedRow } from '#src/state/rows/cached-row.js';
import { WindowBounds } from '#src/state/rows/window-bounds.js';

type Decision = ReturnType<Parameters<EntryTable<string, number>['review']>[0]>;

/** Of no window, or of one of some that share a bound; equal ones are not always the same object. */
const boundsOf = (n: number): WindowBounds | undefined =>
  n % 4 === 0 ? undefined : new WindowBounds((n % 4) * 60, n % 8 < 4 ? 600 : Number.POSITIVE_INFINITY);
const textOf = (n: number): string => `key-${n >> 3}`;
const nameOf = (text: string, bounds: WindowBounds | undefined): string => text + (bounds?.id ?? '');
const KEYS = 3_000;

describe('a table of cached entries', () => {
  it('finds and keeps what a Map would, in its order, over any additions and reviews', () => {
    const decision = fc.constantFrom<Decision>('keep', 'renew', 'remove');
    const step = fc.oneof(
      fc.record({ add: fc.array(fc.nat(KEYS), { maxLength: 400 }) }),
      fc.record({ decisions: fc.array(decision, { minLength: 1, maxLength: 5 }), stopAt: fc.nat({ max: 1_000 }) }),
      fc.constant('clear' as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const table = new EntryTable<string, number>();
        const map = new Map<string, CachedRow<string, number>>();
        for (const each of steps) {
          if (each === 'clear') {
            table.clear();
            map.clear();
          } else if ('add' in each) {
            for (const n of each.add) {
              const [text, bounds] = [textOf(n), boundsOf(n)];
              const name = nameOf(text, bounds);
              assert.equal(table.get(text, bounds), map.get(name));
              if (map.has(name)) continue;
              const key = bounds ? ({ key: text, ...bounds } as unknown as string) : text;
              const entry = new CachedRow<string, number>(text, key, bounds);
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
              seen.push(nameOf(entry.text, entry.bounds));
              return decide();
            });
            at = 0;
            const expected: string[] = [];
            for (const entry of [...map.values()]) {
              expected.push(nameOf(entry.text, entry.bounds));
              const chosen = decide();
              if (chosen === 'stop') break;
              const name = nameOf(entry.text, entry.bounds);
              if (chosen !== 'keep') map.delete(name);
              if (chosen === 'renew') map.set(name, entry);
            }
            assert.deepEqual(seen, expected);
          }
          assert.equal(table.size, map.size);
        }
        const order: string[] = [];
        table.review((entry) => {
          order.push(nameOf(entry.text, entry.bounds));
          return 'keep';
        });
        assert.deepEqual(order, [...map.keys()]);
        for (let n = 0; n <= KEYS; n++)
          assert.equal(table.get(textOf(n), boundsOf(n)), map.get(nameOf(textOf(n), boundsOf(n))));
      }),
    );
  });

  it('tells ids apart that have the same hash', () => {
    const table = new EntryTable<string, number>();
    const ids = Array.from({ length: 200_000 }, (_, n) => `k${n}`);
    const entries = ids.map((id) => new CachedRow<string, number>(id, id));
    for (const entry of entries) table.add(entry);
    const hashes = new Set(entries.map(({ hash }) => hash));
    assert.ok(hashes.size < ids.length, 'some of so many ids have the same hash');
    assert.ok(hashes.size > ids.length - 100, 'and few');
    for (const entry of entries) assert.equal(table.get(entry.text), entry);
  });
});
