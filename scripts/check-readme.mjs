// Executes the documentation, so that it cannot be wrong: the code blocks of README.md, of docs/ and of the examples'
// READMEs, and the examples in doc comments; and follows every link to a file or heading. Every block is one of
//
//   ```ts     // file: NAME.ts    written to a temporary project (or, if it is there already, from the repository or an
//                                 earlier block, an excerpt of it), type-checked together with the others; also as
//                                 `file=NAME` after the language
//   ```ts     // test             as above, and run: by mocha if it calls describe or it, else by Node
//   ```sh     # run [exit=N] [limit=SECONDS]    executed in the project; if a ```text block follows, stdout must be that
//                                 (`…`: anything within a line; a line `…`: any lines)
//   ```mermaid                    a drawing
//   ```any no-run                 shown only: said, not forgotten
//
// A page with a line `<!-- continues: OTHER.md -->` goes on with the project of that one: its files, and what its commands left.
//
//   node scripts/check-readme.mjs [file.md ...] [--no-examples]
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { brokenLinks } from './docs/links.mjs';
import { blocksOf, difference } from './docs/markdown.mjs';
import { execute, MOCHA, makeProject, removeProject, TSX, typeCheck } from './docs/project.mjs';
import { ensureBuilt, root } from './ensure-built.mjs';

const RUN_LIMIT_S = 60;
let passed = 0;
let failed = 0;
let shown = 0;

function report(name, problem) {
  if (problem) {
    failed++;
    console.log(`✗ ${name}\n    ${problem.trim().replaceAll('\n', '\n    ')}`);
  } else {
    passed++;
    console.log(`✓ ${name}`);
  }
}

const isTypeScript = (block) => /^(ts|typescript|mts)$/.test(block.language);
const isShell = (block) => /^(sh|bash|shell)$/.test(block.language);

/** What is to be done with each block: file, test, run, output, shown or unknown. */
function classify(blocks) {
  let previous;
  return blocks.map((block) => {
    let kind = 'unknown';
    if (block.language === 'mermaid') kind = 'drawing';
    else if (block.words.includes('no-run')) kind = 'shown';
    else if (isTypeScript(block) && block.test) kind = 'test';
    else if (block.file) kind = 'file';
    else if (isShell(block) && block.run) kind = 'run';
    else if (block.language === 'text' && previous?.kind === 'run') kind = 'output';
    const result = { ...block, kind };
    if (kind === 'output') previous.output = block.text;
    previous = result;
    return result;
  });
}

/** An excerpt stands further left than what it was taken from. */
const unindented = (text) => text.trim().replaceAll(/^[ \t]+/gm, '');

