import assert from 'node:assert/strict';
import type { Case, Emitted } from './case.js';
import { differences } from './compare.js';

const record = (step: number, topic: string, key: string): Emitted => ({ step, topic, key, value: 1, timestamp: 0 });
const expecting = (compare: Case['compare'], ...expected: readonly Emitted[]): Case => ({
  name: 'test/case',
  description: '',
  compare,
  sources: {},
  topology: [],
  input: [],
  expected,
  stores: { rows: [['a', { x: 1, y: 2 }]] },
});
const stores = { rows: [['a', { y: 2, x: 1 }]] as const };
const [a, b, later] = [record(0, 's', 'a'), record(0, 't', 'b'), record(1, 's', 'c')];

describe('the comparison of a case', () => {
  it('finds a missing, an additional and a changed record, and a row that differs', () => {
    const target = expecting('exact', a, b);
    assert.deepEqual(differences(target, { emitted: [a, b], stores }), []);
    assert.deepEqual(differences(target, { emitted: [a], stores }), [
      '  step 0 s: "a" → 1 @0',
      '- step 0 t: "b" → 1 @0',
    ]);
    assert.equal(differences(target, { emitted: [a, b, later], stores }).at(-1), '+ step 1 s: "c" → 1 @0');
    assert.equal(differences(target, { emitted: [a, { ...b, timestamp: 1 }], stores }).length, 3);
    assert.deepEqual(differences(target, { emitted: [a, b], stores: {} }), ['- store rows: "a" → {"x":1,"y":2}']);
  });

  it('is as strict about order as the case asks for', () => {
    const strictness = (compare: Case['compare'], ...emitted: readonly Emitted[]): boolean =>
      differences(expecting(compare, a, b, later), { emitted, stores }).length === 0;
    assert.equal(strictness('exact', b, a, later), false);
    assert.equal(strictness('topic', b, a, later), true);
    assert.equal(strictness('topic', b, later, a), false);
    assert.equal(strictness('step', b, a, later), true);
    assert.equal(strictness('step', a, b, { ...later, step: 0 }), false);
    assert.equal(strictness('multiset', { ...later, step: 0 }, b, a), true);
    assert.equal(strictness('multiset', a, b), false);
  });
});
