import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { Secret } from '#src/model/text/secret.js';

describe('a secret', () => {
  it('is printed by nothing', () => {
    for (const secret of [new Secret('swordfish'), new Secret(() => 'swordfish')]) {
      const printed = [
        String(secret),
        `${secret}`,
        JSON.stringify({ secret }),
        inspect({ secret }, { depth: 9, showHidden: true }),
      ];
      for (const text of printed) assert.ok(!text.includes('swordfish'), text);
      assert.equal(secret.reveal(), 'swordfish');
    }
  });
});
