import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BoundedMap } from '#src/model/bounded-map.js';

describe('a bounded map', () => {
  it('never has more entries, nor more weight, than it may, and loses the oldest first', () => {
    const step = fc.record({
      key: fc.nat(20),
      weight: fc.nat(30),
      action: fc.constantFrom('set', 'set', 'set', 'weigh', 'delete'),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const map = new BoundedMap<number, number>(8, 50);
        /** What it has to have: in the order in which it came. */
        let kept: { readonly key: number; readonly value: number; weight: number }[] = [];
        for (const [i, { key, weight, action }] of steps.entries()) {
          if (action === 'set') {
            map.set(key, i);
            kept = [...kept.filter((each) => each.key !== key), { key, value: i, weight: 0 }];
          } else if (action === 'delete') {
            map.delete(key);
            kept = kept.filter((each) => each.key !== key);
          } else {
            const found = kept.find((each) => each.key === key);
            map.weigh(key, found?.value ?? -1, weight);
            if (found) found.weight = weight;
          }
          while (kept.length > 8 || kept.reduce((sum, each) => sum + each.weight, 0) > 50) kept.shift();
          assert.equal(map.size, kept.length);
          for (let each = 0; each <= 20; each++) {
            const found = kept.find((one) => one.key === each);
            assert.equal(map.get(each), found?.value);
            assert.equal(map.has(each), found !== undefined);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('does not keep what is heavier than all may be, and does not weigh what has been replaced', () => {
    const map = new BoundedMap<string, number>(8, 50);
    map.set('a', 1);
    map.weigh('a', 1, 51);
    assert.equal(map.has('a'), false);
    map.set('a', 2);
    map.weigh('a', 1, 51);
    assert.equal(map.get('a'), 2);
  });
});
