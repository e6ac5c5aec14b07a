import assert from 'node:assert/strict';
import { FieldWatch } from '#src/cli/past/field-watch.js';
import type { ChangedRow } from '#src/replay/index.js';

describe('the watch for missing fields', () => {
  const looked = (expression: string, values: readonly unknown[]): readonly string[] => {
    const watch = new FieldWatch({ expression });
    const seen: ChangedRow[] = [];
    const when = watch.around((row) => void seen.push(row));
    const rows = values.map((value) => ({ key: 'k', value, before: null, timestamp: 0 }));
    for (const row of rows) when(row);
    assert.ok(
      seen.every((row, i) => row === rows[i]),
      'the predicate is given the rows themselves',
    );
    return watch.warnings('store s');
  };

  it('says nothing of a field that any row has, however late', () => {
    assert.deepEqual(looked('value.a', [{}, { b: 1 }, { a: undefined }]), []);
    assert.deepEqual(looked('value.a', [null, null]), []);
    assert.deepEqual(looked('value.a.b', [{ a: null }, { a: { b: 1 } }, { a: {} }]), []);
    assert.deepEqual(looked('value.a.b', [{ a: null }]), []);
  });

  it('takes values of any kind, calls none of their getters, and changes no result', () => {
    const at = new Date(0);
    for (const value of [at, 7n, Buffer.from('x'), Symbol('s'), () => 1, new Map(), [1], 'text', true]) {
      const [warning] = looked('value.missing', [value]);
      assert.equal(warning, 'no row of store s has a field missing (1 row was looked at)');
    }
    assert.deepEqual(looked('value.getTime() && value.constructor', [at]), []);
    let calls = 0;
    class Row {
      get inner(): object {
        calls++;
        return {};
      }
    }
    assert.deepEqual(
      looked('value.inner.x', [
        new Row(),
        {
          get inner() {
            return calls++;
          },
        },
      ]),
      [],
    );
    assert.equal(calls, 0);
    const hostile = new Proxy(
      {},
      {
        has: () => {
          throw new Error('no');
        },
      },
    );
    assert.deepEqual(looked('value.missing', [hostile, {}]), []);
  });

  it('shows names of rows on one line, without what controls a terminal', () => {
    const [warning] = looked('value.totl', [{ 'tot\u001bl': 1 }]);
    assert.equal(warning, 'no row of store s has a field totl: did you mean tot\\u001bl? (1 row was looked at)');
  });
});
