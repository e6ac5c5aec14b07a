import assert from 'node:assert/strict';
import fc from 'fast-check';
import { SharedBounds, type WindowBounds } from '#src/state/rows/window-bounds.js';

const window = (start: number, end: number) => ({ key: 'any', start, end });

describe('the bounds of windows', () => {
  it('are one object for all keys of a window, in whatever order windows come', () => {
    const shared = new SharedBounds();
    const first = [0, 60, 120].map((start) => shared.of(window(start, start + 60)));
    const again = [120, 0, 60, 60].map((start) => shared.of(window(start, start + 60)));
    assert.deepEqual(
      again.map((bounds) => first.indexOf(bounds)),
      [2, 0, 1, 1],
    );
  });

  it('are those of the window, and have an id that no others have', () => {
    const end = fc.oneof(fc.maxSafeNat(), fc.constant(Number.POSITIVE_INFINITY));
    // Some that differ in one bound only.
    const some = fc.tuple(fc.oneof(fc.nat(3), fc.maxSafeNat()), fc.oneof(fc.nat(3), end));
    fc.assert(
      fc.property(fc.array(some), (all) => {
        const shared = new SharedBounds();
        const ids = new Map<string, string>();
        for (const [start, end] of all) {
          const bounds = shared.of(window(start, end)) as WindowBounds;
          assert.deepEqual([bounds.start, bounds.end, bounds.id.length], [start, end, 8]);
          assert.equal(ids.get(bounds.id) ?? `${start} ${end}`, `${start} ${end}`);
          ids.set(bounds.id, `${start} ${end}`);
        }
      }),
    );
  });

  it('are absent from what is no window', () => {
    const shared = new SharedBounds();
    for (const [start, end] of [
      [-1, 5],
      [0.5, 5],
      [Number.NaN, 5],
      [0, -1],
      [0, 0.5],
      [0, Number.NaN],
      [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ] as const)
      assert.equal(shared.of(window(start, end)), undefined, `${start} to ${end}`);
  });

  it('are remembered for the windows that came last, and not for all that ever were', () => {
    const shared = new SharedBounds();
    const first = shared.of(window(0, 1));
    for (let start = 1; start < 500; start++) shared.of(window(start, start + 1));
    assert.equal(shared.of(window(0, 1)), first);
    for (let start = 1; start < 5_000; start++) shared.of(window(start, start + 1));
    assert.notEqual(shared.of(window(0, 1)), first);
  });
});
