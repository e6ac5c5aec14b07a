import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BY_RECORD, byPlace, Place } from '#src/runtime/record/place.js';

describe('the order of what a batch causes', () => {
  it('is by record, then due time, then depth first: as if each emission ran to its end in turn', () => {
    // Each number says which of the places before it caused the next one (none: it was emitted by the source).
    const causes = fc.array(
      fc.record({ cause: fc.nat(8), index: fc.nat(1), due: fc.constantFrom(BY_RECORD, 10, 20) }),
      {
        maxLength: 30,
      },
    );
    fc.assert(
      fc.property(causes, fc.integer(), (steps, seed) => {
        const children = new Map<Place | undefined, Place[]>();
        const places: Place[] = [];
        for (const [number, { cause: at, index, due }] of steps.entries()) {
          const cause = places[at];
          const place = cause
            ? new Place(cause.index, cause.due, cause, number)
            : new Place(index, due, undefined, number);
          places.push(place);
          children.set(cause, [...(children.get(cause) ?? []), place]);
        }
        const walk = (cause: Place | undefined): Place[] =>
          (children.get(cause) ?? []).flatMap((place) => [place, ...walk(place)]);
        const first = (a: Place, b: Place): number => a.index - b.index || a.due - b.due;
        const expected = walk(undefined).sort(first);
        const shuffled = places.toSorted((a, b) => ((a.number * 7 + seed) % 11) - ((b.number * 7 + seed) % 11));
        assert.deepEqual(shuffled.sort(byPlace), expected);
      }),
      { numRuns: 500 },
    );
  });
});
