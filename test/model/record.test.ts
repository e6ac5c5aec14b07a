import assert from 'node:assert/strict';
import { Headers } from '#src/model/headers.js';
import { isChange, PlainRecord, RowChange } from '#src/model/record.js';

describe('a record', () => {
  const record = new PlainRecord('k', 'v', 5, Headers.none);
  const change = new RowChange('k', 'v', null, 5, Headers.none);

  it('of a stream is distinguished from a change of a table', () => {
    assert.equal(isChange(record), false);
    assert.equal(isChange(change), true);
  });

  it('is recognized when it is a copy made by spreading one', () => {
    assert.equal(isChange({ ...record, value: 'w' }), false);
    assert.equal(isChange({ ...change, value: 'w' }), true);
  });
});
