import assert from 'node:assert/strict';
import { helpText } from '#src/cli/terminal/help-text.js';
import { useProjects } from './support.js';

const COMMANDS =
  'new run describe validate produce consume progress stop config state replay history trace bisect verify reset rebuild promote rollback completion schema dlq log';
const BELOW = [
  'state list',
  'state get',
  'state dump',
  'state diff',
  'schema check',
  'schema generate',
  'schema register',
  'dlq list',
  'dlq show',
  'dlq redrive',
  'dlq discard',
];

describe('the help of a command', () => {
  const project = useProjects({ inShell: true });

  it('fits a terminal of 80 columns', async () => {
    const here = project('esm-project');
    for (const command of ['', ...COMMANDS.split(' '), ...BELOW]) {
      const text = await here.output(`${command} --help`);
      assert.ok(text.length > 100, command);
      const wide = text.split('\n').filter((line) => [...line].length > 80);
      assert.deepEqual(wide, [], `millrace ${command} --help`);
    }
  });

  it('is that of the command that was written wrongly', async () => {
    const here = project('esm-project');
    for (const [line, named] of [
      ['run topology.ts --nope', 'millrace run --help'],
      ['state get topology.ts', 'millrace state get --help'],
      ['schema check --nope', 'millrace schema check --help'],
      ['dlq discard topology.ts', 'millrace dlq discard --help'],
      ['nope', 'millrace --help'],
    ] as const) {
      const { code, stderr } = await here.millrace(line);
      assert.equal(code, 2);
      assert.ok(stderr.includes(`See ${named}.`), stderr);
    }
  });

  it('keeps lines that are laid out, and continues those that are too long below their text', () => {
    const long = 'word '.repeat(20).trim();
    assert.equal(helpText('  a    b\n\n  $ run'), '  a    b\n\n  $ run');
    assert.equal(helpText(`  12   ${long}`), `  12   ${'word '.repeat(14).trim()}\n       ${'word '.repeat(6).trim()}`);
    assert.equal(
      helpText(`  $ millrace run ${'x'.repeat(50)} --first 1 --second 2`),
      `  $ millrace run ${'x'.repeat(50)} --first 1 \\\n      --second 2`,
    );
  });
});
