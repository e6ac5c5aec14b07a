import assert from 'node:assert/strict';
import { serdes } from '#src/serdes/serdes.js';
import { RowSizes } from '#src/state/rows/row-sizes.js';
import { databases, StoreLab } from '../../support/stores.js';

describe('the sizes of rows whose bytes are not made yet', () => {
  it('are those of text and bytes as they are, and of other values those of others on average', () => {
    let encoded = 0;
    const sizes = new RowSizes<unknown>((value) => {
      encoded++;
      return Buffer.from(JSON.stringify(value));
    });
    assert.equal(sizes.of(null, undefined), 0);
    assert.equal(sizes.of('abc', undefined), 3);
    assert.equal(sizes.of(Buffer.alloc(7), undefined), 7);
    assert.equal(sizes.of({}, Buffer.alloc(9)), 9);
    assert.equal(encoded, 0);
    const row = { text: 'x'.repeat(989) };
    for (let i = 0; i < 640; i++) assert.equal(sizes.of(row, undefined), 1_000);
    assert.equal(encoded, 10);
  });

  for (const [name, place] of databases) {
    it(`count for the memory of the process before they are committed, over ${name}`, async () => {
      const lab = new StoreLab(
        { name: 'rows', kind: 'keyValue', key: serdes.string, value: serdes.json<{ text: string }>() },
        place(),
        1_000_000,
      );
      const store = await lab.open();
      for (let i = 0; i < 100; i++) store.put(`k${i}`, { text: 'x'.repeat(10_000) });
      assert.ok(lab.budget.exceeded, `${lab.budget.usedBytes}`);
      await lab.commit();
      assert.ok(!lab.budget.exceeded, `${lab.budget.usedBytes}`);
      await lab.close();
      assert.equal(lab.budget.usedBytes, 0);
    });
  }
});
