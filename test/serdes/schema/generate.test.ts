// Promise: the types that are generated compile under the strictest options, and say the same as FromAvro and ToAvro, and as what the codec takes and gives.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { orderSchemas } from '#src/cli/schemas/files.js';
import { generateTypes } from '#src/serdes/schema/generate.js';
import { isError } from '../../support/errors.js';
import { projectFile, temporaryDirectory } from '../../support/project.js';

const STRICTEST = {
  target: 'ES2023',
  module: 'NodeNext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  noImplicitOverride: true,
  noPropertyAccessFromIndexSignature: true,
  verbatimModuleSyntax: true,
  isolatedModules: true,
  isolatedDeclarations: true,
  erasableSyntaxOnly: true,
  declaration: true,
  noEmit: true,
};

const generated = (files: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> =>
  generateTypes(
    orderSchemas(Object.entries(files).map(([name, json]) => ({ path: `${name}.avsc`, text: JSON.stringify(json) }))),
  );

/** What the compiler says of the generated files, and of code that uses them. */
function compile(files: ReadonlyMap<string, string>, using: string): string {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(projectFile('.'), join(directory, 'node_modules', 'millrace'));
  symlinkSync(projectFile('node_modules/@types'), join(directory, 'node_modules', '@types'));
  symlinkSync(projectFile('node_modules/rxjs'), join(directory, 'node_modules', 'rxjs'));
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  writeFileSync(
    join(directory, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: STRICTEST, files: [...files.keys(), 'using.ts'] }),
  );
  for (const [name, text] of files) writeFileSync(join(directory, name), text);
  writeFileSync(join(directory, 'using.ts'), using);
  const { stdout } = spawnSync(
    process.execPath,
    [projectFile('node_modules/@typescript/native/bin/tsc'), '-p', directory, '--pretty', 'false'],
    { encoding: 'utf8' },
  );
  return stdout;
}

const money = {
  type: 'record',
  name: 'Money',
  namespace: 'shop',
  doc: 'An amount.',
  fields: [
    { name: 'cents', type: 'long' },
    { name: 'currency', type: 'string', default: 'EUR' },
  ],
};
const order = {
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  doc: "What was ordered. It's */ not over.\n\nSecond line.",
  fields: [
    { name: 'id', type: 'string', doc: 'Unique.' },
    { name: 'price', type: 'Money' },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'day', type: { type: 'int', logicalType: 'date' } },
    { name: 'rate', type: { type: 'bytes', logicalType: 'decimal', precision: 4, scale: 2 }, default: '\u0001' },
    { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['new', 'paid'] }, default: 'new' },
    { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 4 } },
    { name: 'tags', type: { type: 'array', items: ['null', 'string'] }, default: [] },
    { name: 'grid', type: { type: 'array', items: { type: 'array', items: 'int' } } },
    { name: 'by', type: { type: 'map', values: ['null', { type: 'array', items: 'Money' }] } },
    { name: 'parent', type: ['null', 'Order'], default: null },
    {
      name: 'who',
      type: [
        'null',
        { type: 'record', name: 'Person', fields: [{ name: 'name', type: 'string' }] },
        { type: 'record', name: 'other.Date', fields: [] },
      ],
      default: null,
    },
    { name: 'class', type: 'boolean' },
  ],
};

