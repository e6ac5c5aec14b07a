import assert from 'node:assert/strict';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import fc from 'fast-check';
import * as v from 'valibot';
import { WindowKey } from '#src/model/window.js';
import type { Serde } from '#src/serdes/serde.js';
import { serdes } from '#src/serdes/serdes.js';
import { serdeContract } from './contract.js';

const notUtf8 = Buffer.from([0x61, 0xff, 0xfe]);
const Payment = v.object({
  id: v.string(),
  lines: v.array(v.object({ amount: v.number() })),
  note: v.optional(v.string(), ''),
});
const payment = serdes.json({ schema: Payment });

serdeContract('string', {
  serde: serdes.string,
  values: fc.string({ unit: 'binary' }),
  empty: '',
  wrongBytes: [
    [notUtf8, /3 bytes \(61 ff fe\) that are not UTF-8/],
    [Buffer.from([0xef, 0xbf, 0xbd, 0xc0]), /not UTF-8/],
    [Buffer.from([0xed, 0xa0, 0x80]), /not UTF-8/],
  ],
  wrongValues: [
    [7, /saw the number 7, expected a string/],
    [undefined, /saw undefined/],
    [{}, /saw an object of Object/],
    ['a\ud800', /lone surrogates/],
  ],
});

serdeContract('bytes', {
  serde: serdes.bytes,
  values: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  empty: Buffer.alloc(0),
  wrongBytes: [],
  wrongValues: [
    ['text', /saw the string "text", expected a Buffer/],
    [[1, 2], /saw an object of Array/],
  ],
});

serdeContract('int64', {
  serde: serdes.int64,
  values: fc.oneof(
    fc.maxSafeInteger(),
    fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 32, -(2 ** 32), 2 ** 31, -(2 ** 31) - 1),
  ),
  wrongBytes: [
    [Buffer.alloc(4), /saw 4 bytes \(00 00 00 00\), expected 8 bytes/],
    [Buffer.alloc(9), /saw 9 bytes/],
    [Buffer.from('7fffffffffffffff', 'hex'), /saw 9223372036854775807, expected .*bigint64/],
    [Buffer.from('0020000000000000', 'hex'), /saw 9007199254740992/],
    [Buffer.from('ffe0000000000000', 'hex'), /saw -9007199254740992/],
  ],
  wrongValues: [
    [2 ** 53, /saw the number 9007199254740992, expected .*bigint64/],
    [1.5, /1\.5.*double/],
    [Number.NaN, /NaN/],
    [Number.POSITIVE_INFINITY, /Infinity/],
    ['7', /saw the string "7"/],
    [7n, /saw the bigint 7n/],
  ],
});

serdeContract('bigint64', {
  serde: serdes.bigint64,
  values: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  wrongBytes: [[Buffer.alloc(7), /expected 8 bytes/]],
  wrongValues: [
    [2n ** 63n, /saw the bigint 9223372036854775808n/],
    [-(2n ** 63n) - 1n, /expected a bigint from/],
    [7, /saw the number 7/],
  ],
});

serdeContract('double', {
  serde: serdes.double,
  values: fc.double(),
  wrongBytes: [[Buffer.alloc(1), /saw 1 byte \(00\), expected 8 bytes/]],
  wrongValues: [
    ['1.5', /saw the string "1.5"/],
    [1n, /saw the bigint 1n/],
  ],
});

serdeContract('uuid', {
  serde: serdes.uuid,
  values: fc.oneof(
    fc.uuid(),
    fc.uuid().map((id) => id.toUpperCase()),
  ),
  normalized: (id) => id.toLowerCase(),
  wrongBytes: [
    [Buffer.alloc(16), /saw 16 bytes .*, expected 36 characters/],
    [Buffer.from('f81d4fae-7dec-11d0-a765-00a0c91e6bfg'), /expected 36 characters/],
    [Buffer.from('f81d4fae7dec11d0a76500a0c91e6bf6'), /expected 36 characters/],
  ],
  wrongValues: [
    ['{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}', /expected a text like/],
    ['f81d4fae-7dec-11d0-a765-00a0c91e6bf6\n', /expected a text like/],
    [16, /saw the number 16/],
  ],
});

const notJson: readonly (readonly [Buffer, RegExp])[] = [
  [Buffer.from('{"a":'), /saw "\{\\"a\\":"/],
  [Buffer.from('undefined'), /expected JSON/],
  [notUtf8, /not UTF-8/],
];
const plain = { noNullPrototype: true } as const;
const cycle: { self?: unknown } = {};
cycle.self = cycle;

