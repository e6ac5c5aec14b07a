import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { useProjects } from './support.js';

describe('the configuration of a project', () => {
  const project = useProjects({ inShell: true });
  const settings = async (here: ReturnType<typeof project>, args: string) =>
    Object.fromEntries(
      (await here.lines(`config ${args} --format json`)).map(({ option, value, source }) => [option, [value, source]]),
    );

  it('counts after the environment, and that after the command line', async () => {
    const here = project('esm-project');
    here.write('millrace.config.json', JSON.stringify({ cache: '64MB', batch: 7, guarantee: 'at_least_once' }));
    const found = await settings(here, 'topology.ts --batch 9');
    assert.deepEqual(found['--cache'], [64 * 1024 * 1024, 'configuration']);
    assert.deepEqual(found['--batch'], [9, 'command line']);
    assert.deepEqual(found['--guarantee'], ['at_least_once', 'configuration']);
    assert.deepEqual(found['--from'], ['earliest', 'default']);
  });

  it('is found above the file; its paths, and the default ones, are relative to it', async () => {
    const here = project('esm-project');
    mkdirSync(here.path('deep'));
    here.write('deep/topology.mjs', "export { default } from '../topology.ts';");
    here.write(
      'millrace.config.mjs',
      "import { defineConfig } from 'millrace'; export default defineConfig({ state: 'kept' });",
    );
    const found = await settings(here, 'deep/topology.mjs');
    assert.deepEqual(found['--state'], [here.path('kept'), 'configuration']);
    assert.deepEqual(found['--broker'], [`embedded:${here.path('.millrace/broker')}`, 'default']);
  });

  it('names applications: they are found by their names, with settings of their own', async () => {
    const here = project('esm-project');
    here.write(
      'millrace.config.json',
      JSON.stringify({
        onError: { process: 'skip' },
        applications: [{ name: 'sums', file: 'topology.ts', onError: { deserialize: 'deadLetter' } }],
      }),
    );
    const found = await settings(here, 'sums');
    assert.deepEqual(found['--app'], ['sums', 'configuration']);
    assert.deepEqual(found['--on-error'], [{ deserialize: 'deadLetter' }, 'configuration']);
    await here.output('run sums --until-idle --input payments=payments.jsonl --input-key account');
    assert.ok((await here.lines('state dump sums')).length > 0);
  });

  it('takes policies with any backoff, and names what is wrong with one', async () => {
    const here = project('esm-project');
    const backoff = { kind: 'exponential', from: '100ms', max: '30s', jitter: 0.2 };
    const process = { retry: 5, backoff, then: 'deadLetter' };
    const configured = (onError: unknown) => here.write('millrace.config.json', JSON.stringify({ onError }));
    configured({ process, produce: { retry: 1, backoff: '1s', then: 'skip' } });
    const found = await settings(here, 'topology.ts');
    const produce = { retry: 1, backoff: '1s', then: 'skip' };
    assert.deepEqual(found['--on-error'], [{ process, produce }, 'configuration']);
    configured({ process: { ...process, backoff: { ...backoff, jitter: 2 } } });
    const { stderr } = await here.millrace('run topology.ts --until-idle');
    assert.match(stderr, /onError of .*millrace.config.json.*jitter: saw 2, expected a number from 0 to 1/);
  });

  it('names an application like its topic: the topic of produce and consume stays a topic', async () => {
    const here = project('esm-project');
    here.write('millrace.config.json', JSON.stringify({ applications: [{ name: 'payments', file: 'topology.ts' }] }));
    await here.output('produce payments payments.jsonl --key account');
    await here.output('run payments --until-idle');
    assert.ok((await here.lines('consume payments --until-end')).length > 0);
    const [total] = await here.lines('consume totals --topology payments --max 1');
    assert.equal(typeof total.value, 'number');
  });

  it('TOPOLOGY_NOT_FOUND for a misspelt application, with the nearest name', async () => {
    const here = project('esm-project');
    here.write('millrace.config.json', JSON.stringify({ applications: [{ name: 'payments', file: 'topology.ts' }] }));
    for (const command of ['run', 'describe', 'config']) {
      const { code, stderr } = await here.millrace(`${command} paymets`);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^TOPOLOGY_NOT_FOUND: .*no application "paymets" in .*config\.json.* Did you mean payments\?\n$/,
      );
    }
  });

  for (const [what, config, message] of [
    ['a field that there is not', '{"brokr":"x"}', /there is no field brokr: did you mean broker\?/],
    ['a field with two letters swapped', '{"cahce":"1MB"}', /there is no field cahce: did you mean cache\?/],
    [
      'two applications of one name',
      '{"applications":[{"name":"a","file":"x"},{"name":"a","file":"y"}]}',
      /two applications are called "a"/,
    ],
    ['an application without a file', '{"applications":[{"name":"a"}]}', /applications\[0\]\.file is undefined/],
    ['what is no JSON', '{', /CONFIG_INVALID.*millrace\.config\.json/s],
  ] as const) {
    it(`CONFIG_INVALID for ${what}`, async () => {
      const here = project('esm-project');
      here.write('millrace.config.json', config);
      const { code, stderr } = await here.millrace('describe topology.ts');
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
    });
  }

  it('USAGE for a wrong value, which names the field', async () => {
    const here = project('esm-project');
    here.write('millrace.config.json', '{"cache":"much"}');
    const { code, stderr } = await here.millrace('config topology.ts');
    assert.equal(code, 2);
    assert.match(stderr, /cannot read cache of .*millrace\.config\.json: .*saw "much"/);
  });
});

