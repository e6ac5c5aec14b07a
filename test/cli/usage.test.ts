import assert from 'node:assert/strict';
import { main } from '#src/cli/main.js';
import { EXIT_CODES } from '#src/cli/terminal/exit-codes.js';
import { type Result, useProjects } from './support.js';
import { testIo } from './test-io.js';

describe('a wrong command line', () => {
  const project = useProjects();

  const cases: readonly [args: string, error: RegExp][] = [
    ['frob', /^USAGE: unknown command 'frob'. See millrace --help\.$/],
    ['run', /^USAGE: missing required argument 'file'. See millrace run --help\.$/],
    ['run topology.ts --prin x', /^USAGE: unknown option '--prin'. Did you mean --print\? See millrace run --help\.$/],
    ['run topology.ts --batch 0', /^USAGE: cannot read --batch: saw "0", expected a whole number of at least 1\./],
    ['run topology.ts --cache 64', /^USAGE: cannot read --cache: saw "64", expected a number and a unit/],
    [
      'run topology.ts --commit-every 5',
      /^USAGE: cannot read --commit-every: saw "5", expected whole milliseconds as a number and a unit/,
    ],
    ['run topology.ts --on-error parse=skip', /^USAGE: cannot read --on-error: saw "parse=skip", expected STEP=POLICY/],
    ['run topology.ts --on-error process=ignore', /^USAGE: cannot read the policy of --on-error: saw "ignore"/],
    ['run topology.ts --input payments', /^USAGE: cannot read --input: saw "payments", expected TOPIC=FILE\.jsonl/],
    ['run topology.ts --input payments=missing.jsonl', /^USAGE: cannot read the input missing\.jsonl: saw ENOENT/],
    [
      'run topology.ts --broker rabbit:local',
      /^BROKER_UNKNOWN_SCHEME: .*saw "rabbit:local", expected embedded:DIRECTORY/,
    ],
    ['consume payments --broker somewhere', /^BROKER_UNKNOWN_SCHEME: .*saw "somewhere", expected embedded:DIRECTORY/],
    ['consume payments --from yesterday', /^USAGE: cannot read --from: saw "yesterday"/],
    ['produce payments missing.jsonl', /^USAGE: cannot read the input missing\.jsonl: saw ENOENT/],
    ['produce payments --duplicate 5', /^USAGE: cannot read --duplicate: saw "5", expected a share/],
    ['describe topology.ts --format pdf', /^USAGE: .*'pdf' is invalid. Allowed choices are text, json, mermaid\./],
    ['state get topology.ts --key a', /^USAGE: required option '--store <name>' not specified/],
    ['dlq list', /^USAGE: cannot tell which application: saw neither a file nor --app, expected one of them/],
    ['dlq list topology.ts --since yesterday', /^USAGE: cannot read --since: saw "yesterday"/],
    ['dlq list topology.ts --status closed', /^USAGE: .*'closed' is invalid. Allowed choices are open, discarded/],
    ['dlq list topology.ts --limit 0', /^USAGE: cannot read --limit: saw "0"/],
    ['dlq show topology.ts', /^USAGE: cannot tell which letter to show: saw no id, expected PARTITION@OFFSET/],
    ['dlq discard topology.ts --all', /^USAGE: required option '--reason <text>' not specified/],
    [
      'dlq discard topology.ts --reason x',
      /^USAGE: cannot tell which letters to discard: saw neither ids nor a filter/,
    ],
    ['dlq discard topology.ts 0@1 --all --reason x', /^USAGE: cannot tell which letters.*: saw ids and --all/],
    ['dlq discard topology.ts --all --reason x', /^USAGE: cannot ask for confirmation: .*expected --yes/],
  ];

  for (const [args, error] of cases) {
    it(`millrace ${args}: one error on standard error, exit code 2`, async () => {
      const io = testIo();
      const code = await main(args.split(' '), io);
      check({ code, stdout: io.output(), stderr: io.errors() }, error);
    });
  }

  // Found only when the file is loaded; also one of the above as users see it, from outside.
  const loaded: typeof cases = [
    ['run topology.ts --frob', /^USAGE: unknown option '--frob'. Did you mean --from\? See millrace run --help\.$/],
    ['run topology.ts --broker rabbit:local', /^BROKER_UNKNOWN_SCHEME: /],
    ['run topology.ts --app a/b', /^CONFIG_INVALID: cannot use the option applicationId: saw "a\/b"/],
    [
      'state get topology.ts --store nope --key a',
      /^STORE_UNKNOWN: there is no store "nope" at topology payments: saw totals\./,
    ],
  ];
  for (const [args, error] of loaded) {
    it(`millrace ${args}, as a program: one error, exit code 2`, async () => {
      check(await project('esm-project').millrace(args), error);
    });
  }

  function check({ code, stdout, stderr }: Result, error: RegExp): void {
    assert.equal(stdout, '');
    assert.match(stderr.trimEnd(), error);
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
    assert.equal(code, 2);
  }

  it('shows help, with exit code 2, if no command is given', async () => {
    const { code, stdout, stderr } = await project('esm-project').millrace('');
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /^Usage: millrace/);
  });
});

describe('help', () => {
  const project = useProjects();

  for (const command of [
    'new',
    'run',
    'describe',
    'validate',
    'produce',
    'consume',
    'state list',
    'state get',
    'state dump',
    'reset',
    'rebuild',
    'state diff',
    'dlq list',
    'dlq show',
    'dlq redrive',
    'dlq discard',
    'log',
    'replay',
    'history',
    'trace',
    'bisect',
    'verify',
  ]) {
    it(`of ${command} has an example and the exit codes`, async () => {
      const io = testIo();
      assert.equal(await main([...command.split(' '), '--help'], io), 0);
      const help = io.output();
      assert.match(
        help,
        new RegExp(`Examples?:\\n {2}\\$ .*millrace ${command}|Examples?:\\n {2}\\$ millrace ${command}`),
      );
      // On a terminal of 80 columns a line goes on below itself.
      const text = help.replace(/\s+/g, ' ');
      for (const [code, meaning] of Object.entries(EXIT_CODES)) assert.ok(text.includes(` ${code} ${meaning} `), code);
      for (const line of help.split('\n')) assert.ok(line.length <= 80, line);
    });
  }

  it('--version is that of the package', async () => {
    assert.match(await project('esm-project').output('--version'), /^\d+\.\d+\.\d+\n$/);
  });
});
