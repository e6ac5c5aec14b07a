import assert from 'node:assert/strict';
import fc from 'fast-check';
import { messageOf } from '#src/model/errors.js';
import { show } from '#src/model/text/show.js';
import { toJson } from '#src/model/to-json.js';

const throwing = () => {
  throw new Error('mine');
};
const cyclic: Record<string, unknown> = { a: 1 };
cyclic.self = cyclic;
const revoked = Proxy.revocable({}, {});
revoked.revoke();
const hostile: readonly unknown[] = [
  Object.defineProperty({}, 'a', { get: throwing, enumerable: true }),
  { toJSON: throwing },
  { toString: throwing, [Symbol.toPrimitive]: throwing },
  new Proxy({}, { ownKeys: throwing, get: throwing, getPrototypeOf: throwing }),
  new Proxy([], { get: throwing }),
  revoked.proxy,
  Object.create(null),
  cyclic,
  new Date(Number.NaN),
  Symbol('s\n'),
  () => 1,
  Buffer.alloc(1_000),
  new Map([[1n, 2n]]),
  Object.assign(new Error('x'), { message: { toString: throwing } }),
];

describe('a value shown in a message', () => {
  it('is what JSON would show, with what JSON has no form for', () => {
    const shown: readonly [unknown, string][] = [
      ['a"b', '"a\\"b"'],
      [5, '5'],
      [-0, '-0'],
      [5n, '5n'],
      [true, 'true'],
      [null, 'null'],
      [undefined, 'undefined'],
      [{ a: [1, '1', 1n], b: null }, '{"a":[1,"1",1n],"b":null}'],
      [Number.POSITIVE_INFINITY, 'Infinity'],
      [new Date(0), '1970-01-01T00:00:00.000Z'],
      [new Date(Number.NaN), 'an invalid date'],
      [Buffer.from('ab'), '2 bytes (61 62)'],
      [cyclic, '{"a":1,"self":(itself)}'],
      [hostile[0], '{"a":(computed)}'],
      ['\ud83d', '"\\ud83d"'],
      ['\u001b[31m\u0085\u2028\u202e', '"\\u001b[31m\\u0085\\u2028\\u202e"'],
    ];
    for (const [value, text] of shown) assert.equal(show(value), text);
  });

  it('is a short text without control characters, whatever the value is or does', () => {
    const isFine = (value: unknown): void => {
      const text = show(value);
      assert.ok(text.length <= 201, `${text.length} characters`);
      assert.doesNotMatch(text, /\p{Cc}/u);
    };
    const any = fc.anything({
      key: fc.string({ unit: 'binary' }),
      values: [
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.double(),
        fc.bigInt(),
        fc.date({ noInvalidDate: false }),
      ],
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withNullPrototype: true,
      withSparseArray: true,
    });
    fc.assert(fc.property(any, isFine), { numRuns: 2_000 });
    // What is in them, fast-check would look at itself.
    for (const value of hostile)
      for (const inside of [value, [value, value], { value }, { a: [{ value }] }]) isFine(inside);
  });

  it('describes whatever was thrown, also what throws itself when it is read', () => {
    assert.equal(messageOf(new Error('why')), 'why');
    assert.equal(messageOf('why'), 'why');
    assert.equal(messageOf(5n), '5n');
    for (const value of hostile) assert.equal(typeof messageOf(value), 'string');
  });
});

describe('a value as JSON for those who look', () => {
  it('is always JSON', () => {
    assert.equal(toJson({ a: 1n, b: Buffer.from('ab'), c: undefined }), '{"a":"1","b":{"base64":"YWI="}}');
    for (const value of hostile) assert.doesNotThrow(() => JSON.parse(toJson({ value })));
  });
});
