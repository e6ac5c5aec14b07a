import fc from 'fast-check';

/** What flows through the random pipelines. */
export interface Item {
  readonly n: number;
  readonly id: string;
  readonly version: number;
  readonly group: string;
}

export const items: fc.Arbitrary<Item> = fc.record({
  n: fc.nat({ max: 6 }),
  id: fc.constantFrom('i', 'j', 'k', 'l'),
  version: fc.integer({ min: 1, max: 6 }),
  group: fc.constantFrom('a', 'b', 'x'),
});
