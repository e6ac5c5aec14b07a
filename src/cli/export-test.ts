import { isUtf8 } from 'node:buffer';
import { dirname, extname, relative, resolve } from 'node:path';
import { writeFileAtomically } from '../files/write.js';
import { bytesCode, commentCode, propertyCode, stringCode, valueCode } from '../model/code-text.js';
import type { Headers } from '../model/headers.js';
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
  await writeFileAtomically(test.file, testText(test), { shared: true });
}

function testText({ file, topologyFile, topologyName, predicate, change, slice, schemas }: ExportedTest): string {
  const typed = /^\.[mc]?ts$/.test(extname(file));
  const row = typed ? ': { key: any; value: any; before: any; timestamp: number }' : '';
  const condition = predicate.expression ?? 'the predicate holds';
  const when =
    predicate.expression === undefined ? `import holds from ${moduleOf(file, predicate.file as string)};` : '';
  const records = slice.records.map(
    ({ topic, partition, timestamp, key, value, headers }) =>
      `  { topic: ${stringCode(topic)}, partition: ${partition}, timestamp: ${timestamp}, key: ${bytes(key)}, value: ${bytes(value)}${headersCode(headers)} },`,
  );
  const registered = schemas.map(
    ({ subject, schema }) =>
      `    await schemaRegistry.register(${stringCode(subject)}, { schema: ${stringCode(schema)}, references: [] });\n`,
  );
  const registry =
    schemas.length > 0
      ? `    const schemaRegistry = new MemoryRegistry({ compatibility: 'NONE' });\n${registered.join('')}`
      : '';
  return `// Written by millrace bisect: the smallest part of the history that it found to bring it about.
// The event: ${commentCode(eventText(change.event))}.
import assert from 'node:assert/strict';
import { inspect, isDeepStrictEqual } from 'node:util';
import { ${slice.records.some(({ headers }) => hasTwice(headers)) ? 'Headers, ' : ''}serdes } from 'millrace';
${schemas.length > 0 ? "import { MemoryRegistry } from 'millrace/avro';\n" : ''}import { TestDriver } from 'millrace/testing';
import topology from ${moduleOf(file, topologyFile)};
${when}
const records = [
${records.join('\n')}
];

${predicate.expression === undefined ? '' : `const holds = ({ key, value, before, timestamp }${row}) => (${predicate.expression}\n);\n`}
describe(${stringCode(topologyName)}, () => {
  it(${stringCode(`has no row of ${change.store} of which: ${condition}`)}, async () => {
${registry}    const driver = await TestDriver.create(topology, { partitions: ${valueCode(slice.partitions)}${schemas.length > 0 ? ', schemaRegistry' : ''} });
    const key${typed ? ': any' : ''} = ${valueCode(change.key)};
    let before${typed ? ': any' : ''} = null;
    for (const { topic, ...record } of records) {
      await driver.input(topic, { key: serdes.bytes, value: serdes.bytes }).send(record);
      const value${typed ? ': any' : ''} = await driver.store(${stringCode(change.store)}).get(key);
      if (isDeepStrictEqual(value, before)) continue;
      assert.ok(!holds({ key, value, before, timestamp: record.timestamp }), \`\${inspect(key)} is \${inspect(value)}\`);
      before = value;
    }
    await driver.close();
  });
});
`;
}

/** A name that occurs twice has no place in an object. */
const hasTwice = ({ entries }: Headers): boolean => new Set(entries.map(([name]) => name)).size < entries.length;

function headersCode(headers: Headers): string {
  if (headers.size === 0) return '';
  const pairs = headers.entries.map(([name, value]) => [name, bytes(value && Buffer.from(value))] as const);
  return hasTwice(headers)
    ? `, headers: new Headers([${pairs.map(([name, value]) => `[${stringCode(name)}, ${value}]`).join(', ')}])`
    : `, headers: { ${pairs.map(([name, value]) => `${propertyCode(name)}: ${value}`).join(', ')} }`;
}

/** Bytes as they are read most easily: text, else base64. */
function bytes(value: Buffer | null): string {
  if (value === null) return 'null';
  return isUtf8(value) ? `Buffer.from(${stringCode(value.toString('utf8'))})` : bytesCode(value);
}

/** How one file imports another, as code: relative, a TypeScript file by the name of what it compiles to. */
function moduleOf(from: string, to: string): string {
  const path = relative(dirname(resolve(from)), to)
    .replaceAll('\\', '/')
    .replace(/\.([mc]?)ts$/, '.$1js')
    // A module is named by a URL, in which these have a meaning.
    .replaceAll(/[%?#]/g, encodeURIComponent);
  return stringCode(path.startsWith('.') ? path : `./${path}`);
}
