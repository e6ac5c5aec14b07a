import assert from 'node:assert/strict';
import { cpSync, readFileSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { projectFile } from '../../support/project.js';
import { useProjects } from '../support.js';

describe('loading a topology file', () => {
  const project = useProjects();

  for (const type of ['commonjs', 'module'] as const) {
    const files = ['topology.ts', 'topology.mts', 'topology.cts', 'topology.mjs', 'topology.cjs', 'wrapped.cjs'];
    if (type === 'commonjs') files.push('topology.js');
    for (const file of files) {
      it(`${file} of a package of type ${type} runs`, async () => {
        const { lines } = bound(project('cjs-project', { type }));
        const input = '{"key":"a","n":1}\n';
        const printed = await lines(`run ${file} --input in=- --input-key key --print out --until-idle`, input);
        assert.deepEqual(
          printed.map(({ key, value }) => ({ key, value })),
          [{ key: 'a', value: { n: 2 } }],
        );
      });
    }
  }

  it('uses the paths of the nearest tsconfig.json, whatever the working directory is', async () => {
    const { directory, write, output } = bound(project('esm-project', { typescript: 'native' }));
    const aliased = readFileSync(projectFile('test/fixtures/esm-project/topology.ts'), 'utf8');
    write('aliased.ts', aliased.replace('./domain/payment.js', '@fixture/payment.js'));
    assert.match(await output('describe aliased.ts'), /^topology payments\n/);
    assert.match(await project('bad').output(`describe ${directory}/aliased.ts`), /^topology payments\n/);
  });

  it('takes a topology of another copy of millrace', async () => {
    const here = project('bad');
    const copy = here.path('node_modules/millrace');
    unlinkSync(copy);
    cpSync(projectFile('dist'), join(copy, 'dist'), { recursive: true });
    cpSync(projectFile('package.json'), join(copy, 'package.json'));
    symlinkSync(projectFile('node_modules'), join(copy, 'node_modules'));
    cpSync(projectFile('test/fixtures/cjs-project/topology.mts'), here.path('topology.mts'));
    const printed = await here.lines('run topology.mts --input in=- --print out --until-idle', '{"n":1}\n');
    assert.deepEqual(
      printed.map(({ value }) => value),
      [{ n: 2 }],
    );
    const invalid = await here.millrace('validate invalid-graph.ts');
    assert.equal(invalid.code, 1);
    assert.match(invalid.stderr, /TOPOLOGY_INVALID: topology two mistakes has 2 problems\n- to out: /);
  });

  it('ends although the file leaves a timer behind', async () => {
    const { write, output } = bound(project('cjs-project', { type: 'commonjs' }));
    write('timer.cjs', `setInterval(() => {}, 1000);\nmodule.exports = require('./topology.cjs');`);
    assert.match(await output('describe timer.cjs'), /^topology from-cjs/);
  });
});

describe('a topology file that cannot be used', () => {
  const project = useProjects({ inShell: true });

  const cases: readonly [file: string, code: string, message: RegExp][] = [
    ['missing.ts', 'TOPOLOGY_NOT_FOUND', /missing\.ts: saw no such file/],
    ['bad-line.jsonl', 'TOPOLOGY_NOT_FOUND', /saw the extension "\.jsonl"/],
    ['.', 'TOPOLOGY_NOT_FOUND', /saw a directory/],
    ['no-default.ts', 'TOPOLOGY_NOT_FOUND', /no-default\.ts: saw the exports answer/],
    ['named-only.ts', 'TOPOLOGY_NOT_FOUND', /exported as "payments".*export \{ payments as default \}/],
    ['not-a-topology.ts', 'TOPOLOGY_NOT_FOUND', /the default export is not a topology .*saw an object of Object/],
    ['throws.ts', 'TOPOLOGY_NOT_FOUND', /throws\.ts:6:9: saw Error: DATABASE_URL is not set/],
    ['syntax-error.ts', 'TOPOLOGY_NOT_FOUND', /syntax error .*syntax-error\.ts:2:\d+: ERROR/],
    ['blueprint-throws.ts', 'TOPOLOGY_INVALID', /the topology function threw[\s\S]*blueprint-throws\.ts:10:\d+/],
    ['type-error.ts', 'TOPOLOGY_INVALID', /type-error\.ts:5:36: TS2551: .*'amuont'/],
    ['invalid-graph.ts', 'TOPOLOGY_INVALID', /two nodes have this name[\s\S]*the name is not legal/],
  ];

  for (const [file, code, message] of cases) {
    it(`${file} is ${code} for run, describe and validate: exit code 1, no stack`, async () => {
      const { millrace, start, write } = bound(project('bad', { typescript: 'native' }));
      write('syntax-error.ts', `import { topology } from 'millrace';\nexport default topology('x' (t) => {});\n`);
      const results = [start(`run ${file}`).ended, millrace(`describe ${file}`), millrace(`validate ${file}`)];
      for (const result of await Promise.all(results)) {
        assert.equal(result.code, 1, result.stderr);
        assert.equal(result.stdout, '');
        assert.ok(result.stderr.startsWith(`${code}: `), result.stderr);
        assert.match(result.stderr, message);
        assert.doesNotMatch(result.stderr, /\n\s+at .*node:internal/);
      }
    });
  }

  it('gets all faults at once from validate: type errors, and that the topology function threw', async () => {
    const { millrace, write } = bound(project('bad', { typescript: 'native' }));
    write(
      'both.ts',
      `import { topology } from 'millrace';\nexport default topology('both', (t) => {\n  t.strea('in');\n});\n`,
    );
    const { code, stderr } = await millrace('validate both.ts');
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^TOPOLOGY_INVALID: topology both has 2 problems\n- .*both\.ts:3:5: TS2551.*\n- topology both: the topology function threw/s,
    );
  });

  it('shows the stack of what was thrown with --verbose', async () => {
    const { millrace } = bound(project('bad'));
    const { stderr } = await millrace('describe throws.ts --verbose');
    assert.match(stderr, /at settings \(.*throws\.ts:6:9\)/);
  });

  it('finds type errors with older TypeScript, too', async () => {
    const { millrace } = bound(project('bad', { typescript: 'old' }));
    const { code, stderr } = await millrace('validate type-error.ts');
    assert.equal(code, 1);
    assert.match(stderr, /type-error\.ts:5:36: TS2551/);
  });

  it('runs in spite of a type error with --no-check, and where TypeScript is not installed', async () => {
    const { millrace } = bound(project('bad', { typescript: 'native' }));
    assert.equal((await millrace('describe type-error.ts --no-check')).code, 0);
    const production = project('bad');
    const { code, stderr } = await production.millrace('validate type-error.ts');
    assert.equal(code, 0);
    assert.match(stderr, /types were not checked: TypeScript is not installed in the project/);
  });
});

/** The methods of a project as functions. */
function bound(project: ReturnType<ReturnType<typeof useProjects>>) {
  const { directory } = project;
  return {
    directory,
    millrace: project.millrace.bind(project),
    start: project.start.bind(project),
    output: project.output.bind(project),
    lines: project.lines.bind(project),
    write: project.write.bind(project),
  };
}
