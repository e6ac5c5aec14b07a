import fc from 'fast-check';
import { type SchemaSource, serdes } from 'millrace';
import { avro, MemoryRegistry } from 'millrace/avro';
import { openedFor } from '#src/runtime/send.js';
import { serdeContract } from '../contract.js';

const schema = {
  type: 'record',
  name: 'Order',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'cents', type: 'long' },
    { name: 'note', type: ['null', 'bytes'] },
  ],
} as const;
const source: SchemaSource = { schema: JSON.stringify(schema), references: [] };

const registry = new MemoryRegistry();
const id = await registry.register('orders-value', source);
const services = { schemaRegistry: async () => registry, registerSchemas: false };
const { value: serde } = await openedFor('orders', 'both', { key: serdes.string, value: avro(schema) }, services);

const prefix = Buffer.alloc(5);
prefix.writeUInt32BE(id, 1);
const written = (hex: string): Buffer => Buffer.concat([prefix, Buffer.from(hex, 'hex')]);

serdeContract('avro', {
  serde,
  values: fc.record(
    {
      id: fc.string({ unit: 'grapheme' }),
      cents: fc.maxSafeInteger(),
      note: fc.option(fc.uint8Array().map((bytes) => Buffer.from(bytes))),
    },
    { noNullPrototype: true },
  ),
  wrongBytes: [
    [Buffer.from('{"id":"x"}'), /saw 10 bytes .*expected a byte 0/],
    [Buffer.from([0, 0, 0]), /saw 3 bytes/],
    [written(''), /fewer bytes/],
    [written('0278'), /fewer bytes/],
    [written('02780a04'), /branch|union/],
    [written('04fffe0a00'), /not UTF-8/],
    [written('02780a00ff'), /saw 1 bytes after the value/],
  ],
  wrongValues: [
    [undefined, /saw undefined in the value itself, expected record Order/],
    [{ id: 5, cents: 1, note: null }, /saw the number 5 in id, expected string/],
    [{ id: 'x', cents: 1.5, note: null }, /in cents, expected long/],
    [{ id: 'x', cents: 1, note: 'text' }, /saw the string "text" in note, expected one of null, bytes/],
    [{ id: '\ud800', cents: 1, note: null }, /lone surrogates/],
  ],
});
