// Promise: what is encoded comes back, byte for byte as Avro has it; and what is no Avro ends in an error, at the cost of its own size.
import assert from 'node:assert/strict';
import avsc from 'avsc';
import fc from 'fast-check';
import { AvroCodec } from '#src/serdes/avro/codec/codec.js';
import { incompatibilities } from '#src/serdes/schema/compatibility.js';
import type { Schema } from '#src/serdes/schema/model.js';
import { parseSchema } from '#src/serdes/schema/parse.js';
import { schemaText } from '#src/serdes/schema/text.js';
import { schemas, valuesOf } from '../schema/arbitrary.js';

const NONE = Buffer.alloc(0);
const RUNS = { numRuns: 400 };

const schemaOf = (json: unknown): Schema => parseSchema(json).schema;
const codecOf = (json: unknown): AvroCodec => new AvroCodec(schemaOf(json));
const record = (name: string, ...fields: readonly object[]) => ({ type: 'record', name, fields });
const bytes = (...values: readonly number[]): Buffer => Buffer.from(values);

/** A long as Avro writes it. */
const long = (value: number): Buffer => avsc.Type.forSchema('long').toBuffer(value);

const schemaAndValue = schemas.chain((json) => fc.tuple(fc.constant(json), valuesOf(schemaOf(json))));