describe('a variable of the environment', () => {
  const project = useProjects();

  it('sets an option, and is named if its value is wrong', async () => {
    const here = project('esm-project');
    const running = here.start('config topology.ts --format json', { MILLRACE_ON_ERROR: 'process=skip,produce=fail' });
    const { stdout } = await running.ended;
    const found = stdout.split('\n').find((line) => line.includes('--on-error'));
    assert.deepEqual(JSON.parse(found ?? ''), {
      option: '--on-error',
      value: { process: 'skip', produce: 'fail' },
      source: 'environment',
      where: 'MILLRACE_ON_ERROR',
    });
    const wrong = await here.start('config topology.ts', { MILLRACE_CACHE: '12X' }).ended;
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /cannot read MILLRACE_CACHE: .*saw "12X"/);
  });

  it('is warned of if it is misspelt, and goes on', async () => {
    const here = project('esm-project');
    const { code, stderr } = await here.start('config topology.ts', { MILLRACE_CAHCE: '1MB', MILLRACE_HOME: '/' })
      .ended;
    assert.equal(code, 0);
    assert.equal(stderr, 'warning: MILLRACE_CAHCE has no effect: did you mean MILLRACE_CACHE?\n');
  });
});

describe('an export of a file', () => {
  const project = useProjects({ inShell: true });
  const FILE = `
    import { filterValues, serdes, to, topology } from 'millrace';
    const json = { key: serdes.string, value: serdes.json() };
    const declare = (t, limit) => void t.stream('in', json).pipe(filterValues((n) => n < limit), to('out', json));
    export const open = topology('open', (t, { limit }) => declare(t, limit), { dependencies: async () => ({ limit: 3 }) });
    export const promised = Promise.resolve(open.with({ limit: 4 }));
    export const factory = async () => open.with({ limit: 5 });
    export const bare = topology('bare', (t, { limit }) => declare(t, limit));
    export const throws = () => { throw new Error('no database'); };`;

  it('is a topology, a promise, a factory, or one that provides its dependencies', async () => {
    const here = project('esm-project');
    here.write('several.mjs', FILE);
    for (const name of ['open', 'promised', 'factory'])
      assert.match(await here.output(`describe several.mjs#${name}`), /^topology open/);
  });

  it('TOPOLOGY_NOT_FOUND says what is missing: the export, the dependencies, or what threw', async () => {
    const here = project('esm-project');
    here.write('several.mjs', FILE);
    for (const [name, message] of [
      ['#none', /no export "none".*saw the exports bare, factory, open, promised, throws/s],
      ['#bare', /the topology bare needs dependencies/],
      ['#throws', /threw at .*several\.mjs:\d+.*Error: no database/s],
      ['', /no default export/],
    ] as const) {
      const { code, stderr } = await here.millrace(`describe several.mjs${name}`);
      assert.equal(code, 1, stderr);
      assert.match(stderr, message);
    }
  });
});
