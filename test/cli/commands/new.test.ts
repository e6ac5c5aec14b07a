import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { main } from '#src/cli/main.js';
import { packageName } from '#src/cli/new/manifest.js';
import { TEMPLATES } from '#src/cli/new/templates.js';
import { writeProject } from '#src/cli/new/write-project.js';
import { isError } from '../../support/errors.js';
import { projectFile, temporaryDirectory } from '../../support/project.js';
import type { Result } from '../shell.js';
import { WorkingDirectory } from '../support.js';
import { testIo } from '../test-io.js';

const OWN = JSON.parse(readFileSync(projectFile('package.json'), 'utf8'));

/** Runs `millrace new` in a directory. */
async function make(cwd: string, ...args: readonly string[]): Promise<Result> {
  const io = testIo({ cwd });
  const code = await main(['new', ...args], io);
  return { code, stdout: io.output(), stderr: io.errors() };
}

/** A project of a template, with what it depends on. */
async function installed(template: string): Promise<WorkingDirectory> {
  const directory = join(temporaryDirectory(), 'app');
  const { code, stderr } = await make('/', directory, '--template', template);
  assert.equal(code, 0, stderr);
  const links = {
    millrace: '.',
    rxjs: 'node_modules/rxjs',
    tsx: 'node_modules/tsx',
    typescript: 'node_modules/@typescript/native',
    '@types/node': 'node_modules/@types/node',
  };
  const { dependencies, devDependencies } = manifestOf(directory);
  assert.deepEqual(Object.keys(links).sort(), Object.keys({ ...dependencies, ...devDependencies }).sort());
  for (const [name, target] of Object.entries(links)) {
    const link = join(directory, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(projectFile(target), link, 'junction');
  }
  return new WorkingDirectory(directory);
}

const manifestOf = (directory: string) => JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));

/** Runs a program of Node to its end, and expects that to be a good one. */
function node(cwd: string, ...args: readonly string[]): string {
  const env = { ...process.env, TSX_TSCONFIG_PATH: undefined, NODE_TEST_CONTEXT: undefined };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8', env });
  assert.equal(status, 0, stdout + stderr);
  return stdout;
}

