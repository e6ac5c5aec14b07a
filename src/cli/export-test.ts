import { isUtf8 } from 'node:buffer';
import { dirname, extname, relative, resolve } from 'node:path';
import { inspect, isDeepStrictEqual } from 'node:util';
import type { Topology } from '../dsl/processor.js';
import { writeFileAtomically } from '../files/write.js';
import { bytesCode, commentCode, hasCode, propertyCode, stringCode, valueCode } from '../model/code-text.js';
import { messageOf, type StreamsError } from '../model/errors.js';
import type { Headers } from '../model/headers.js';
import type { SmallestSlice, StateChange } from '../replay/index.js';
import type { StoreView } from '../runtime/store-view.js';
import { MemoryRegistry } from '../serdes/registry/memory.js';
import { serdes } from '../serdes/serdes.js';
import { TestDriver, type TestDriverOptions } from '../testing/driver.js';
import type { ExportedSchema } from './export-schemas.js';
import type { GivenPredicate } from './predicate.js';
import { eventText } from './show-past.js';
import { usage } from './usage.js';

export interface ExportedTest {
  readonly file: string;
  readonly topologyFile: string;
  readonly topology: Topology;
  /** The options of the replay: a record that failed must fail in the test, too. */
  readonly options: Pick<TestDriverOptions, 'applicationId' | 'onError'>;
  readonly predicate: GivenPredicate;
  readonly change: StateChange;
  readonly slice: SmallestSlice;
  /** The schemas of the records, in the order of their versions. */
  readonly schemas: readonly ExportedSchema[];
}

/** How deep to show a key that has no literal form. */
const SHOWN = { depth: 9 } as const;

/**
 * Writes a mocha test that feeds the slice through the test driver, and fails while the predicate becomes
 * true for the row. It is tried first. Errors: USAGE if the test would fail for another reason, or not at
 * all.
 */
export async function exportTest(test: ExportedTest): Promise<void> {
  await checkFails(test);
  await writeFileAtomically(test.file, testText(test), { shared: true });
}

/** Does here what the test does. */
async function checkFails({ topology, options, predicate, change, slice, schemas }: ExportedTest): Promise<void> {
  const wrong = (saw: string): StreamsError =>
    usage(
      'cannot write a test that reproduces it',
      saw,
      'the predicate to hold when the records go through the test driver, one after the other',
      'Leave out --export-test. The row depends on something that a test with these records does not have.',
    );
  const schemaRegistry = new MemoryRegistry({ compatibility: 'NONE' });
  for (const { subject, schema } of schemas) await schemaRegistry.register(subject, { schema, references: [] });
  const driver = await TestDriver.create(topology, { partitions: slice.partitions, ...options, schemaRegistry });
  try {
    const rowOf = rowIn(driver.store(change.store), change.key);
    let before: unknown = null;
    for (const { topic, partition, timestamp, key: bytes, value: written, headers } of slice.records) {
      const record = { partition, timestamp, key: bytes, value: written, headers };
      await driver.input(topic, { key: serdes.bytes, value: serdes.bytes }).send(record);
      const { key, value } = await rowOf();
      if (isDeepStrictEqual(value, before)) continue;
      if (predicate.when({ key, value, before, timestamp })) return;
      before = value;
    }
  } catch (error) {
    throw wrong(messageOf(error));
  } finally {
    await driver.close().catch(() => undefined);
  }
  throw wrong('a predicate that never holds in the test');
}

interface FoundRow {
  readonly key: unknown;
  readonly value: unknown;
}

function rowIn(store: StoreView<unknown, unknown>, key: unknown): () => Promise<FoundRow> {
  if (hasCode(key)) return async () => ({ key, value: await store.get(key) });
  const shown = inspect(key, SHOWN);
  return async () => {
    const row = (await store.entries()).find(([other]) => inspect(other, SHOWN) === shown);
    return { key, value: row?.[1] ?? null };
  };
}

function testText(test: ExportedTest): string {
  const { file, topologyFile, topology, options, predicate, change, slice, schemas } = test;
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
  const given = Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `, ${name}: ${valueCode(value)}`)
    .join('');
  return `// Written by millrace bisect: the smallest part of the history that it found to reproduce it.
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
describe(${stringCode(topology.name)}, () => {
  it(${stringCode(`has no row in ${change.store} with: ${condition}`)}, async () => {
${registry}    const driver = await TestDriver.create(topology, { partitions: ${valueCode(slice.partitions)}${given}${schemas.length > 0 ? ', schemaRegistry' : ''} });
    const store = driver.store(${stringCode(change.store)});
${keyCode(change.key, typed)}
    let before${typed ? ': any' : ''} = null;
    for (const { topic, ...record } of records) {
      await driver.input(topic, { key: serdes.bytes, value: serdes.bytes }).send(record);
      const value${typed ? ': any' : ''} = ${hasCode(change.key) ? 'await store.get(key)' : 'await valueOf()'};
      if (isDeepStrictEqual(value, before)) continue;
      assert.ok(!holds({ key, value, before, timestamp: record.timestamp }), \`\${inspect(key)} is \${inspect(value)}\`);
      before = value;
    }
    await driver.close();
  });
});
`;
}

/** Code for the key; for a key without a literal form, code that finds its row. */
function keyCode(key: unknown, typed: boolean): string {
  const any = typed ? ': any' : '';
  if (hasCode(key)) return `    const key${any} = ${valueCode(key)};`;
  return `    let key${any} = null;
    // A class instance has no literal: the key is found by its printed form.
    const valueOf = async () => {
      for (const [other, value] of await store.entries())
        if (inspect(other, ${valueCode(SHOWN)}) === ${stringCode(inspect(key, SHOWN))}) {
          key = other;
          return value;
        }
      return null;
    };`;
}

/** An object cannot hold a name twice. */
const hasTwice = ({ entries }: Headers): boolean => new Set(entries.map(([name]) => name)).size < entries.length;

function headersCode(headers: Headers): string {
  if (headers.size === 0) return '';
  const pairs = headers.entries.map(([name, value]) => [name, bytes(value && Buffer.from(value))] as const);
  return hasTwice(headers)
    ? `, headers: new Headers([${pairs.map(([name, value]) => `[${stringCode(name)}, ${value}]`).join(', ')}])`
    : `, headers: { ${pairs.map(([name, value]) => `${propertyCode(name)}: ${value}`).join(', ')} }`;
}

/** Code for bytes in the most readable form: text, else base64. */
function bytes(value: Buffer | null): string {
  if (value === null) return 'null';
  return isUtf8(value) ? `Buffer.from(${stringCode(value.toString('utf8'))})` : bytesCode(value);
}

/**
 * Code for the import of one file from another: a relative path, with the compiled name of a TypeScript file.
 */
function moduleOf(from: string, to: string): string {
  const path = relative(dirname(resolve(from)), to)
    .replaceAll('\\', '/')
    .replace(/\.([mc]?)ts$/, '.$1js')
    // Module specifiers are URLs, in which these characters have a meaning.
    .replaceAll(/[%?#]/g, encodeURIComponent);
  return stringCode(path.startsWith('.') ? path : `./${path}`);
}