serdeContract<unknown>('json', {
  serde: serdes.json(),
  // JSON has no -0: it is written as 0.
  values: fc.jsonValue({ noUnicodeString: false }).map((value) => JSON.parse(JSON.stringify(value))),
  wrongBytes: notJson,
  wrongValues: [
    [undefined, /saw undefined, expected an object/],
    [() => 1, /saw a function/],
    [Symbol('s'), /saw a symbol/],
    [7n, /saw the bigint 7n/],
    [{ deep: [7n] }, /saw an object of Object .*BigInt/],
    [cycle, /circular/],
  ],
});

serdeContract<v.InferOutput<typeof Payment>>('json (with a schema)', {
  serde: payment,
  values: fc.record(
    { id: fc.string(), lines: fc.array(fc.record({ amount: fc.integer() }, plain)), note: fc.string() },
    plain,
  ),
  wrongBytes: [...notJson, [Buffer.from('{"id":1,"lines":[]}'), /id: .*string/]],
  wrongValues: [
    [{ id: 'a', lines: [{ amount: 'x' }] }, /lines\.0\.amount: .*number/],
    ['text', /the value itself: /],
    [undefined, /the value itself: /],
  ],
});

describe('serdes', () => {
  it('writes texts of every length, with a character of more than one byte at every place', () => {
    for (let length = 0; length <= 40; length++) {
      const plain = 'x'.repeat(length);
      assert.equal(serdes.string.encode(plain).toString(), plain);
      for (let at = 0; at < length; at++) {
        const other = `${plain.slice(0, at)}ü${plain.slice(at + 1)}`;
        assert.deepEqual(serdes.string.encode(other), Buffer.from(other));
      }
    }
  });

  it('write what the serializers of Kafka write', () => {
    assert.equal(serdes.int64.encode(258).toString('hex'), '0000000000000102');
    assert.equal(serdes.int64.encode(-2).toString('hex'), 'fffffffffffffffe');
    assert.equal(serdes.bigint64.encode(-(2n ** 63n)).toString('hex'), '8000000000000000');
    assert.equal(serdes.double.encode(1.5).toString('hex'), '3ff8000000000000');
    assert.equal(serdes.string.encode('grün €').toString('hex'), '6772c3bc6e20e282ac');
    assert.equal(
      serdes.uuid.encode('F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6').toString(),
      'f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    );
  });

  it('have one name per format', () => {
    const all: Serde<never>[] = [
      serdes.string,
      serdes.bytes,
      serdes.int64,
      serdes.bigint64,
      serdes.double,
      serdes.uuid,
      serdes.json(),
    ] as never;
    assert.deepEqual(
      all.map((serde) => serde.name),
      ['string', 'bytes', 'int64', 'bigint64', 'double', 'uuid', 'json'],
    );
  });

  it('keep a text that holds U+FFFD or a byte order mark', () => {
    for (const text of ['\ufffd', 'a\ufffdb', '\ufeffa'])
      assert.equal(serdes.string.decode(serdes.string.encode(text)), text);
  });

  it('take a Uint8Array for bytes without copying it', () => {
    const array = new Uint8Array([1, 2, 3]).subarray(1);
    const encoded = serdes.bytes.encode(array as Buffer);
    assert.deepEqual([...encoded], [2, 3]);
    assert.equal(encoded.buffer, array.buffer);
  });

  it('shorten what they saw in the message', () => {
    assert.throws(
      () => serdes.int64.encode('x'.repeat(10_000) as never),
      (error: Error) => error.message.length < 300,
    );
    assert.throws(
      () => serdes.int64.decode(Buffer.alloc(10_000)),
      (error: Error) => error.message.length < 300,
    );
  });
});

describe('json', () => {
  it('is one shared instance without options', () => {
    assert.equal(serdes.json<string>(), serdes.json<number>());
    assert.equal(serdes.json({}), serdes.json());
  });

  it('decodes the literal null to null, which is a tombstone downstream', () => {
    assert.equal(serdes.json().decode(Buffer.from('null')), null);
  });

  it('writes null for NaN and Infinity, and leaves out undefined fields, as JSON does', () => {
    const json = serdes.json<object>();
    assert.equal(
      json.encode({ a: Number.NaN, b: Number.POSITIVE_INFINITY, c: undefined }).toString(),
      '{"a":null,"b":null}',
    );
  });

  it('returns what the schema makes of a decoded value, and writes a value as it is', () => {
    assert.deepEqual(payment.decode(Buffer.from('{"id":"a","lines":[],"other":1}')), { id: 'a', lines: [], note: '' });
    const given = { id: 'a', lines: [], note: 'n', other: 1 };
    assert.equal(payment.encode(given).toString(), JSON.stringify(given));
  });

  it('lists every issue of a schema with its path', () => {
    assert.throws(
      () => payment.decode(Buffer.from('{"lines":[{"amount":1},{"amount":"2"}]}')),
      (error: Error) => {
        assert.match(error.message, /id: /);
        assert.match(error.message, /lines\.1\.amount: /);
        return true;
      },
    );
  });

  it('refuses a schema that answers with a Promise, and handles its rejection', () => {
    const late: StandardSchemaV1<unknown, string> = {
      '~standard': { version: 1, vendor: 'late', validate: () => Promise.reject(new Error('later')) },
    };
    const json = serdes.json({ schema: late });
    assert.throws(
      () => json.decode(Buffer.from('"a"')),
      /saw a schema of late that answers with a Promise, expected a synchronous schema/,
    );
    assert.throws(() => json.encode('a'), /Promise/);
  });

  it('refuses a schema that is not given as an option, which JavaScript would not notice', () => {
    assert.throws(() => serdes.json(Payment as never), { code: 'CONFIG_INVALID', message: /serdes\.json\(\{ schema/ });
  });

  it('has the type that its schema has', () => {
    const typed: Serde<{ id: string; lines: { amount: number }[]; note: string }> = payment;
    assert.equal(typed, payment);
    // @ts-expect-error: an amount is a number
    assert.throws(() => payment.encode({ id: 'a', lines: [{ amount: '1' }], note: '' }));
  });
});

const windowedKeys = fc
  .tuple(fc.string(), fc.nat(), fc.nat())
  .map(([key, start, length]) => ({ key, start, end: start + length }));

serdeContract('windowed', {
  serde: serdes.windowed(serdes.string),
  values: fc.oneof(
    windowedKeys,
    fc.constant({ key: 'a', start: 0, end: Number.POSITIVE_INFINITY }),
    // The week of the epoch.
    fc.constant({ key: 'a', start: -259_200_000, end: 345_600_000 }),
  ),
  normalized: ({ key, start, end }) => new WindowKey(key, start, end),
  wrongBytes: [
    [Buffer.alloc(15), /expected at least 16 bytes/],
    [Buffer.concat([notUtf8, Buffer.alloc(16)]), /not UTF-8/],
  ],
  wrongValues: [
    [{ key: 'a', start: 0, end: -1 }, /saw -1, expected whole milliseconds/],
    [{ key: 'a', start: 0.5, end: 5 }, /saw 0.5/],
    [{ key: 7, start: 0, end: 5 }, /saw the number 7, expected a string/],
  ],
});

serdeContract('timeWindowed', {
  serde: serdes.timeWindowed(serdes.string, '1m'),
  values: windowedKeys.map(({ key, start }) => ({ key, start, end: start + 60_000 })),
  normalized: ({ key, start, end }) => new WindowKey(key, start, end),
  wrongBytes: [[Buffer.alloc(7), /expected at least 8 bytes/]],
  wrongValues: [[{ key: 'a', start: 0, end: 30_000 }, /saw one of 30000 ms, expected 60000 ms/]],
});

serdeContract('sessionWindowed', {
  serde: serdes.sessionWindowed(serdes.string),
  values: windowedKeys,
  normalized: ({ key, start, end }) => new WindowKey(key, start, end),
  wrongBytes: [[Buffer.alloc(15), /expected at least 16 bytes/]],
  wrongValues: [[{ key: 'a', start: 0, end: -1 }, /saw -1/]],
});

describe('windowed keys', () => {
  const key = { key: 'a', start: 0x0102, end: 0x0102 + 60_000 };

  it('are written as TimeWindowedSerializer and SessionWindowedSerializer of Kafka write them', () => {
    assert.equal(serdes.timeWindowed(serdes.string, '1m').encode(key).toString('hex'), '610000000000000102');
    assert.equal(
      serdes.sessionWindowed(serdes.string).encode(key).toString('hex'),
      '61000000000000eb620000000000000102',
    );
    assert.equal(serdes.windowed(serdes.string).encode(key).toString('hex'), '610000000000000102000000000000eb62');
  });

  it('are placed by the key alone', () => {
    for (const serde of [
      serdes.windowed(serdes.string),
      serdes.timeWindowed(serdes.string, '1m'),
      serdes.sessionWindowed(serdes.string),
    ])
      assert.deepEqual(serde.partitionBytes?.(serde.encode(key)), Buffer.from('a'));
  });

  it('have names that say how long the windows are where the bytes do not', () => {
    assert.notEqual(serdes.timeWindowed(serdes.string, '1m').name, serdes.timeWindowed(serdes.string, '2m').name);
  });
});
