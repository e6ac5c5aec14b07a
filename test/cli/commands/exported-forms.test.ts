// Promise: a test that bisect exports imports what the command line has loaded, type-checks, and reproduces the event.
import assert from 'node:assert/strict';
import { readFileSync, symlinkSync } from 'node:fs';
import { checkTypes } from '#src/cli/load/type-check.js';
import { projectFile } from '../../support/project.js';
import { type Project, type ProjectOptions, runTest, useProjects } from '../support.js';

/** A topology `totals`, with what an account begins with. */
const TOTALS = `(t: TopologyBuilder, first = 0) => {
  t.stream('payments', { key: serdes.string, value: serdes.json<{ readonly amount: number }>() }).pipe(
    aggregate({ store: 'totals', value: serdes.json<number>(), initial: () => first, add: (n, { value }) => n + value.amount }),
  );
}`;
const MADE = `topology('totals', (t) => declare(t))`;
const OPEN = `topology('totals', (t, { first }: { readonly first: number }) => declare(t, first), { dependencies: async () => ({ first: 0 }) })`;

const FORMS: readonly (readonly [form: string, code: string, name: string, expected: RegExp])[] = [
  ['a default export', `export default ${MADE};`, '', /create\(topology, /],
  [
    'another export',
    `export const shop = ${MADE};`,
    '#shop',
    /import \{ shop as topology \} from[\s\S]*create\(topology, /,
  ],
  [
    'an export called topology',
    `const topology_ = ${MADE}; export { topology_ as topology };`,
    '#topology',
    /import \{ topology \} from/,
  ],
  [
    'an export with a name that is no identifier',
    `const made = ${MADE}; export { made as 'my shop' };`,
    '#my shop',
    /import \{ 'my shop' as topology \}/,
  ],
  ['a promise', `export default Promise.resolve(${MADE});`, '', /create\(await topology, /],
  ['a function', `export default () => ${MADE};`, '', /create\(await topology\(\), /],
  [
    'a function that returns a promise',
    `export const made = async () => ${MADE};`,
    '#made',
    /create\(await topology\(\), /,
  ],
  [
    'a promise of a function',
    `export const made = Promise.resolve(() => ${MADE});`,
    '#made',
    /create\(await \(await topology\)\(\), /,
  ],
  [
    'dependencies',
    `export default ${OPEN};`,
    '',
    /const open = topology;[\s\S]*create\(open\.with\(await open\.dependencies/,
  ],
  [
    'a function that returns one with dependencies',
    `export const made = () => ${OPEN};`,
    '#made',
    /const open = await topology\(\);/,
  ],
];

describe('a test that bisect exports', () => {
  const project = useProjects({ inShell: true });

  async function fed(options: ProjectOptions = {}): Promise<Project> {
    const here = project('esm-project', { typescript: 'native', ...options });
    symlinkSync(projectFile('node_modules/@types'), here.path('node_modules/@types'));
    const tsconfig = readFileSync(here.path('tsconfig.json'), 'utf8');
    here.write('tsconfig.json', tsconfig.replace('"types": []', '"types": ["node", "mocha"]'));
    await here.output('produce payments payments.jsonl --key account --timestamp at');
    return here;
  }

  /** Exports a test, which fails with the bug that was looked for. Returns its text. */
  async function exported(here: Project, topology: string, test: string): Promise<string> {
    await here.output(`bisect|${topology}|--store|totals|--when|value > 15|--export-test|${test}`);
    const text = readFileSync(here.path(test), 'utf8');
    const { problems, skipped } = await checkTypes(here.path(test), new AbortController().signal);
    if (test.endsWith('ts')) assert.deepEqual([problems, skipped], [[], undefined], text);
    const { stdout } = runTest(here.path(test));
    assert.match(stdout, /1 failing[\s\S]*'alice' is 17/, text);
    return text;
  }

  const module = (code: string): string =>
    `import { aggregate, serdes, topology, type TopologyBuilder } from 'millrace';\nconst declare = ${TOTALS};\n${code}\n`;

  for (const [form, code, name, expected] of FORMS)
    it(`of ${form} imports it and makes the topology of it`, async () => {
      const here = await fed();
      here.write('forms.ts', module(code));
      assert.match(await exported(here, `forms.ts${name}`, 'found.test.ts'), expected);
      assert.match(await exported(here, `forms.ts${name}`, 'found.test.mjs'), expected);
    });

  for (const [form, file, code, name] of [
    ['module.exports', 'forms.cjs', `module.exports = ${MADE};`, ''],
    ['exports.default', 'forms.cjs', `exports.default = ${MADE};`, ''],
    ['a hidden name', 'forms.cjs', `module.exports = { ...{ shop: ${MADE} } };`, '#shop'],
    ['a name', 'forms.cjs', `exports.shop = () => ${MADE};`, '#shop'],
    ['a default export', 'forms.cts', `export default ${MADE};`, ''],
    ['a name', 'forms.cts', `export const shop = ${MADE};`, '#shop'],
    ['dependencies', 'forms.cts', `export default ${OPEN};`, ''],
  ] as const)
    for (const type of ['module', 'commonjs'] as const)
      it(`of ${form} of CommonJS in ${file} does, in a package of type ${type}`, async () => {
        const here = await fed({ type });
        const untyped = TOTALS.replaceAll(/: TopologyBuilder|<[^(]*>(?=\()/g, '');
        const required = `const { aggregate, serdes, topology } = require('millrace');\nconst declare = ${untyped};\n${code}\n`;
        here.write(file, file.endsWith('.cts') ? module(code) : required);
        // Types of a file of JavaScript are not known to the test.
        const test = file.endsWith('.cts') ? 'found.test.ts' : 'found.test.mjs';
        await exported(here, `${file}${name}`, test);
      });
});