describe('millrace new', () => {
  /** The last value of each key that `npm start` prints, by topic; of dead letters all reasons. */
  const PRINTED: Readonly<Record<string, unknown>> = {
    count: { 'visits-by-page': { '/': 3, '/docs': 2, '/about': 1 } },
    events: {
      orders: {
        'o-1': { status: 'shipped', cents: 1200, version: 3 },
        'o-2': { status: 'placed', cents: 500, version: 1 },
        'o-3': { status: 'placed', cents: 800, version: 1 },
      },
      'orders-dead-letter': { 'o-1': 'PROCESS_FAILED', 'o-2': 'VERSION_GAP' },
    },
    avro: {
      balances: { ada: { payments: 3, cents: { EUR: 1500, SEK: 9900 } }, bob: { payments: 1, cents: { EUR: 500 } } },
    },
  };

  for (const { name } of TEMPLATES) {
    it(`makes a project of ${name} that has no type errors and passes its own test`, async () => {
      const { directory } = await installed(name);

      // As its npm test does, which needs npm.
      assert.equal(manifestOf(directory).scripts.test, 'tsc && node --import tsx --test topology.test.ts');
      node(directory, 'node_modules/typescript/bin/tsc');
      const tested = node(directory, '--import', 'tsx', '--test', '--test-reporter', 'tap', 'topology.test.ts');

      assert.match(tested, /^# fail 0$/m);
      assert.match(tested, /^# pass [1-9]/m);
    });

    it(`makes a project of ${name} whose start runs over its sample data, and ends`, async () => {
      const project = await installed(name);
      const [program, ...args] = manifestOf(project.directory).scripts.start.split(' ');
      assert.equal(program, 'millrace');

      const lines = await project.lines(args.join(' '));

      const printed: Record<string, Record<string, unknown>> = {};
      for (const { topic, key, value, headers } of lines) {
        const reason = Object.fromEntries(headers)['millrace.error.code'];
        printed[topic] = { ...printed[topic], [key]: reason ?? value };
      }
      assert.deepEqual(printed, PRINTED[name]);
    });
  }

  it('makes a project of avro whose types and registry are those of its schemas', async () => {
    const project = await installed('avro');

    assert.equal(
      await project.output('schema check schemas'),
      '✓ balances-value: unchanged\n✓ payments-value: unchanged\n',
    );
    await project.output('schema generate schemas --out generated --check');
  });

  it('has a folder of files for each template of the help, and no others', async () => {
    const folders = readdirSync(projectFile('templates'), { withFileTypes: true }).filter((each) => each.isDirectory());
    assert.deepEqual(folders.map(({ name }) => name).sort(), TEMPLATES.map(({ name }) => name).sort());

    const { stdout } = await make('/', '--help');
    // On a terminal of 80 columns a line goes on below itself.
    for (const { name, summary } of TEMPLATES)
      assert.match(stdout, new RegExp(`\\n {2}${name} +${summary.replaceAll(' ', '\\s+')}\\n`));
  });

  it('depends on exactly the versions that this millrace is tested with', async () => {
    const directory = join(temporaryDirectory(), 'app');
    await make('/', directory);

    const { engines, dependencies, devDependencies } = manifestOf(directory);
    assert.deepEqual(engines, OWN.engines);
    assert.deepEqual(dependencies, { millrace: OWN.version, rxjs: OWN.devDependencies.rxjs });
    assert.equal(devDependencies.tsx, OWN.dependencies.tsx);
    assert.equal(`npm:typescript@${devDependencies.typescript}`, OWN.devDependencies['@typescript/native']);
    for (const version of Object.values({ ...dependencies, ...devDependencies }))
      assert.match(String(version), /^\d+\.\d+\.\d+$/);
  });

  it('says what to type next, in the directory of the project', async () => {
    const cwd = temporaryDirectory();

    const { stdout, stderr } = await make(cwd, 'here/my app');

    assert.match(stdout, /^made here\/my app from the template count, as the package my-app; /);
    assert.match(stdout, /\n\n {2}cd 'here\/my app'\n {2}npm install\n {2}npm test\n {2}npm start\n$/);
    assert.equal(stderr, '');
    assert.match(readFileSync(join(cwd, 'here/my app/README.md'), 'utf8'), /^# my-app\n/);
    assert.match(readFileSync(join(cwd, 'here/my app/.gitignore'), 'utf8'), /^node_modules\/\n\.millrace\/\n/);
  });

  it('makes the project in the working directory if that has nothing but a repository of git', async () => {
    const cwd = temporaryDirectory();
    mkdirSync(join(cwd, '.git'));
    const before = statSync(cwd).ino;

    const { stdout } = await make(cwd, '.');

    assert.match(stdout, /^made this directory from .*\n\n {2}npm install\n/);
    assert.equal(statSync(cwd).ino, before, 'a shell in it is still there');
    assert.deepEqual(
      readdirSync(cwd).filter((name) => name.startsWith('.')),
      ['.git', '.gitignore'],
    );
    assert.equal(manifestOf(cwd).name, packageName(cwd));
  });

  it('lets others read the project as the umask says', async () => {
    const cwd = temporaryDirectory();
    mkdirSync(join(cwd, 'as-usual'));

    await make(cwd, 'app');

    assert.equal(statSync(join(cwd, 'app')).mode, statSync(join(cwd, 'as-usual')).mode);
  });
});

describe('a place where millrace new can make no project', () => {
  const bad: readonly [what: string, args: readonly string[], error: RegExp][] = [
    [
      'a directory with files',
      ['full'],
      /^USAGE: .* at .*full: saw a directory with "a", "b", "c" and 1 more, expected/,
    ],
    ['a file', ['full/a'], /^USAGE: cannot make a project at .*a: saw a file, expected a new or an empty directory\./],
    ['below a file', ['full/a/b'], /^USAGE: cannot make a project at .*: saw ENOTDIR.*Choose another one; nothing/],
    ['a link that leads nowhere', ['lost'], /^USAGE: cannot make .*saw a symbolic link that leads nowhere, expected/],
    ['no name', [''], /^USAGE: cannot make a project: saw an empty name, expected the name of a directory\./],
    ['too long a name', ['n'.repeat(300)], /^USAGE: cannot make a project at n?.*saw ENAMETOOLONG/],
    [
      'any, with a misspelt template',
      ['app', '--template', 'event'],
      /^USAGE: there is no such template: saw "event", expected one of count, events, avro\. Did you mean events\?/,
    ],
    ['any, with an unknown template', ['app', '--template', 'x'], /"x", expected .*\. See millrace new --help\./],
  ];

  for (const [what, args, error] of bad) {
    it(`(${what}) is refused with exit code 2, and nothing is written`, async () => {
      const cwd = temporaryDirectory();
      mkdirSync(join(cwd, 'full'));
      for (const name of 'abcd') writeFileSync(join(cwd, 'full', name), name);
      symlinkSync('nowhere', join(cwd, 'lost'));
      const before = readdirSync(cwd, { recursive: true }).sort();

      const { code, stdout, stderr } = await make(cwd, ...args);

      assert.match(stderr, error);
      assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
      assert.equal(stdout, '');
      assert.equal(code, 2);
      assert.deepEqual(readdirSync(cwd, { recursive: true }).sort(), before);
    });
  }

  // A file in the place of a directory fails whoever runs the test: root may write to what is read-only.
  const failing = new Map([
    ['a', ''],
    ['a/b', ''],
  ]);

  it('has no half of a project after a failure, nor the directories that were made above it', async () => {
    const cwd = temporaryDirectory();

    await assert.rejects(writeProject(join(cwd, 'x/y/app'), failing), isError('USAGE', /nothing was left/));
    const unmade = join(cwd, 'x', 'n'.repeat(300), 'app');
    await assert.rejects(writeProject(unmade, new Map()), isError('USAGE', /ENAMETOOLONG/));

    assert.deepEqual(readdirSync(cwd), []);
  });

  it('has no half of a project after a failure in a directory that was there', async () => {
    const cwd = temporaryDirectory();
    mkdirSync(join(cwd, '.git'));
    // It cannot take the place of the repository.
    const colliding = new Map(['.git', 'a', 'z'].map((name) => [name, '']));

    await assert.rejects(writeProject(cwd, failing), isError('USAGE'));
    await assert.rejects(writeProject(cwd, colliding), isError('USAGE'));

    assert.deepEqual(readdirSync(cwd), ['.git']);
    assert.ok(statSync(join(cwd, '.git')).isDirectory());
  });
});

describe('the package name of a project', () => {
  for (const [directory, name] of [
    ['my-app', 'my-app'],
    ['My App', 'my-app'],
    ['Zähler 2', 'zahler-2'],
    ['.hidden_', 'hidden'],
    ['日本', 'app'],
    ['', 'app'],
    ['millrace', 'millrace-app'],
    ['http', 'http-app'],
    ['node_modules', 'node_modules-app'],
    ['a/b/c.d', 'c.d'],
    ['x'.repeat(300), 'x'.repeat(200)],
  ] as const)
    it(`made in ${directory.slice(0, 30) || 'the root'} is ${name.slice(0, 30)}`, () => {
      assert.equal(packageName(`/${directory}`), name);
    });
});
