// Promise: what a reader gives for a field that was not written is what Avro's specification says, for any schema and any default; and a writer's own defaults do not matter.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { AvroCodec } from '#src/serdes/avro/codec/codec.js';
import { jsonText } from '#src/serdes/schema/json-text.js';
import { hasDefault, type Schema } from '#src/serdes/schema/model.js';
import { parseSchema } from '#src/serdes/schema/parse.js';
import { schemaText } from '#src/serdes/schema/text.js';
import { failure } from '../../dsl/support.js';
import { schemas } from '../schema/arbitrary.js';

const NONE = Buffer.alloc(0);
const schemaOf = (json: unknown): Schema => parseSchema(json).schema;

/** The specification's rules for a default, told in the bytes that it stands for. */
function bytesOfDefault(schema: Schema, json: any): Buffer {
  const long = (value: number | bigint): Buffer => {
    const given = BigInt(value);
    const bytes: number[] = [];
    let bits = given < 0n ? -given * 2n - 1n : given * 2n;
    for (; bits > 0x7fn; bits >>= 7n) bytes.push(Number(bits & 0x7fn) | 0x80);
    return Buffer.from([...bytes, Number(bits)]);
  };
  const behindLength = (bytes: Buffer): Buffer => Buffer.concat([long(bytes.length), bytes]);
  const blocks = (items: readonly Buffer[]): Buffer =>
    Buffer.concat(items.length === 0 ? [long(0)] : [long(items.length), ...items, long(0)]);
  switch (schema.kind) {
    case 'null':
      return NONE;
    case 'boolean':
      return Buffer.from([json ? 1 : 0]);
    case 'int':
    case 'long':
      return long(json);
    case 'float': {
      const bytes = Buffer.alloc(4);
      bytes.writeFloatLE(json);
      return bytes;
    }
    case 'double': {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleLE(json);
      return bytes;
    }
    case 'bytes':
      return behindLength(Buffer.from(json, 'latin1'));
    case 'fixed':
      return Buffer.from(json, 'latin1');
    case 'string':
      return behindLength(Buffer.from(json));
    case 'enum':
      return long(schema.symbols.indexOf(json));
    case 'array':
      return blocks(json.map((item: unknown) => bytesOfDefault(schema.items, item)));
    case 'map':
      return blocks(
        Object.entries(json).map(([key, value]) =>
          Buffer.concat([behindLength(Buffer.from(key)), bytesOfDefault(schema.values, value)]),
        ),
      );
    case 'union':
      return Buffer.concat([long(0), bytesOfDefault(schema.branches[0] as Schema, json)]);
    case 'record':
      return Buffer.concat(
        schema.fields.map(({ name, type, default: own }) =>
          bytesOfDefault(type, Object.hasOwn(json, name) ? json[name] : own),
        ),
      );
  }
}

/** Defaults of a schema, as JSON has them. Fields of records that have a default themselves are left out now and then. */
function defaultsOf(schema: Schema): fc.Arbitrary<unknown> {
  const latin = (size: { minLength?: number; maxLength: number }): fc.Arbitrary<string> =>
    fc.uint8Array(size).map((bytes) => Buffer.from(bytes).toString('latin1'));
  const logical = 'logical' in schema ? schema.logical?.name : undefined;
  switch (schema.kind) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'int':
      return logical === 'date' ? fc.integer({ min: -700_000, max: 2_000_000 }) : fc.integer();
    case 'long':
      return logical === 'timestamp-millis'
        ? fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 })
        : fc.oneof(fc.maxSafeInteger(), fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER));
    case 'float':
    case 'double':
      return fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e30, max: 1e30 }));
    case 'bytes':
      return latin({ maxLength: 8 });
    case 'fixed':
      // Of no more digits than it may have.
      if (logical === 'decimal')
        return latin({ minLength: 8, maxLength: 8 }).map((low) => `${low >= '\u0080' ? '\u00ff' : '\u0000'}${low}`);
      return latin({ minLength: schema.size, maxLength: schema.size });
    case 'string':
      return logical === 'uuid' ? fc.uuid() : fc.string({ unit: 'grapheme', maxLength: 5 });
    case 'enum':
      return fc.constantFrom(...schema.symbols);
    case 'array':
      return fc.array(defaultsOf(schema.items), { maxLength: 3 });
    case 'map':
      return fc
        .array(fc.tuple(fc.oneof(fc.string({ maxLength: 3 }), fc.constant('__proto__')), defaultsOf(schema.values)), {
          maxLength: 3,
        })
        .map((entries) => Object.fromEntries(entries));
    case 'union':
      return defaultsOf(schema.branches[0] as Schema);
    case 'record':
      return fc
        .tuple(
          ...schema.fields.map((field) =>
            fc.tuple(fc.constant(field.name), defaultsOf(field.type), fc.constant(hasDefault(field)), fc.boolean()),
          ),
        )
        .map((fields) =>
          Object.fromEntries(
            fields.flatMap(([name, value, optional, leftOut]) => (optional && leftOut ? [] : [[name, value]])),
          ),
        );
  }
}

type Json = any;

