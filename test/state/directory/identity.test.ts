import assert from 'node:assert/strict';
import { assignIds, formatIdentity, parseIdentity } from '#src/state/directory/identity.js';
import { isStreamsError } from '../support.js';

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

  it('notes every format that rows may be written with, the one of now last', () => {
    const store = (text: string, ...unreadable: readonly string[]) => ({
      name: 'balances',
      kind: 'keyValue',
      key: { name: 'string' },
      value: {
        name: 'avro',
        format: { text, cannotRead: (written: string) => (unreadable.includes(written) ? `of ${written}` : undefined) },
      },
    });
    const noted = (known: ReturnType<typeof assignIds>) => known.get('balances')?.formats;
    const one = assignIds(new Map(), [store('v1')], 'identity.json');
    assert.deepEqual(noted(one), { value: ['v1'] });
    const two = assignIds(one, [store('v2')], 'identity.json');
    assert.deepEqual(noted(two), { value: ['v1', 'v2'] });
    assert.deepEqual(noted(assignIds(two, [store('v1')], 'identity.json')), { value: ['v2', 'v1'] });
    assert.throws(
      () => assignIds(two, [store('v3', 'v1')], 'identity.json'),
      isStreamsError('STATE_MISMATCH', /of v1/),
    );
    const identity = { application: 'a', topology: 't', task: '0_0', stores: two };
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
    [
      'has formats that are none',
      JSON.stringify({ ...valid, stores: { balances: { ...balances, formats: { value: [1] } } } }),
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