describe('the Avro codec', () => {
  it('gives back every value of every schema', () => {
    fc.assert(
      fc.property(schemaAndValue, ([json, value]) => {
        const codec = codecOf(json);
        const encoded = codec.encode(value, NONE);
        assert.deepEqual(codec.decode(encoded, 0, undefined), value);
        assert.ok(codec.encode(codec.decode(encoded, 0, undefined), NONE).equals(encoded));
      }),
      RUNS,
    );
  });

  it('writes what plain avsc writes', () => {
    const plain = schemas.filter((json) => !JSON.stringify(json).includes('logicalType'));
    fc.assert(
      fc.property(
        plain.chain((json) => fc.tuple(fc.constant(json), valuesOf(schemaOf(json)))),
        ([json, value]) => {
          const type = avsc.Type.forSchema(json as never);
          assert.ok(codecOf(json).encode(value, NONE).equals(type.toBuffer(value)));
        },
      ),
      RUNS,
    );
  });

  it('reads with another schema whatever the check of compatibility lets pass', () => {
    let compatible = 0;
    const pairs = fc.oneof(
      fc.tuple(schemas, schemas),
      schemas.map(
        (json) =>
          [
            record('R', { name: 'a', type: json }),
            record('R', { name: 'b', type: 'int', default: 7 }, { name: 'a', type: json }),
          ] as const,
      ),
      schemas.map(
        (json) =>
          [
            record('R', { name: 'a', type: 'int' }, { name: 'gone', type: json }),
            record('R', { name: 'a', type: 'double' }),
          ] as const,
      ),
    );
    const cases = pairs.chain(([writer, reader]) =>
      fc.tuple(fc.constant(writer), fc.constant(reader), valuesOf(schemaOf(writer))),
    );
    fc.assert(
      fc.property(cases, ([writer, reader, value]) => {
        if (incompatibilities(schemaOf(reader), schemaOf(writer)).length > 0) return;
        compatible++;
        const [from, to] = [codecOf(writer), codecOf(reader)];
        try {
          to.decode(from.encode(value, NONE), 0, to.resolver(from));
        } catch (error) {
          // Bytes can be read as a string, by Avro's rules, and may be none; so it is with other types that say more than their bytes.
          assert.match(String(error), /not UTF-8|no UUID|beyond/);
        }
      }),
      RUNS,
    );
    assert.ok(compatible > 100, `${compatible} pairs were compatible`);
  });

  it('reads every value as it was when a field has come beside it', () => {
    fc.assert(
      fc.property(schemaAndValue, ([json, value]) => {
        const from = codecOf(record('R', { name: 'a', type: json }));
        const to = codecOf(record('R', { name: 'a', type: json }, { name: 'b', type: 'int', default: 7 }));
        const read = to.decode(from.encode({ a: value }, NONE), 0, to.resolver(from));
        assert.deepEqual(read, { a: value, b: 7 });
      }),
      RUNS,
    );
  });

  it('reads into the branch of a union that is of the same type, else into the first that can hold it', () => {
    const read = (writer: unknown, reader: unknown, value: unknown): unknown => {
      const [from, to] = [codecOf(writer), codecOf(reader)];
      return to.decode(from.encode(value, NONE), 0, to.resolver(from));
    };
    const date = { type: 'int', logicalType: 'date' };
    const time = { type: 'long', logicalType: 'timestamp-millis' };
    assert.deepEqual(read('bytes', ['null', 'string', 'bytes'], bytes(1, 255)), bytes(1, 255));
    assert.equal(read('string', ['bytes', 'string'], 'a'), 'a');
    assert.deepEqual(read('int', ['double', 'int'], 5), { int: 5 });
    assert.deepEqual(read('int', ['double', 'float'], 5), { double: 5 });
    assert.equal(read(date, ['null', time, date], '2026-01-31'), '2026-01-31');
    assert.equal(read(date, [time, 'double'], '2026-01-31'), 20_484);
    const inner = (namespace: string) => ({ ...record('A', { name: 'x', type: 'int' }), namespace });
    assert.deepEqual(read(inner('two'), [inner('one'), inner('two')], { x: 1 }), { 'two.A': { x: 1 } });
    const more = { ...inner('one'), fields: [...inner('one').fields, { name: 'y', type: 'int' }] };
    const twice = (a: unknown, b: unknown) => record('R', { name: 'a', type: a }, { name: 'b', type: b });
    assert.deepEqual(
      read(twice(inner('three'), 'three.A'), twice([more, inner('two')], ['one.A', 'two.A']), {
        a: { x: 1 },
        b: { x: 2 },
      }),
      { a: { 'two.A': { x: 1 } }, b: { 'two.A': { x: 2 } } },
    );
  });

  it('knows a type without a namespace by its name, also inside one that has one', () => {
    const bare = (name: string) => ({ ...record(name, { name: 'x', type: 'int' }), namespace: '' });
    const own = record('C', { name: 'x', type: 'int' });
    const codec = codecOf({
      ...record('Outer', { name: 'a', type: [bare('A'), own] }, { name: 'b', type: ['.A', 'C'] }),
      namespace: 'shop',
    });
    const value = { a: { A: { x: 1 } }, b: { 'shop.C': { x: 2 } } };
    assert.deepEqual(codec.decode(codec.encode(value, NONE), 0, undefined), value);
  });

  it('makes plain objects', () => {
    const codec = codecOf([record('A', { name: 'inner', type: record('B', { name: 'x', type: 'int' }) }), record('C')]);
    const value = { A: { inner: { x: 1 } } };
    const decoded = codec.decode(codec.encode(value, NONE), 0, undefined) as typeof value;
    assert.deepEqual(decoded, value);
    for (const object of [decoded, decoded.A, decoded.A.inner])
      assert.equal(Object.getPrototypeOf(object), Object.prototype);
  });

  it('fills in defaults on writing and on reading, whatever their type', () => {
    const fields = [
      { name: 'tags', type: { type: 'array', items: 'string' }, default: ['a'] },
      { name: 'raw', type: 'bytes', default: 'ÿ' },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' }, default: 5 },
      {
        name: 'price',
        type: { type: 'bytes', logicalType: 'decimal', precision: 4, scale: 2 },
        default: '\u0001\u0000',
      },
      { name: 'maybe', type: ['null', record('Inner', { name: 'x', type: 'int', default: 3 })], default: null },
      { name: 'sure', type: 'Inner', default: {} },
    ];
    const expected = {
      id: 1,
      tags: ['a'],
      raw: bytes(255),
      at: new Date(5),
      price: '2.56',
      maybe: null,
      sure: { x: 3 },
    };
    const now = codecOf(record('R', { name: 'id', type: 'int' }, ...fields));
    const before = codecOf(record('R', { name: 'id', type: 'int' }));

    assert.deepEqual(now.decode(now.encode({ id: 1 }, NONE), 0, undefined), expected);
    const first = now.decode(before.encode({ id: 1 }, NONE), 0, now.resolver(before)) as typeof expected;
    assert.deepEqual(first, expected);
    // Each record has its own.
    first.tags.push('b');
    assert.deepEqual(now.decode(before.encode({ id: 1 }, NONE), 0, now.resolver(before)), expected);
  });

  it('finds fields, types and symbols by alias, default and promotion', () => {
    const before = codecOf({
      ...record(
        'Old',
        { name: 'n', type: 'int' },
        { name: 'kind', type: { type: 'enum', name: 'K', symbols: ['a', 'gone'] } },
        { name: 'text', type: 'string' },
      ),
      namespace: 'one',
    });
    const now = codecOf({
      ...record(
        'New',
        { name: 'count', type: 'double', aliases: ['n'] },
        { name: 'kind', type: { type: 'enum', name: 'K', symbols: ['a', 'unknown'], default: 'unknown' } },
        { name: 'text', type: ['null', 'bytes'] },
      ),
      namespace: 'two',
      aliases: ['Old'],
    });
    const written = before.encode({ n: 5, kind: 'gone', text: 'ü' }, NONE);
    assert.deepEqual(now.decode(written, 0, now.resolver(before)), {
      count: 5,
      kind: 'unknown',
      text: Buffer.from('ü'),
    });
  });

  it('reads logical types from other types that hold the same', () => {
    const pairs: readonly (readonly [unknown, unknown, unknown, unknown])[] = [
      ['int', 5, { type: 'long', logicalType: 'timestamp-millis' }, new Date(5)],
      [{ type: 'long', logicalType: 'timestamp-millis' }, new Date(5), 'long', 5],
      ['int', 1, { type: 'int', logicalType: 'date' }, '1970-01-02'],
      ['bytes', bytes(1, 0), { type: 'bytes', logicalType: 'decimal', precision: 4, scale: 2 }, '2.56'],
      [
        { type: 'bytes', logicalType: 'decimal', precision: 4, scale: 2 },
        '2.56',
        { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 },
        '2.56',
      ],
      [
        { type: 'long', logicalType: 'timestamp-millis' },
        new Date(5),
        ['null', { type: 'long', logicalType: 'timestamp-millis' }],
        new Date(5),
      ],
    ];
    for (const [writer, value, reader, expected] of pairs) {
      const [from, to] = [codecOf(writer), codecOf(reader)];
      assert.deepEqual(to.decode(from.encode(value, NONE), 0, to.resolver(from)), expected);
    }
  });

  it('keeps every whole number that a number can hold, and refuses others', () => {
    const codec = codecOf('long');
    const limits = [2 ** 31, 2 ** 51, 2 ** 52, 2 ** 53 - 1].flatMap((n) => [n - 3, n - 2, n - 1, n]);
    for (const value of [...limits, ...limits.map((n) => -n), 0, -1])
      assert.equal(codec.decode(codec.encode(value, NONE), 0, undefined), value);
    for (const beyond of ['80808080808080 8080 01', 'ffffffffffffffffff01', '80808080808080 20'])
      assert.throws(() => codec.decode(Buffer.from(beyond.replaceAll(' ', ''), 'hex'), 0, undefined), /2\^53 - 1/);
  });

  it('writes values beyond the room it keeps, and small ones behind them', () => {
    const codec = codecOf({ type: 'array', items: 'string' });
    for (const count of [1, 10_000, 3, 300_000, 2]) {
      const value = Array.from({ length: count }, (_, i) => `item ${i}`);
      assert.deepEqual(codec.decode(codec.encode(value, bytes(9, 9)), 2, undefined), value);
    }
  });
});