describe('the types that are generated', () => {
  it('compile under the strictest options, and are those of FromAvro and ToAvro', () => {
    const plain = {
      ...order,
      fields: order.fields.map((field) => (field.name === 'price' ? { name: 'price', type: money } : field)),
    };
    const using = `
      import { avro, type AvroSerde, type FromAvro, type ToAvro } from 'millrace/avro';
      import type { Order, OrderInput } from './orders-value.js';
      import { ordersValueSchema } from './orders-value.js';

      const schema = ${JSON.stringify(plain)} as const;
      type Mutable<T> = T extends Buffer | Date ? T : { -readonly [K in keyof T]: Mutable<T[K]> };
      type Equal<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
      export const read: Equal<Mutable<Order>, FromAvro<typeof schema>> = true;
      export const written: Equal<Mutable<OrderInput>, ToAvro<typeof schema>> = true;
      export const order: AvroSerde<Order, OrderInput> = avro<Order, OrderInput>(ordersValueSchema);
      export const least: OrderInput = { id: '', price: { cents: 1 }, at: new Date(0), day: '2026-01-01', hash: Buffer.alloc(4), grid: [[1]], by: {}, class: true };
      // @ts-expect-error read, everything is there
      export const all: Order = least;
      // @ts-expect-error no such symbol
      export const kind: OrderInput = { ...least, kind: 'sent' };
      // @ts-expect-error a record in a union goes by its name
      export const who: OrderInput = { ...least, who: { name: 'x' } };
      export const named: OrderInput = { ...least, who: { 'shop.Person': { name: 'x' } }, parent: { ...least, kind: 'paid' } };
    `;
    assert.equal(compile(generated({ 'orders-value': order, money }), using), '');
  });

  it('are named by their simple names, or by full ones where two are alike', () => {
    const files = generated({
      a: { type: 'record', name: 'one.Thing', fields: [] },
      b: { type: 'record', name: 'two.Thing', fields: [{ name: 'x', type: ['null', 'one.Thing'] }] },
      'c.d-e': ['null', 'two.Thing'],
      f: { type: 'enum', name: 'Record', symbols: ['a'] },
    });
    assert.match(files.get('a.ts') ?? '', /interface OneThing \{/);
    assert.match(
      files.get('b.ts') ?? '',
      /import type \{ OneThing \} from '\.\/a\.js';[\s\S]*interface TwoThing \{\n {2}readonly x: null \| OneThing;/,
    );
    assert.match(files.get('c.d-e.ts') ?? '', /export type CDE = null \| TwoThing;/);
    assert.match(files.get('f.ts') ?? '', /export type AvroRecord = 'a';/);
    assert.equal(compile(files, 'export {};'), '');
  });

  it('have names of their own where one is called as the input of another, or as the file', () => {
    const files = generated({
      orders: [
        'null',
        { type: 'record', name: 'OrderInput', fields: [{ name: 'x', type: 'int' }] },
        { type: 'record', name: 'Order', fields: [{ name: 'y', type: 'int', default: 1 }] },
      ],
      kind: ['null', { type: 'enum', name: 'Kind', symbols: ['a'] }],
    });
    const orders = files.get('orders.ts') ?? '';
    assert.match(orders, /export interface AvroOrderInput \{/);
    assert.match(orders, /export interface OrderInput \{\n {2}readonly y\?: number/);
    assert.match(files.get('kind.ts') ?? '', /export type AvroKind = null \| Kind;/);
    assert.equal(compile(files, 'export {};'), '');
  });

  it('carry the schema, which is the same when it is parsed again', () => {
    const text =
      generated({ tricky: { ...money, doc: 'It\'s "quoted", with \\ and \n in it.' } }).get('tricky.ts') ?? '';
    const literal = /trickySchema: string = ('.*');\n/.exec(text)?.[1] ?? '';
    assert.deepEqual(JSON.parse(new Function(`return ${literal}`)() as string), {
      ...money,
      doc: 'It\'s "quoted", with \\ and \n in it.',
    });
  });
});

describe('schemas in several files', () => {
  it('are put in the order in which they can be registered, whatever their names', () => {
    const files = orderSchemas([
      { path: 'a.avsc', text: JSON.stringify(order) },
      { path: 'dir/z.avsc', text: JSON.stringify(money) },
    ]);
    assert.deepEqual(
      files.map(({ subject, uses }) => [subject, uses]),
      [
        ['z', []],
        ['a', [{ name: 'shop.Money', subject: 'z' }]],
      ],
    );
  });

  it('say which file is wrong', () => {
    assert.throws(
      () => orderSchemas([{ path: 'a.avsc', text: JSON.stringify(order) }]),
      isError('SCHEMA_INVALID', /the type "Money"/, /at a\.avsc/),
    );
    assert.throws(
      () => orderSchemas([{ path: 'a.avsc', text: '{' }]),
      isError('SCHEMA_INVALID', /not JSON/, /at a\.avsc/),
    );
    const twice = ['x/a.avsc', 'y/a.avsc'].map((path, i) => ({
      path,
      text: JSON.stringify({ type: 'fixed', name: `F${i}`, size: 1 }),
    }));
    assert.throws(() => orderSchemas(twice), isError('SCHEMA_INVALID', /two files have the name a/, /at y\/a\.avsc/));
  });
});
