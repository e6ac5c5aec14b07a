// Promise: a schema is understood as Avro's specification says, and what is wrong with it, or with a change of it, is said so that a person can mend it.
import assert from 'node:assert/strict';
import {
  type Compatibility,
  checkCompatibility,
  incompatibilities,
  problemText,
} from '#src/serdes/schema/compatibility.js';
import { schemaDiff } from '#src/serdes/schema/diff.js';
import { lookOf, type Schema } from '#src/serdes/schema/model.js';
import { parseSchema } from '#src/serdes/schema/parse.js';
import { fingerprint31, fingerprintUuid, schemaText } from '#src/serdes/schema/text.js';
import { isError } from '../../support/errors.js';

const schemaOf = (json: unknown): Schema => parseSchema(json).schema;
const record = (...fields: readonly unknown[]) => ({ type: 'record', name: 'Order', namespace: 'shop', fields });
const field = (name: string, type: unknown, more: object = {}) => ({ name, type, ...more });
const text = (json: unknown): string => schemaText(schemaOf(json));

describe('a schema that is parsed', () => {
  it('has full names, whichever way they are written', () => {
    const inner = { type: 'enum', name: 'Kind', symbols: ['a'] };
    const expected =
      '{"type":"record","name":"shop.Order","fields":[{"name":"kind","type":{"type":"enum","name":"shop.Kind","symbols":["a"]}},{"name":"again","type":"shop.Kind"}]}';
    for (const [name, namespace, again] of [
      ['Order', 'shop', 'Kind'],
      ['shop.Order', undefined, 'shop.Kind'],
      ['shop.Order', 'other', 'Kind'],
    ])
      assert.equal(
        text({
          type: 'record',
          name,
          ...(namespace && { namespace }),
          fields: [field('kind', inner), field('again', again)],
        }),
        expected,
      );
  });

  it('may refer to itself, and to types that are defined elsewhere', () => {
    const node = schemaOf(record(field('next', ['null', 'Order'])));
    assert.equal(text(JSON.parse(schemaText(node))), schemaText(node));
    const { defines } = parseSchema({ type: 'fixed', name: 'Hash', namespace: 'shop', size: 4 });
    assert.match(
      schemaText(parseSchema(record(field('hash', 'Hash')), { named: defines }).schema),
      /"name":"shop.Hash","size":4/,
    );
  });

  it('keeps a type without a namespace apart from one with it, wherever they stand', () => {
    const bare = { type: 'enum', name: 'Kind', namespace: '', symbols: ['a'] };
    const own = { type: 'enum', name: 'Kind', symbols: ['b'] };
    const { defines } = parseSchema({ ...bare, name: 'Outside' });
    const schema = parseSchema(
      record(field('bare', bare), field('own', own), field('again', '.Kind'), field('outside', 'Outside')),
      {
        named: defines,
      },
    ).schema;
    assert.deepEqual(schema.kind === 'record' && schema.fields.map(({ type }) => 'name' in type && type.name), [
      'Kind',
      'shop.Kind',
      'Kind',
      'Outside',
    ]);
    assert.deepEqual(parseSchema(schemaText(schema)).schema, schema);
    assert.notEqual(text(record(field('x', bare))), text(record(field('x', { ...own, symbols: ['a'] }))));
  });

  it('keeps logical types that fit, and forgets those that do not, as the specification demands', () => {
    const decimal = (more: object) => ({ type: 'bytes', logicalType: 'decimal', ...more });
    for (const [json, kept] of [
      [{ type: 'int', logicalType: 'date' }, true],
      [{ type: 'string', logicalType: 'date' }, false],
      [{ type: 'long', logicalType: 'timestamp-millis' }, true],
      [{ type: 'int', logicalType: 'timestamp-millis' }, false],
      [{ type: 'string', logicalType: 'nobody-knows' }, false],
      [decimal({ precision: 4, scale: 2 }), true],
      [decimal({ precision: 4 }), true],
      [decimal({ precision: 2, scale: 4 }), false],
      [decimal({}), false],
      [{ type: 'fixed', name: 'F', size: 2, logicalType: 'decimal', precision: 4 }, true],
      [{ type: 'fixed', name: 'F', size: 2, logicalType: 'decimal', precision: 5 }, false],
      [{ type: 'fixed', name: 'F', size: 16, logicalType: 'uuid' }, true],
      [{ type: 'fixed', name: 'F', size: 15, logicalType: 'uuid' }, false],
    ] as const)
      assert.equal(text(json).includes('logicalType'), kept, JSON.stringify(json));
  });

  it('has one text and one fingerprint for all that means the same', () => {
    const one = record(field('id', 'string', { doc: 'Unique.' }), field('n', { type: 'int' }));
    const other = {
      fields: [
        { type: 'string', name: 'id' },
        { type: 'int', name: 'n', order: 'ascending', custom: 1 },
      ],
      doc: 'An order.',
      name: 'shop.Order',
      type: 'record',
    };
    assert.equal(text(one), text(other));
    assert.equal(fingerprint31(text(one)), fingerprint31(text(other)));
    assert.match(fingerprintUuid(text(one)), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.notEqual(text(one), text(record(field('id', 'string'), field('n', 'int', { default: 0 }))));
  });

  it('says how its values look, by which the branches of a union are told apart', () => {
    assert.deepEqual(
      [
        'null',
        'boolean',
        'int',
        'double',
        'string',
        'bytes',
        { type: 'array', items: 'int' },
        { type: 'map', values: 'int' },
        { type: 'long', logicalType: 'timestamp-millis' },
        { type: 'int', logicalType: 'date' },
      ].map((json) => lookOf(schemaOf(json))),
      ['null', 'boolean', 'number', 'number', 'string', 'buffer', 'array', 'object', 'date', 'string'],
    );
  });

  const wrong: readonly (readonly [unknown, RegExp])[] = [
    ['{', /the schema is not JSON/],
    ['"nobody"', /the type "nobody", expected a type of Avro/],
    [7, /saw 7, expected a type/],
    [[], /a union of no types/],
    [['int', 'int'], /int twice in a union/],
    [['int', ['null']], /a union inside a union/],
    [
      [
        { type: 'map', values: 'int' },
        { type: 'map', values: 'string' },
      ],
      /map twice/,
    ],
    [{ type: 'record', name: 'A' }, /A without an array "fields"/],
    [{ type: 'record', fields: [] }, /the name undefined/],
    [{ type: 'record', name: 'no-name', fields: [] }, /the name "no-name", expected letters, digits and _/],
    [{ type: 'record', name: 'int', fields: [] }, /not the name of a primitive type/],
    [record(field('a', 'int'), field('a', 'int')), /in shop\.Order\.a .*saw the field twice/],
    [record({ name: 'a' }), /in shop\.Order\.a .*saw no "type"/],
    [record(field('__proto__', 'int')), /a field named "__proto__"/],
    [record(field('constructor', 'int')), /a field named "constructor"/],
    [record('a'), /saw "a", expected a field/],
    [record(field('a', 'int', { default: 'x' })), /the default "x", expected a whole number/],
    [record(field('a', ['null', 'int'], { default: 1 })), /the union's first type: null/],
    [record(field('a', { type: 'array', items: 'int' }, { default: [1, 'x'] })), /default \[1,"x"\]/],
    [
      record(field('a', { type: 'record', name: 'B', fields: [{ name: 'x', type: 'int' }] }, { default: {} })),
      /an object with x/,
    ],
    [record(field('a', 'bytes', { default: 'Ā' })), /U\+00FF/],
    [{ type: 'enum', name: 'E', symbols: [] }, /the symbols \[\]/],
    [{ type: 'enum', name: 'E', symbols: ['a', 'a'] }, /a symbol twice/],
    [{ type: 'enum', name: 'E', symbols: ['a'], default: 'b' }, /the default "b", expected one of its symbols/],
    [{ type: 'enum', name: 'E', symbols: ['toString'] }, /the symbols/],
    [{ type: 'fixed', name: 'F', size: -1 }, /the size -1/],
    [
      record(field('a', { type: 'fixed', name: 'F', size: 1 }), field('b', { type: 'fixed', name: 'F', size: 2 })),
      /shop\.F defined twice/,
    ],
    [record(field('a', { items: 'int' })), /an object without "type"/],
    [{ type: 'record', name: 'A', aliases: 'B', fields: [] }, /the aliases "B"/],
  ];
  for (const [json, message] of wrong) {
    it(`is refused with ${message.source}`, () => {
      assert.throws(
        () => parseSchema(json, { at: 'orders.avsc' }),
        isError('SCHEMA_INVALID', message, /at orders\.avsc/),
      );
    });
  }

  it('is refused when it nests without end', () => {
    let deep: unknown = 'int';
    for (let i = 0; i < 1_000; i++) deep = { type: 'array', items: deep };
    assert.throws(() => parseSchema(deep), isError('SCHEMA_INVALID', /more than 200 deep/));
  });
});

describe('the compatibility of two schemas', () => {
  const base = record(field('id', 'string'), field('n', 'int'));
  const kind = (symbols: readonly string[], fallback?: string) => ({
    type: 'enum',
    name: 'Kind',
    symbols,
    ...(fallback && { default: fallback }),
  });
  const decimal = (precision: number, scale: number) => ({ type: 'bytes', logicalType: 'decimal', precision, scale });

  /** Reader, writer, and what keeps them apart. */
  const cases: readonly (readonly [string, unknown, unknown, RegExp | undefined])[] = [
    [
      'a new field with a default',
      record(field('id', 'string'), field('n', 'int'), field('x', 'int', { default: 0 })),
      base,
      undefined,
    ],
    [
      'a new field without one',
      record(field('id', 'string'), field('n', 'int'), field('x', 'int')),
      base,
      /^Order\.x: the field has no default, and was not written before$/,
    ],
    ['a field that is gone', record(field('id', 'string')), base, undefined],
    [
      'a field that is renamed',
      record(field('id', 'string'), field('m', 'int')),
      base,
      /^Order\.m: the field has no default/,
    ],
    [
      'a field that is renamed, with an alias',
      record(field('id', 'string'), field('m', 'int', { aliases: ['n'] })),
      base,
      undefined,
    ],
    [
      'an alias that stands for two fields',
      record(field('id', 'string', { aliases: ['n'] })),
      base,
      /several fields that were written: id, n/,
    ],
    ['a number that is widened', record(field('id', 'string'), field('n', 'double')), base, undefined],
    ['a number that is narrowed', 'int', 'long', /it was long and is now int, which cannot read it/],
    ['a string read as bytes', 'bytes', 'string', undefined],
    [
      'a string read as a number',
      record(field('id', 'int'), field('n', 'int')),
      base,
      /^Order\.id: it was string and is now int/,
    ],
    ['a field that may be null now', record(field('id', ['null', 'string']), field('n', 'int')), base, undefined],
    [
      'a field that may not be null any more',
      'string',
      ['null', 'string'],
      /null, which may have been written there, cannot be read as string/,
    ],
    ['a branch that is new', ['null', 'string', 'int'], ['null', 'string'], undefined],
    ['a branch that is gone', ['null', 'string'], ['null', 'string', 'int'], /int, which may have been written there/],
    ['a symbol that is new', kind(['a', 'b']), kind(['a']), undefined],
    ['a symbol that is gone', kind(['a']), kind(['a', 'b']), /no longer has b, and has no default/],
    ['a symbol that is gone, with a default', kind(['a'], 'a'), kind(['a', 'b']), undefined],
    [
      'another size',
      { type: 'fixed', name: 'F', size: 2 },
      { type: 'fixed', name: 'F', size: 4 },
      /it had 4 bytes and now has 2/,
    ],
    [
      'another name',
      { ...base, name: 'Sale' },
      base,
      /it was named shop\.Order and is now shop\.Sale, without an alias/,
    ],
    ['another name, with an alias', { ...base, name: 'Sale', aliases: ['Order'] }, base, undefined],
    ['another namespace', { ...base, namespace: 'store' }, base, undefined],
    [
      'an array of something else',
      { type: 'array', items: 'int' },
      { type: 'array', items: 'string' },
      /^the value\[\]: it was string/,
    ],
    [
      'a map of something else',
      { type: 'map', values: 'int' },
      { type: 'map', values: 'string' },
      /^the value\{\}: it was string/,
    ],
    ['a decimal of more digits', decimal(9, 2), decimal(4, 2), undefined],
    ['a decimal of another scale', decimal(9, 3), decimal(9, 2), /would be another number/],
    [
      'a time in another unit',
      { type: 'long', logicalType: 'timestamp-micros' },
      { type: 'long', logicalType: 'timestamp-millis' },
      /would be another time/,
    ],
    [
      'a day that became a moment',
      { type: 'long', logicalType: 'timestamp-millis' },
      { type: 'int', logicalType: 'date' },
      /in date and is now in timestamp-millis: what was written would be another time/,
    ],
    [
      'a time of day that became a moment',
      { type: 'long', logicalType: 'timestamp-micros' },
      { type: 'long', logicalType: 'time-micros' },
      /would be another time/,
    ],
    ['a text that became a decimal', decimal(9, 2), 'string', /a text would be another number/],
    ['a decimal that became a text', 'string', decimal(9, 2), /its bytes are no text/],
    ['a decimal that became bytes', 'bytes', decimal(9, 2), undefined],
    ['a number that became a time', { type: 'long', logicalType: 'timestamp-millis' }, 'long', undefined],
    [
      'something wrong deep inside',
      record(field('a', ['null', { type: 'array', items: record2('int') }])),
      record(field('a', ['null', { type: 'array', items: record2('string') }])),
      /^Order\.a: array of record Line, which may.*\(Order\.a\[\]\.x: it was string and is now int/,
    ],
  ];
  function record2(type: string) {
    return { type: 'record', name: 'Line', fields: [field('x', type)] };
  }

  for (const [what, reader, writer, reason] of cases) {
    it(`${reason ? 'refuses' : 'allows'} ${what}`, () => {
      const found = incompatibilities(schemaOf(reader), schemaOf(writer)).map(
        ({ path, reason: why }) => `${path}: ${why}`,
      );
      if (reason) assert.match(found.join('\n'), reason);
      else assert.deepEqual(found, []);
    });
  }

  it('of recursive schemas comes to an end, and finds what is wrong at their bottom', () => {
    const tree = (leaf: string) => record(field('children', { type: 'array', items: 'Order' }), field('leaf', leaf));
    assert.deepEqual(incompatibilities(schemaOf(tree('long')), schemaOf(tree('int'))), []);
    assert.equal(incompatibilities(schemaOf(tree('int')), schemaOf(tree('long'))).length, 1);
  });

  it('is asked of one version or all, one way or both, as the mode says', () => {
    const version = (...fields: readonly unknown[]): Schema => schemaOf(record(field('id', 'string'), ...fields));
    // Version 1 lacks a, version 2 has it with a default, the new one needs it.
    const before = [version(), version(field('a', 'int', { default: 0 }))].map((schema, i) => ({
      version: i + 1,
      schema,
    }));
    const next = version(field('a', 'int'), field('b', 'int'));
    const found = (mode: Compatibility): readonly string[] =>
      checkCompatibility(mode, next, before).map(({ version: of, direction, path }) => `${direction} ${of} ${path}`);
    assert.deepEqual(
      (
        ['NONE', 'BACKWARD', 'BACKWARD_TRANSITIVE', 'FORWARD', 'FORWARD_TRANSITIVE', 'FULL', 'FULL_TRANSITIVE'] as const
      ).map(found),
      [
        [],
        ['backward 2 Order.b'],
        ['backward 2 Order.b', 'backward 1 Order.a', 'backward 1 Order.b'],
        [],
        [],
        ['backward 2 Order.b'],
        ['backward 2 Order.b', 'backward 1 Order.a', 'backward 1 Order.b'],
      ],
    );
    const narrower = version(field('a', 'string'));
    assert.deepEqual(checkCompatibility('FULL', narrower, before).map(problemText), [
      'the new schema cannot read version 2: Order.a: it was int and is now string, which cannot read it',
      'version 2 cannot read the new schema: Order.a: it was string and is now int, which cannot read it',
    ]);
    assert.deepEqual(checkCompatibility('BACKWARD', next, []), []);
  });
});

describe('the difference of two schemas', () => {
  const diff = (before: unknown, after: unknown): readonly string[] => schemaDiff(schemaOf(before), schemaOf(after));

  it('names each change once, by the full name of where it is', () => {
    const kind = { type: 'enum', name: 'Kind', symbols: ['a', 'b'] };
    const before = record(
      field('id', 'string'),
      field('n', 'int'),
      field('gone', 'string', { default: '' }),
      field('kind', kind),
      field('again', 'Kind'),
    );
    const after = {
      ...record(
        field('id', 'string', { doc: 'Said otherwise.' }),
        field('n', 'long', { default: 0, aliases: ['m'] }),
        field('kind', { ...kind, symbols: ['a', 'c'], default: 'a' }),
        field('again', 'Kind'),
        field('line', { type: 'record', name: 'Line', fields: [] }),
      ),
      aliases: ['Sale'],
    };
    assert.deepEqual(diff(before, after), [
      '~ shop.Order: aliases +shop.Sale',
      '~ shop.Order.n: int → long, default 0',
      '~ shop.Order.n: aliases +m',
      '+ shop.Order.line: record Line',
      '- shop.Order.gone: string, default ""',
      '~ shop.Kind: symbols +c -b',
      '~ shop.Kind: default (none) → a',
      '+ record shop.Line',
    ]);
    assert.deepEqual(diff(before, before), []);
  });

  it('is seen where only the order of fields or of sorting differs, or the namespace of a type', () => {
    const [a, b] = [field('a', 'int'), field('b', 'int')];
    assert.deepEqual(diff(record(a, b), record(b, a)), ['~ shop.Order: fields in another order: b, a']);
    assert.deepEqual(diff(record(a, b, field('c', 'int')), record(field('d', 'int'), b)), [
      '+ shop.Order.d: int',
      '- shop.Order.a: int',
      '- shop.Order.c: int',
    ]);
    assert.deepEqual(diff(record(a), record({ ...a, order: 'descending' })), [
      '~ shop.Order.a: order ascending → descending',
    ]);
    const kind = (namespace: string) => ({ type: 'enum', name: 'Kind', namespace, symbols: ['a'] });
    const [one, two] = [field('one', kind('x')), field('two', kind('y'))];
    assert.deepEqual(diff(record(one, two, field('c', 'x.Kind')), record(one, two, field('c', ['null', 'y.Kind']))), [
      '~ shop.Order.c: enum Kind → union of null, enum Kind',
    ]);
    assert.deepEqual(diff(record(one, two, field('c', 'x.Kind')), record(one, two, field('c', 'y.Kind'))), [
      '~ shop.Order.c: enum x.Kind → enum y.Kind',
    ]);
  });

  it('is seen in types other than records', () => {
    assert.deepEqual(diff('int', ['null', 'int']), ['~ int → union of null, int']);
    assert.deepEqual(diff({ type: 'fixed', name: 'F', size: 2 }, { type: 'fixed', name: 'F', size: 4 }), [
      '~ F: 2 bytes → 4 bytes',
    ]);
    const fixed = (scale: number) => ({
      type: 'fixed',
      name: 'F',
      size: 8,
      logicalType: 'decimal',
      precision: 9,
      scale,
    });
    assert.deepEqual(diff(fixed(2), fixed(3)), ['~ F: 8 bytes (decimal 9,2) → 8 bytes (decimal 9,3)']);
    assert.deepEqual(
      diff({ type: 'enum', name: 'E', symbols: ['a', 'b'] }, { type: 'enum', name: 'E', symbols: ['b', 'a'] }),
      ['~ E: symbols in another order: b, a'],
    );
    assert.deepEqual(diff({ type: 'enum', name: 'E', symbols: ['a'] }, { type: 'fixed', name: 'E', size: 1 }), [
      '~ E: enum → fixed',
    ]);
    assert.deepEqual(diff(record(), { ...record(), name: 'Sale' }), [
      '~ record shop.Order → record shop.Sale',
      '+ record shop.Sale',
      '- record shop.Order',
    ]);
  });
});