describe('the Avro codec, given values that do not fit', () => {
  const order = record(
    'Order',
    { name: 'id', type: 'string' },
    { name: 'lines', type: { type: 'array', items: record('Line', { name: 'count', type: 'int' }) } },
    { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['a'] }, default: 'a' },
    { name: 'either', type: ['null', 'Line', record('Other')], default: null },
  );
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [undefined, /saw undefined in the value itself, expected record Order/],
    [{ id: 1, lines: [] }, /saw the number 1 in id, expected string/],
    [{ lines: [] }, /saw undefined in id/],
    [{ id: 'x', lines: [{ count: 1 }, { count: 2.5 }] }, /saw the number 2\.5 in lines\.1\.count, expected int/],
    [{ id: 'x', lines: [{ count: 2 ** 31 }] }, /in lines\.0\.count, expected int/],
    [{ id: 'x', lines: [], kind: 'constructor' }, /saw the string "constructor" in kind, expected enum Kind/],
    [
      { id: 'x', lines: [], either: { count: 1 } },
      /in either, expected one of null, Line, Other, as an object with that name/,
    ],
    [{ id: 'x', lines: [], either: { constructor: 1 } }, /in either/],
    [{ id: 'a\ud800', lines: [] }, /lone surrogates/],
  ];
  for (const [value, message] of wrong) {
    it(`says ${message.source}`, () => {
      assert.throws(() => codecOf(order).encode(value, NONE), message);
    });
  }

  it('refuses invalid dates, decimals and UUIDs', () => {
    const types: readonly (readonly [unknown, readonly unknown[]])[] = [
      [{ type: 'int', logicalType: 'date' }, ['2026-02-30', '2026-1-1', 'today', 5, new Date(0)]],
      [{ type: 'long', logicalType: 'timestamp-millis' }, [new Date(Number.NaN), 5, '2026-01-01']],
      [{ type: 'bytes', logicalType: 'decimal', precision: 4, scale: 2 }, ['1.234', '100.00', '1e3', '', '.5', 12]],
      [{ type: 'string', logicalType: 'uuid' }, ['f81d4fae', 5]],
      ['long', [2 ** 53, 1.5, '1', 1n]],
      [{ type: 'fixed', name: 'F', size: 2 }, [bytes(1), 'ab']],
    ];
    for (const [type, values] of types)
      for (const value of values)
        assert.throws(
          () => codecOf(type).encode(value, NONE),
          /cannot encode Avro: saw/,
          `${JSON.stringify(type)} ${String(value)}`,
        );
  });
});

