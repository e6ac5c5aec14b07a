import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import * as names from '#src/index.js';
import { projectFile } from '../support/project.js';

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  strict: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
  skipLibCheck: true,
  types: [],
};

const PREFIX = [
  "import * as m from '#src/index.js';",
  'interface Payment { readonly id: string; readonly amount: number }',
  'declare const stream: m.Stream<string, Payment>;',
  'declare const table: m.Table<string, Payment>;',
  'declare const byNumber: m.Table<number, Payment>;',
].join('\n');

/** What the compiler says about each snippet: one program for all of them. */
function messages(snippets: readonly string[]): readonly string[] {
  const file = projectFile('test/types/snippets.ts');
  const first = PREFIX.split('\n').length;
  const host = ts.createCompilerHost(OPTIONS);
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (name, version, ...rest) =>
    name === file
      ? ts.createSourceFile(name, [PREFIX, ...snippets].join('\n'), version, true)
      : read(name, version, ...rest);
  const program = ts.createProgram([file], OPTIONS, host);
  const said = snippets.map(() => '');
  for (const { start = 0, messageText, file: source } of program.getSemanticDiagnostics(program.getSourceFile(file))) {
    assert.ok(source);
    const line = source.getLineAndCharacterOfPosition(start).line - first;
    said[line] += `${ts.flattenDiagnosticMessageText(messageText, '\n')}\n`;
  }
  return said;
}

const JOIN = '(left: unknown, right: unknown) => 1';
const FOREIGN_KEY = `{ foreignKey: () => 'a', join: ${JOIN}, store: 's', value: m.serdes.double }`;
const WITHIN = `{ store: 's', within: '1h', join: ${JOIN} }`;

/** Snippet → what its message must contain. */
const WRONG: Readonly<Record<string, string>> = {
  // A stream, and a table is needed.
  [`stream.pipe(m.joinTable(stream, ${JOIN}))`]: 'use toTable() after it, or joinStream',
  [`stream.pipe(m.leftJoinTable(stream, ${JOIN}))`]: 'use toTable() after it, or joinStream',
  [`table.pipe(m.outerJoinTable(stream, ${JOIN}))`]: 'use toTable() after it, or joinStream',
  [`table.pipe(m.joinTable(stream, ${FOREIGN_KEY}))`]: 'use toTable() after it, or joinStream',
  [`table.pipe(m.leftJoinTable(stream, ${FOREIGN_KEY}))`]: 'use toTable() after it, or joinStream',
  [`stream.pipe(m.joinTable(table, ${FOREIGN_KEY}))`]: 'to join by a foreign key, use toTable() first',
  [`stream.pipe(m.leftJoinTable(table, ${FOREIGN_KEY}))`]: 'to join by a foreign key, use toTable() first',
  [`stream.pipe(m.outerJoinTable(table, ${JOIN}))`]: 'use toTable() first, or leftJoinTable',
  'stream.pipe(m.toStream())': 'it is a stream already',
  "stream.pipe(m.suppress({ store: 's', until: { timeLimit: '1m' } }))": 'use toTable() first',
  "stream.pipe(m.suppress({ store: 's', until: 'windowCloses' }))": 'put it after a fold with windows',
  "table.pipe(m.suppress({ store: 's', until: 'windowCloses' }))": 'put it after a fold with windows',
  // A table, and a stream is needed.
  [`stream.pipe(m.joinStream(table, ${WITHIN}))`]: 'use joinTable, or toStream() after it',
  [`stream.pipe(m.leftJoinStream(table, ${WITHIN}))`]: 'use joinTable, or toStream() after it',
  [`stream.pipe(m.outerJoinStream(table, ${WITHIN}))`]: 'use joinTable, or toStream() after it',
  [`table.pipe(m.joinStream(stream, ${WITHIN}))`]: 'use joinTable, or toStream() first',
  "table.pipe(m.dedupe({ store: 's', id: () => 'a', within: '1d' }))": 'use toStream() first',
  "table.pipe(m.reorderByVersion({ store: 's', version: () => 1 }))": 'use toStream() first',
  "table.pipe(m.latestByTimestamp({ store: 's' }))": 'use toStream() first',
  "table.pipe(m.toTable({ store: 's', value: m.serdes.json<Payment>() }))": 'use toStream() first',
  'table.pipe(m.selectKey(() => 1))': 'use toStream() first',
  'table.pipe(m.flatMapValues(() => [1]))': 'use toStream() first',
  'table.pipe(m.map(({ key, value }) => [key, value]))': 'use toStream() first',
  'table.pipe(m.flatMap(({ key, value }) => [[key, value] as const]))': 'use toStream() first',
  "m.cogroup({ store: 's', value: m.serdes.double, initial: () => 0 }, (add) => [add(table, () => 1)])":
    'use toStream() first',
};

/** Wrong for another reason: the advice would mislead. */
const OTHERWISE_WRONG: readonly string[] = [
  `table.pipe(m.outerJoinTable(byNumber, ${JOIN}))`,
  `table.pipe(m.joinTable(byNumber, ${JOIN}))`,
  "stream.pipe(m.dedupe({ store: 's', id: (record) => record.value.missing, within: '1d' }))",
  "stream.pipe(m.toTable({ store: 's', value: m.serdes.double }))",
];

const RIGHT: readonly string[] = [
  `stream.pipe(m.joinTable(table, ${JOIN}))`,
  `table.pipe(m.outerJoinTable(table, ${JOIN}))`,
  `table.pipe(m.joinTable(byNumber, { ...${FOREIGN_KEY}, foreignKey: () => 1 }))`,
  `stream.pipe(m.joinStream(table.pipe(m.toStream()), ${WITHIN}))`,
];

describe('what the compiler says', () => {
  it('names the operator to use, where a stream is in the place of a table, or the reverse', function () {
    this.timeout(120_000);
    const snippets = [...Object.keys(WRONG), ...OTHERWISE_WRONG, ...RIGHT];
    const said = new Map(messages(snippets).map((message, at) => [snippets[at], message]));
    for (const [snippet, advice] of Object.entries(WRONG))
      assert.match(said.get(snippet) ?? '', new RegExp(`"${advice.replace(/[()]/g, '\\$&')}"`), snippet);
    for (const snippet of OTHERWISE_WRONG) {
      assert.notEqual(said.get(snippet), '', snippet);
      assert.doesNotMatch(said.get(snippet) ?? '', /use to(Table|Stream)\(\)/, snippet);
    }
    for (const snippet of RIGHT) assert.equal(said.get(snippet), '', snippet);
  });
});

describe('the types of streams that were merged', () => {
  it('are tried for every operator', () => {
    const folder = projectFile('src/dsl/operators');
    const functions = readdirSync(folder).flatMap((name) =>
      [...readFileSync(`${folder}/${name}`, 'utf8').matchAll(/^export function (\w+)</gm)].map(([, found]) => found),
    );
    const operators = [...new Set(functions)].filter((name) => name && name in names);
    const tried = readFileSync(projectFile('test/types/merged.types.ts'), 'utf8');
    assert.ok(operators.length > 30);
    assert.deepEqual(
      operators.filter((operator) => !new RegExp(`\\b${operator}\\(`).test(tried)),
      [],
    );
  });
});
