import assert from 'node:assert/strict';
import fc from 'fast-check';
import { KeyFilter } from '#src/state/absent/key-filter.js';

const bytes = (key: number | string): Buffer => Buffer.from(`key-${key}`);

describe('the key filter', () => {
  it('never denies a key that was added', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 2_000 }), (keys) => {
        const filter = new KeyFilter();
        keys.forEach((key, i) => void filter.add(key, i));
        assert.ok(keys.every((key) => filter.mayHold(key)));
      }),
    );
  });

  it('denies nearly all keys that were not added, however many there are', () => {
    const filter = new KeyFilter();
    for (let i = 0; i < 300_000; i++) filter.add(bytes(i), i);
    let taken = 0;
    for (let i = 0; i < 100_000; i++) if (filter.mayHold(bytes(`other-${i}`))) taken++;
    assert.ok(taken < 2_000, `${taken} of 100,000 were taken for keys that may be there`);
  });

  it('denies everything while it is empty', () => {
    assert.equal(new KeyFilter().mayHold(bytes(1)), false);
  });

  it('forgets the keys of expiry entries that are used up, and keeps those of later ones', () => {
    const filter = new KeyFilter();
    const early = 16 * 1024;
    for (let i = 0; i < 2 * early; i++) filter.add(bytes(i), i < early ? 5 : 6);
    filter.forget(5);
    let left = 0;
    for (let i = 0; i < early; i++) if (filter.mayHold(bytes(i))) left++;
    assert.ok(left < early / 100, `${left} of ${early} are still there`);
    for (let i = early; i < 2 * early; i++) assert.ok(filter.mayHold(bytes(i)));
  });

  it('gives up above 4 million keys: everything may be there', () => {
    const filter = new KeyFilter();
    const key = Buffer.alloc(4);
    for (let i = 0; filter.useful && i < 5_000_000; i++) {
      key.writeUInt32BE(i);
      filter.add(key, i);
    }
    assert.equal(filter.useful, false);
    assert.equal(filter.mayHold(bytes('never added')), true);
  });
});