describe('the Avro codec, given bytes that are no Avro', () => {
  const refuses = (json: unknown, given: Buffer, message: RegExp): void => {
    const codec = codecOf(json);
    assert.throws(() => codec.decode(given, 0, undefined), message, `${JSON.stringify(json)} ${given.toString('hex')}`);
    // The same when it is skipped.
    const [writer, reader] = [
      codecOf(record('S', { name: 'x', type: json }, { name: 'y', type: 'int' })),
      codecOf(record('S', { name: 'y', type: 'int' })),
    ];
    assert.throws(() => reader.decode(Buffer.concat([given, long(1)]), 0, reader.resolver(writer)));
  };

  it('refuses lengths and counts of things that are not there, without making room for them', () => {
    const huge = long(2 ** 52);
    for (const type of [
      'string',
      'bytes',
      { type: 'array', items: 'int' },
      { type: 'map', values: 'int' },
      { type: 'array', items: 'string' },
    ])
      refuses(type, Buffer.concat([huge, bytes(2, 2)]), /saw fewer bytes/);
    refuses(
      { type: 'array', items: { type: 'array', items: { type: 'array', items: 'int' } } },
      Buffer.concat([huge, huge, huge]),
      /fewer/,
    );
    refuses({ type: 'array', items: 'int' }, Buffer.concat([long(-(2 ** 52)), long(2 ** 50)]), /fewer/);
  });

  it('refuses more items without a byte than anybody means', () => {
    for (const items of ['null', record('Empty'), { type: 'fixed', name: 'Nothing', size: 0 }])
      assert.throws(
        () => codecOf({ type: 'array', items }).decode(Buffer.concat([long(2 ** 40), bytes(0)]), 0, undefined),
        /more than 65536 items/,
      );
  });

  it('refuses negative lengths, and block sizes that lead back', () => {
    refuses('string', long(-1), /fewer/);
    refuses('bytes', long(-5), /fewer/);
    const [writer, reader] = [
      codecOf(record('S', { name: 'x', type: { type: 'array', items: 'int' } })),
      codecOf(record('S')),
    ];
    assert.throws(
      () => reader.decode(Buffer.concat([long(-1), long(-3), bytes(0)]), 0, reader.resolver(writer)),
      /fewer/,
    );
  });

  it('refuses what is cut off, and what follows', () => {
    const json = record(
      'R',
      { name: 'a', type: 'string' },
      { name: 'b', type: 'double' },
      { name: 'c', type: ['null', 'long'] },
    );
    const codec = codecOf(json);
    const encoded = codec.encode({ a: 'text', b: 1.5, c: 12_345 }, NONE);
    for (let end = 0; end < encoded.length; end++)
      assert.throws(() => codec.decode(encoded.subarray(0, end), 0, undefined), /cannot decode Avro: saw/);
    assert.throws(() => codec.decode(Buffer.concat([encoded, bytes(0)]), 0, undefined), /saw 1 bytes after the value/);
  });

  it('refuses invalid branches, symbols, ints and texts', () => {
    refuses(['null', 'string'], bytes(4), /union/);
    assert.throws(() => codecOf({ type: 'enum', name: 'E', symbols: ['a'] }).decode(bytes(2), 0, undefined), /enum/);
    assert.throws(() => codecOf('string').decode(bytes(4, 0xff, 0xfe), 0, undefined), /not UTF-8/);
    assert.throws(() => codecOf('int').decode(long(2 ** 40), 0, undefined), /more than 32 bits/);
    assert.throws(() => codecOf({ type: 'string', logicalType: 'uuid' }).decode(bytes(2, 65), 0, undefined), /no UUID/);
    assert.throws(
      () => codecOf({ type: 'long', logicalType: 'timestamp-millis' }).decode(long(9e15), 0, undefined),
      /beyond the range of a JavaScript Date/,
    );
  });

  it('ends at values that are nested deeper than the stack, as at any other error', () => {
    const json = record('Node', { name: 'next', type: ['null', 'Node'] });
    assert.throws(() => codecOf(json).decode(Buffer.alloc(1_000_000, 2), 0, undefined), /nested too deeply/);
  });

  it('never does more than throw, whatever the bytes and the schema', () => {
    fc.assert(
      fc.property(schemas, fc.uint8Array({ maxLength: 60 }), (json, random) => {
        const codec = codecOf(json);
        try {
          codec.encode(codec.decode(Buffer.from(random), 0, undefined), NONE);
        } catch (error) {
          assert.match((error as Error).message, /^cannot (de|en)code Avro: /);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('the text of a schema', () => {
  it('means the same schema', () => {
    fc.assert(
      fc.property(schemas, (json) => {
        const schema = schemaOf(json);
        assert.equal(schemaText(schemaOf(schemaText(schema))), schemaText(schema));
        assert.deepEqual(incompatibilities(schema, schema), []);
      }),
      RUNS,
    );
  });
});
