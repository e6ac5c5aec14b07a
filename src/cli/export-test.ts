import { isUtf8 } from 'node:buffer';
import { writeFile } from 'node:fs/promises';
import { dirname, extname, relative, resolve } from 'node:path';
import type { SmallestSlice, StateChange } from '../replay/index.js';
import type { ExportedSchema } from './export-schemas.js';
import type { GivenPredicate } from './predicate.js';
import { eventText } from './show-past.js';

export interface ExportedTest {
  readonly file: string;
  readonly topologyFile: string;
  readonly topologyName: string;
  readonly predicate: GivenPredicate;
  readonly change: StateChange;
  readonly slice: SmallestSlice;
  /** What the records are written with, in the order of the versions. */
  readonly schemas: readonly ExportedSchema[];
}

/** Writes a mocha test that feeds the slice through the test driver, and fails as long as the predicate comes to hold of the row. */
export async function exportTest(test: ExportedTest): Promise<void> {
  await writeFile(test.file, testText(test));
}

function testText({ file, topologyFile, topologyName, predicate, change, slice, schemas }: ExportedTest): string {
  const typed = /^\.[mc]?ts$/.test(extname(file));
  const row = typed ? ': { key: any; value: any; before: any; timestamp: number }' : '';
  const condition = predicate.expression ?? 'the predicate holds';
  const when =
    predicate.expression === undefined ? `import holds from '${moduleOf(file, predicate.file as string)}';` : '';
  const records = slice.records.map(
    ({ topic, partition, timestamp, key, value, headers }) =>
      `  { topic: ${text(topic)}, partition: ${partition}, timestamp: ${timestamp}, key: ${bytes(key)}, value: ${bytes(value)}${
        headers.size === 0
          ? ''
          : `, headers: { ${headers.entries.map(([name, header]) => `${text(name)}: ${bytes(header && Buffer.from(header))}`).join(', ')} }`
      } },`,
  );
  const registered = schemas.map(
    ({ subject, schema }) =>
      `    await schemaRegistry.register(${text(subject)}, { schema: ${text(schema)}, references: [] });\n`,
  );
  const registry =
    schemas.length > 0
      ? `    const schemaRegistry = new MemoryRegistry({ compatibility: 'NONE' });\n${registered.join('')}`
      : '';
  return `// Written by millrace bisect: the smallest part of the history that it found to bring it about.
// The event: ${eventText(change.event)}.
import assert from 'node:assert/strict';
import { serdes } from 'millrace';
${schemas.length > 0 ? "import { MemoryRegistry } from 'millrace/avro';\n" : ''}import { TestDriver } from 'millrace/testing';
import topology from '${moduleOf(file, topologyFile)}';
${when}
const records = [
${records.join('\n')}
];

${predicate.expression === undefined ? '' : `const holds = ({ key, value, before, timestamp }${row}) => (${predicate.expression});\n`}
describe(${text(topologyName)}, () => {
  it(${text(`has no row of ${change.store} of which: ${condition}`)}, async () => {
${registry}    const driver = await TestDriver.create(topology, { partitions: ${JSON.stringify(slice.partitions)}${schemas.length > 0 ? ', schemaRegistry' : ''} });
    const key${typed ? ': any' : ''} = ${keyOf(change.key)};
    let before${typed ? ': any' : ''} = null;
    for (const { topic, ...record } of records) {
      await driver.input(topic, { key: serdes.bytes, value: serdes.bytes }).send(record);
      const value${typed ? ': any' : ''} = await driver.store(${text(change.store)}).get(key);
      if (JSON.stringify(value) === JSON.stringify(before)) continue;
      assert.ok(!holds({ key, value, before, timestamp: record.timestamp }), \`\${JSON.stringify(key)} is \${JSON.stringify(value)}\`);
      before = value;
    }
    await driver.close();
  });
});
`;
}

const text = (value: string): string =>
  `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;

/** A key as code. JSON has no word for the end of a window that never ends. */
function keyOf(key: unknown): string {
  const endless = typeof key === 'object' && key !== null && 'end' in key && key.end === Number.POSITIVE_INFINITY;
  return endless ? `{ ...${JSON.stringify(key)}, end: Number.POSITIVE_INFINITY }` : JSON.stringify(key);
}

/** Bytes as they are read most easily: text, else base64. */
function bytes(value: Buffer | null): string {
  if (value === null) return 'null';
  return isUtf8(value)
    ? `Buffer.from(${text(value.toString('utf8'))})`
    : `Buffer.from('${value.toString('base64')}', 'base64')`;
}

/** How one file imports another: relative, a TypeScript file by the name of what it compiles to. */
function moduleOf(from: string, to: string): string {
  const path = relative(dirname(resolve(from)), to)
    .replaceAll('\\', '/')
    .replace(/\.([mc]?)ts$/, '.$1js');
  return path.startsWith('.') ? path : `./${path}`;
}