/** Writes a block's file into the project; a problem if it contradicts what is there. */
function writeBlock(project, block, written) {
  block.file ??= `block-${block.line}.test.ts`;
  const path = join(project, block.file);
  if (existsSync(path)) {
    const excerpt = unindented(block.text.split('\n').slice(block.headerLines).join('\n'));
    if (unindented(readFileSync(path, 'utf8')).includes(excerpt)) return undefined;
    return `the block is not an excerpt of ${block.file} ${written.has(block.file) ? 'of an earlier block' : 'of the repository'}`;
  }
  written.add(block.file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${block.text}\n`);
  return undefined;
}

async function runTest(project, block) {
  const inMocha = /\b(describe|it)\s*\(/.test(block.text) && !/['"]node:test['"]/.test(block.text);
  const mocha = inMocha
    ? [MOCHA, '--no-config', '--fail-zero', '--forbid-only', '--forbid-pending', '--timeout', '20000']
    : [];
  const { code, stdout, stderr, timedOut } = await execute(process.execPath, ['--import', TSX, ...mocha, block.file], {
    cwd: project,
  });
  if (timedOut) return `did not end\n${stdout}${stderr}`;
  return code === 0 ? undefined : `exit code ${code}\n${stdout}${stderr}`;
}

async function runShell(project, block) {
  const { exit = 0, limit = RUN_LIMIT_S } = block.options;
  const { code, stdout, stderr, timedOut } = await execute('bash', ['-eu', '-o', 'pipefail', '-c', block.text], {
    cwd: project,
    limitMs: limit * 1_000,
  });
  const all = `--- stdout\n${stdout}--- stderr\n${stderr}`;
  if (timedOut) return `did not end within ${limit} s\n${all}`;
  if (code !== exit) return `exit code ${code}, expected ${exit}\n${all}`;
  const wrong = block.output === undefined ? undefined : difference(block.output, stdout);
  return wrong && `${wrong}\n${all}`;
}

/** What a page goes on from: `<!-- continues: README.md -->`. */
const CONTINUES = /^<!-- continues: (\S+) -->$/m;

/** Writes the files of a page and runs its commands; the first problem. */
async function prepare(project, file, written) {
  for (const block of classify(blocksOf(readFileSync(join(root, file), 'utf8')))) {
    const isFile = block.kind === 'file' || block.kind === 'test';
    const problem = isFile
      ? writeBlock(project, block, written)
      : block.kind === 'run'
        ? await runShell(project, { ...block, output: undefined })
        : undefined;
    if (problem) return `${file}:${block.line} ${problem}`;
  }
  return undefined;
}

async function checkMarkdown(file) {
  const text = readFileSync(join(root, file), 'utf8');
  for (const problem of brokenLinks(root, file)) report(`${file}:${problem.line} link`, problem.text);
  const blocks = classify(blocksOf(text));
  if (blocks.length === 0) return report(`${file}: links`);
  const at = (block) => `${file}:${block.line}`;
  const folder = dirname(file);
  const isExample = folder.startsWith('topology-examples');
  const project = makeProject(
    isExample
      ? [[folder, '.'], ['schemas', 'schemas'], ...besides(text, folder)]
      : [
          ['topology-examples', 'topology-examples'],
          ['schemas', 'schemas'],
        ],
    basename(isExample ? folder : root),
  );
  try {
    const written = new Set();
    const from = CONTINUES.exec(text)?.[1];
    const unprepared = from === undefined ? undefined : await prepare(project, from, written);
    if (unprepared) return report(`${file}: what it continues`, unprepared);
    const problems = new Map();
    for (const block of blocks.filter(({ kind }) => kind === 'file' || kind === 'test'))
      problems.set(block, writeBlock(project, block, written));
    const typed = [...problems.keys()].filter((block) => isTypeScript(block) && !problems.get(block));
    const messages =
      typed.length > 0 ? await typeCheck(project, [...new Set(typed.map((block) => block.file))]) : new Map();
    for (const block of typed) {
      const wrong = messages
        .get(block.file)
        ?.map(({ line, text }) => (line === 0 ? text : `${file}:${block.line + line - 1} ${text}`));
      if (wrong) problems.set(block, wrong.join('\n'));
    }
    if (messages.has(''))
      report(
        `${file}: types`,
        messages
          .get('')
          .map(({ text }) => text)
          .join('\n'),
      );

    for (const block of blocks) {
      if (block.kind === 'file') report(`${at(block)} ${block.file}`, problems.get(block));
      else if (block.kind === 'test')
        report(`${at(block)} test ${block.file}`, problems.get(block) ?? (await runTest(project, block)));
      else if (block.kind === 'run')
        report(`${at(block)} ${block.text.split('\n')[block.headerLines] ?? ''}`, await runShell(project, block));
      else if (block.kind === 'shown') shown++;
      else if (block.kind === 'unknown') {
        report(
          `${at(block)} \`\`\`${block.language}`,
          'Nothing executes this block. Give it a header (// file: NAME.ts, // test, # run), or `no-run` after the language.',
        );
      }
    }
  } finally {
    removeProject(project);
  }
}

/** Examples that this one speaks of, since it may use what is in them: `](../05-source-history/README.md)`. */
const besides = (text, folder) =>
  [...new Set([...text.matchAll(/\]\(\.\.\/([^/)]+)\//g)].map(([, name]) => name))].map((name) => [
    join(dirname(folder), name),
    join('..', name),
  ]);

function documents() {
  const examples = existsSync(join(root, 'topology-examples'))
    ? readdirSync(join(root, 'topology-examples')).sort()
    : [];
  return [
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    ...readdirSync(join(root, 'docs'))
      .filter((name) => name.endsWith('.md'))
      .sort()
      .map((name) => join('docs', name)),
    ...examples
      .map((name) => join('topology-examples', name, 'README.md'))
      .filter((name) => existsSync(join(root, name))),
  ];
}

try {
  ensureBuilt();
  const asked = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
  for (const file of asked.length > 0 ? asked : documents()) {
    if (existsSync(join(root, file))) await checkMarkdown(file);
    else report(file, 'The file is missing.');
  }
  if (!process.argv.includes('--no-examples')) {
    // Loaded late: it needs the TypeScript API, which is there only once ensureBuilt has installed it.
    const { checkExamples } = await import('./docs/examples.mjs');
    await checkExamples(report);
  }
} catch (error) {
  report('the check itself', error.message);
}
console.log(`\n${shown} blocks are shown only (no-run)\n${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
