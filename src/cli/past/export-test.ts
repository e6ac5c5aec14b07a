import { isUtf8 } from 'node:buffer';
import { dirname, extname, relative, resolve, sep } from 'node:path';
import { inspect } from 'node:util';
import type { Topology } from '../../dsl/contract/processor.js';
import { writeFileAtomically } from '../../files/write.js';
import { bytesCode, commentCode, hasCode, propertyCode, stringCode, valueCode } from '../../model/code-text.js';
import type { Headers } from '../../model/headers.js';
import { show } from '../../model/text/show.js';
import type { SmallestSlice, StateChange } from '../../replay/index.js';
import type { TestDriverOptions } from '../../testing/driver.js';
import type { TopologyOrigin } from '../load/load-topology.js';
import type { GivenPredicate } from '../load/predicate.js';
import { usage } from '../terminal/usage.js';
import type { ExportedSchema } from './export-schemas.js';
import { importsOf, madeTopology, type TopologyImport } from './imported-topology.js';
import { eventText } from './show-past.js';
import { failsOtherwise } from './try-exported.js';

export interface ExportedTest {
  readonly file: string;
  readonly topology: Topology;
  readonly origin: TopologyOrigin;
  /** The options of the replay: a record that failed must fail in the test, too. */
  readonly options: Pick<TestDriverOptions, 'applicationId' | 'onError'>;
  readonly predicate: GivenPredicate;
  readonly change: StateChange;
  readonly slice: SmallestSlice;
  /** The schemas of the records, in the order of their versions. */
  readonly schemas: readonly ExportedSchema[];
}

/** Extensions of test files. A `.cjs` file cannot use `import`. */
const WRITTEN = ['.ts', '.mts', '.cts', '.js', '.mjs'];

/** How deep to show a key that has no literal form. */
const SHOWN = { depth: 9 } as const;

/**
 * Writes a mocha test that feeds the slice through the test driver, and fails while the predicate becomes
 * true for the row. The text is tried first, in the same directory. Errors: USAGE if it does not load there,
 * or the test would fail for another reason, or not at all.
 */
export async function exportTest(test: ExportedTest): Promise<void> {
  const { file } = test;
  const extension = extname(file);
  if (!WRITTEN.includes(extension))
    throw usage('cannot write a test', `the extension ${show(extension)}`, `a file that ends in ${WRITTEN.join(', ')}`);
  let saw: string | undefined;
  for (const imports of importsOf(test.origin)) {
    const text = testText(test, imports);
    const other = await failsOtherwise(file, text);
    if (other === undefined) return writeFileAtomically(file, text, { shared: true });
    saw ??= other;
  }
  throw usage(
    'cannot write a test that reproduces it',
    saw ?? 'nothing',
    'the predicate to hold when the records go through the test driver, one after the other, in a file of that name',
    'Leave out --export-test, or write the test next to the topology. The row may depend on something that a test with these records does not have.',
  );
}

/** Names in the test that are visible to the predicate. */
const NAMES = [
  'assert',
  'inspect',
  'isDeepStrictEqual',
  'Headers',
  'serdes',
  'MemoryRegistry',
  'TestDriver',
  'topology',
  'records',
  'holds',
] as const;

/** A form of each name that does not occur in the expression, not even with escapes. */
function namesBeside(expression = ''): Readonly<Record<(typeof NAMES)[number], string>> {
  const written = expression.replace(/\\u(?:\{([0-9a-f]+)\}|([0-9a-f]{4}))/gi, (_, long?: string, short?: string) =>
    String.fromCharCode(Number.parseInt(long ?? short ?? '', 16)),
  );
  const free = (name: string): string => (written.includes(name) ? free(`${name}_`) : name);
  return Object.fromEntries(NAMES.map((name) => [name, free(name)])) as Record<(typeof NAMES)[number], string>;
}

/** An import, under the name that it has in the test. */
const imported = (name: string, as: string): string => (name === as ? name : `${name} as ${as}`);