/** A schema whose fields have defaults now and then. */
function withDefaults(json: Json): fc.Arbitrary<Json> {
  if (typeof json === 'string') return fc.constant(json);
  if (Array.isArray(json)) return fc.tuple(...json.map(withDefaults)).map((branches) => [...branches]);
  if (json.type === 'array') return withDefaults(json.items).map((items) => ({ ...json, items }));
  if (json.type === 'map') return withDefaults(json.values).map((values) => ({ ...json, values }));
  if (json.type !== 'record') return fc.constant(json);
  const fields = json.fields.map((field: Json) =>
    withDefaults(field.type).chain((type) =>
      fc
        .option(
          defaultsOf(schemaOf(type)).map((value) => ({ default: value })),
          { nil: {} },
        )
        .map((own) => ({ ...field, type, ...own })),
    ),
  );
  return fc.tuple(...fields).map((all) => ({ ...json, fields: all }));
}

const withDefault = schemas
  .chain(withDefaults)
  .chain((type) => fc.tuple(fc.constant(type), defaultsOf(schemaOf(type))));

const id = { name: 'id', type: 'int' };
const record = (...fields: readonly object[]) => ({ type: 'record', name: 'Whole', fields });

describe('a default of Avro', () => {
  it('is what the specification says, when it is read and when it is written, for any schema (property)', () => {
    fc.assert(
      fc.property(withDefault, ([type, value]) => {
        // As text it is what comes from a registry: a key "__proto__" is a key.
        const reader = new AvroCodec(schemaOf(jsonText(record(id, { name: 'f', type, default: value }))));
        const bare = schemaOf(type);
        const expected = new AvroCodec(bare).decode(bytesOfDefault(bare, value), 0, undefined);
        const resolver = reader.resolver(new AvroCodec(schemaOf(record(id))));
        const read = reader.decode(Buffer.from([2]), 0, resolver);
        assert.deepEqual(read, { id: 1, f: expected });
        assert.deepEqual(reader.decode(reader.encode({ id: 1 }, NONE), 0, undefined), { id: 1, f: expected });
      }),
      { numRuns: 300 },
    );
  });

  it('of −0 is −0, also once the schema was written as text', () => {
    for (const type of ['float', 'double', { type: 'array', items: 'double' }]) {
      const value = typeof type === 'string' ? -0 : [0, -0, 1.5];
      const text = schemaText(schemaOf(record(id, { name: 'f', type, default: value })));
      assert.match(text, /-0\.0/);
      const reader = new AvroCodec(schemaOf(text));
      const resolver = reader.resolver(new AvroCodec(schemaOf(record(id))));
      assert.deepEqual(reader.decode(Buffer.from([2]), 0, resolver), { id: 1, f: value });
      assert.equal(schemaText(schemaOf(text)), text);
    }
    assert.deepEqual(JSON.parse(jsonText({ '-0': ['-0', '"-0"', '-0-', -0] })), { '-0': ['-0', '"-0"', '-0-', -0] });
  });

  it('belongs to its reader: each time it is another object', () => {
    const reader = new AvroCodec(
      schemaOf(record(id, { name: 'f', type: { type: 'array', items: 'int' }, default: [1] })),
    );
    const resolver = reader.resolver(new AvroCodec(schemaOf(record(id))));
    const read = () => reader.decode(Buffer.from([2]), 0, resolver) as { f: number[] };
    read().f.push(2);
    assert.deepEqual(read().f, [1]);
  });

  it('may be of a type that is still being defined', () => {
    const node = (value: unknown) => ({
      type: 'record',
      name: 'Node',
      fields: [{ name: 'next', type: { type: 'array', items: 'Node' }, default: value }],
    });
    const reader = new AvroCodec(schemaOf(record(id, { name: 'f', type: node([{ next: [] }]), default: {} })));
    const resolver = reader.resolver(new AvroCodec(schemaOf(record(id))));
    assert.deepEqual(reader.decode(Buffer.from([2]), 0, resolver), { id: 1, f: { next: [{ next: [] }] } });
    const endless = record(id, { name: 'f', type: node([{}]), default: {} });
    assert.throws(
      () => schemaOf(endless),
      failure('SCHEMA_INVALID', /which would otherwise contain itself without end/),
    );
  });

  it('that means nothing fails the value that needs it, and no other', () => {
    const uuid = { type: 'string', logicalType: 'uuid' };
    const reader = new AvroCodec(schemaOf(record(id, { name: 'f', type: uuid, default: 'none' })));
    const resolver = reader.resolver(new AvroCodec(schemaOf(record(id))));
    assert.throws(() => reader.decode(Buffer.from([2]), 0, resolver), /cannot decode Avro: saw no UUID/);
    const f = '00000000-0000-4000-8000-000000000000';
    assert.deepEqual(reader.decode(reader.encode({ id: 1, f }, NONE), 0, undefined), { id: 1, f });
  });

  it('of a writer does not matter, whatever it is', () => {
    for (const wrong of [
      { type: 'long', default: 2 ** 60 },
      { type: 'int', default: 'text' },
      { type: ['null', 'int'], default: 1 },
    ]) {
      const json = record(id, { name: 'more', ...wrong });
      assert.throws(() => parseSchema(json), failure('SCHEMA_INVALID'));
      const writer = new AvroCodec(parseSchema(json, { isWriters: true }).schema);
      const reader = new AvroCodec(schemaOf(record(id)));
      const written = Buffer.from(Array.isArray(wrong.type) ? [2, 0] : [2, 4]);
      assert.deepEqual(reader.decode(written, 0, reader.resolver(writer)), { id: 1 });
    }
  });
});
