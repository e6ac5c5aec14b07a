import assert from 'node:assert/strict';
import { formatIdentity, parseIdentity } from '#src/state/identity.js';
import { isStreamsError } from './support.js';

const valid = { format: 1, application: 'shop', topology: 'payments', task: '0_3', stores: {} };
const balances = { id: 1, kind: 'keyValue', key: 'string', value: 'json' };

describe('an identity file', () => {
  it('is read as it was written', () => {
    const identity = {
      application: 'shop',
      topology: 'payments',
      task: '0_3',
      stores: new Map([['balances', balances]]),
    };
    assert.deepEqual(parseIdentity(formatIdentity(identity), 'identity.json'), identity);
  });

  for (const [what, text] of [
    ['is empty', ''],
    ['is cut off', JSON.stringify(valid).slice(0, -5)],
    ['is no object', '[]'],
    ['has no format', '{}'],
    ['has a format that never was', JSON.stringify({ ...valid, format: 0 })],
    ['lacks the topology', JSON.stringify({ ...valid, topology: undefined })],
    ['has stores that are no object', JSON.stringify({ ...valid, stores: [] })],
    ['has a store without id', JSON.stringify({ ...valid, stores: { balances: { ...balances, id: undefined } } })],
    [
      "has a store with id 0, which is the task's own",
      JSON.stringify({ ...valid, stores: { balances: { ...balances, id: 0 } } }),
    ],
    [
      'has a store with an id of more than 2 bytes',
      JSON.stringify({ ...valid, stores: { balances: { ...balances, id: 65_536 } } }),
    ],
    ['has a store that is null', JSON.stringify({ ...valid, stores: { balances: null } })],
    ['has two stores with one id', JSON.stringify({ ...valid, stores: { balances, seen: balances } })],
  ] as const) {
    it(`is refused with STATE_CORRUPT when it ${what}`, () => {
      assert.throws(
        () => parseIdentity(text, 'identity.json'),
        isStreamsError('STATE_CORRUPT', /at identity\.json: saw .*\. Stop the application and delete the directory/),
      );
    });
  }
});