function testText(test: ExportedTest, imports: TopologyImport): string {
  const { file, topology, origin, options, predicate, change, slice, schemas } = test;
  const n = namesBeside(predicate.expression);
  const typed = /^\.[mc]?ts$/.test(extname(file));
  const row = typed ? ': { key: any; value: any; before: any; timestamp: number }' : '';
  const condition = predicate.expression ?? 'the predicate holds';
  const when =
    predicate.expression === undefined ? `import ${n.holds} from ${moduleOf(file, predicate.file as string)};` : '';
  const records = slice.records.map(
    ({ topic, partition, timestamp, key, value, headers }) =>
      `  { topic: ${stringCode(topic)}, partition: ${partition}, timestamp: ${timestamp}, key: ${bytes(key)}, value: ${bytes(value)}${headersCode(headers, n.Headers)} },`,
  );
  const registered = schemas.map(
    ({ subject, schema }) =>
      `    await schemaRegistry.register(${stringCode(subject)}, { schema: ${stringCode(schema)}, references: [] });\n`,
  );
  const registry =
    schemas.length > 0
      ? `    const schemaRegistry = new ${n.MemoryRegistry}({ compatibility: 'NONE' });\n${registered.join('')}`
      : '';
  const made = madeTopology(imports.exported(n.topology), origin.steps, typed);
  const given = Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `, ${name}: ${valueCode(value)}`)
    .join('');
  return `// Written by millrace bisect: the smallest part of the history that it found to reproduce it.
// The event: ${commentCode(eventText(change.event))}.
import ${n.assert} from 'node:assert/strict';
import { ${imported('inspect', n.inspect)}, ${imported('isDeepStrictEqual', n.isDeepStrictEqual)} } from 'node:util';
import { ${slice.records.some(({ headers }) => hasTwice(headers)) ? `${imported('Headers', n.Headers)}, ` : ''}${imported('serdes', n.serdes)} } from 'millrace';
${schemas.length > 0 ? `import { ${imported('MemoryRegistry', n.MemoryRegistry)} } from 'millrace/avro';\n` : ''}import { ${imported('TestDriver', n.TestDriver)} } from 'millrace/testing';
import ${imports.clause(n.topology)} from ${moduleOf(file, origin.path)};
${when}
const ${n.records} = [
${records.join('\n')}
];

${predicate.expression === undefined ? '' : `const ${n.holds} = ({ key, value, before, timestamp }${row}) => (${predicate.expression}\n);\n`}
describe(${stringCode(topology.name)}, () => {
  it(${stringCode(`has no row in ${change.store} with: ${condition}`)}, async () => {
${registry}${made.lines}    const driver = await ${n.TestDriver}.create(${made.topology}, { partitions: ${valueCode(slice.partitions)}${given}${schemas.length > 0 ? ', schemaRegistry' : ''} });
    const store = driver.store(${stringCode(change.store)});
${keyCode(change.key, typed, n.inspect)}
    let before${typed ? ': any' : ''} = null;
    for (const { topic, ...record } of ${n.records}) {
      await driver.input(topic, { key: ${n.serdes}.bytes, value: ${n.serdes}.bytes }).send(record);
      const value${typed ? ': any' : ''} = ${hasCode(change.key) ? 'await store.get(key)' : 'await valueOf()'};
      if (${n.isDeepStrictEqual}(value, before)) continue;
      ${n.assert}.ok(!${n.holds}({ key, value, before, timestamp: record.timestamp }), \`\${${n.inspect}(key)} is \${${n.inspect}(value)}\`);
      before = value;
    }
    await driver.close();
  });
});
`;
}

/** Code for the key; for a key without a literal form, code that finds its row. */
function keyCode(key: unknown, typed: boolean, shows: string): string {
  const any = typed ? ': any' : '';
  if (hasCode(key)) return `    const key${any} = ${valueCode(key)};`;
  return `    let key${any} = null;
    // A class instance has no literal: the key is found by its printed form.
    const valueOf = async () => {
      for (const [other, value] of await store.entries())
        if (${shows}(other, ${valueCode(SHOWN)}) === ${stringCode(inspect(key, SHOWN))}) {
          key = other;
          return value;
        }
      return null;
    };`;
}

/** An object cannot hold a name twice. */
const hasTwice = ({ entries }: Headers): boolean => new Set(entries.map(([name]) => name)).size < entries.length;

function headersCode(headers: Headers, made: string): string {
  if (headers.size === 0) return '';
  const pairs = headers.entries.map(([name, value]) => [name, bytes(value && Buffer.from(value))] as const);
  return hasTwice(headers)
    ? `, headers: new ${made}([${pairs.map(([name, value]) => `[${stringCode(name)}, ${value}]`).join(', ')}])`
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
    .replaceAll(sep, '/')
    .replace(/\.([mc]?)ts$/, '.$1js')
    // Module specifiers are URLs: some characters have a meaning in them, and line breaks are removed.
    .replaceAll(/[%?#\\\n\r\t]/g, encodeURIComponent);
  return stringCode(path.startsWith('.') ? path : `./${path}`);
}
