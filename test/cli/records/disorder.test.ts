import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Disorder, disorder } from '#src/model/disorder.js';
import { seededRandom } from '#src/model/random.js';

const items = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

describe('disorder', () => {
  it('delivers every item once, in order, if nothing is asked for', () => {
    const delivered = [...disorder(['a', 'b', 'c'], { random: seededRandom(1) })];
    assert.deepEqual(
      delivered,
      ['a', 'b', 'c'].map((item, index) => ({ item, index, copy: false })),
    );
  });

  it('delivers each item once and some again later, within the distances, for any options and seed', () => {
    fc.assert(
      fc.property(
        fc.record({
          count: fc.nat(400),
          duplicate: fc.double({ min: 0, max: 1, noNaN: true }),
          shuffle: fc.nat(50),
          duplicateWithin: fc.nat(60),
          seed: fc.nat(),
        }),
        ({ count, seed, ...options }) => {
          const delivered = [...disorder(items(count), { ...options, random: seededRandom(seed) })];
          const originals = delivered.filter(({ copy }) => !copy);
          assert.deepEqual(
            originals.map(({ item }) => item).sort((a, b) => a - b),
            items(count),
          );
          for (const [place, { index, item }] of originals.entries()) {
            assert.equal(item, index);
            assert.ok(Math.abs(place - index) <= options.shuffle);
          }
          const seen = new Set<number>();
          for (const { index, copy } of delivered) {
            assert.equal(seen.has(index), copy, 'a copy comes after its original, and only once');
            if (!copy) seen.add(index);
          }
          const copies = delivered.filter(({ copy }) => copy).map(({ index }) => index);
          assert.equal(new Set(copies).size, copies.length);
        },
      ),
    );
  });

  it('gives the same deliveries for the same seed, and others for another', () => {
    const run = (seed: number) =>
      JSON.stringify([...disorder(items(200), { duplicate: 0.1, shuffle: 5, random: seededRandom(seed) })]);
    assert.equal(run(7), run(7));
    assert.notEqual(run(7), run(8));
  });

  it('duplicates about the share asked for', () => {
    const delivered = [...disorder(items(20_000), { duplicate: 0.05, random: seededRandom(3) })];
    const share = (delivered.length - 20_000) / 20_000;
    assert.ok(Math.abs(share - 0.05) < 0.01, `${share}`);
  });

  it('holds back no more than its window', () => {
    const deliveries = new Disorder<number>({
      duplicate: 1,
      shuffle: 20,
      duplicateWithin: 30,
      random: seededRandom(5),
    });
    let out = 0;
    for (const item of items(10_000)) {
      out += deliveries.push(item).filter(({ copy }) => !copy).length;
      assert.ok(item + 1 - out <= 21, `${item + 1 - out} items held back`);
    }
    assert.ok(deliveries.end().length <= 21 + 52);
  });
});
