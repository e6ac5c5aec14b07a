import assert from 'node:assert/strict';
import { nearestName } from '#src/model/text/nearest-name.js';

const KNOWN = ['sasl.username', 'sasl.password', 'client.id'];

describe('the nearest name', () => {
  it('is the one that a slip of the keyboard would have made', () => {
    assert.equal(nearestName('sasl.pasword', KNOWN), 'sasl.password');
    assert.equal(nearestName('sasl-username', KNOWN), 'sasl.username');
    assert.equal(nearestName('clientid', KNOWN), 'client.id');
  });

  it('is none if none is near', () => {
    assert.equal(nearestName('acks', KNOWN), undefined);
    assert.equal(nearestName('', KNOWN), undefined);
  });
});
