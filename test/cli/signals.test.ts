import assert from 'node:assert/strict';
import { useProjects } from './support.js';

// The topology says "working on <key>" for each record, and never ends with the key "stuck".
describe('a signal to millrace run', () => {
  const project = useProjects();

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`${signal} finishes what is in hand, commits and ends with exit code 0`, async () => {
      const here = project('esm-project');
      await here.output('produce tasks --key id', '{"id":"a"}\n{"id":"b"}\n');
      // Without the signal nothing would be committed for an hour.
      const running = here.start('run slow.ts --commit-every 1h --print results');
      await running.until('working on b');
      running.child.kill(signal);
      const { code, stdout, stderr } = await running.ended;
      assert.equal(code, 0, stderr);
      assert.match(stderr, /stopping; signal again to end at once/);
      assert.equal(stdout.trimEnd().split('\n').length, 2);
      const [done] = await here.lines('state list slow.ts --count --format json');
      assert.deepEqual([done.rows, done.sources], [2, { tasks: 2 }]);
      const again = await here.millrace('run slow.ts --until-idle');
      assert.match(again.stderr, /"recordsIn":0/);
    });
  }

  for (const [signal, exitCode] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    it(`the second ${signal} ends at once with exit code ${exitCode}, although a record is not done`, async () => {
      const here = project('esm-project');
      await here.output('produce tasks --key id', '{"id":"a"}\n{"id":"stuck"}\n');
      const running = here.start('run slow.ts --print results');
      await running.until('working on stuck');
      running.child.kill(signal);
      await running.until('stopping; signal again to end at once');
      running.child.kill(signal);
      const { code, stdout } = await running.ended;
      assert.equal(code, exitCode);
      assert.equal(stdout, '');
      const stores = await here.lines('state list slow.ts --count --format json');
      assert.deepEqual(
        stores.map(({ rows }) => rows),
        [0],
      );
    });
  }

  it('before --until-idle is reached commits, and says by exit code 143 that the work is not done', async () => {
    const here = project('esm-project');
    const running = here.start('run slow.ts --until-idle --input tasks=- --input-key id');
    running.child.stdin?.write('{"id":"a"}\n');
    await running.until('working on a');
    running.child.kill('SIGTERM');
    const { code, stderr } = await running.ended;
    assert.equal(code, 143, stderr);
    const [done] = await here.lines('state list slow.ts --count --format json');
    assert.equal(done.rows, 1);
  });

  for (const [what, source] of [
    ['the start of a processor', "await new Promise(() => setInterval(say, 100, 'hanging'));"],
    ['the file itself', ''],
  ] as const) {
    it(`ends the command within --stop-timeout, although ${what} does not end`, async () => {
      const here = project('esm-project');
      here.write(
        'hangs.mjs',
        `import { process as processor, serdes, topology } from 'millrace';
        const say = (text) => process.stderr.write(text + '\\n');
        ${source === '' ? "await new Promise(() => setInterval(say, 100, 'hanging'));" : ''}
        export default topology('hangs', (t) => {
          t.stream('tasks', { key: serdes.string, value: serdes.string }).pipe(
            processor({ name: 'work', async start() { ${source} }, process() {} }),
          );
        });`,
      );
      for (const [signal, options, code] of [
        ['SIGTERM', '', 0],
        ['SIGINT', ' --until-idle', 130],
      ] as const) {
        const running = here.start(`run hangs.mjs --stop-timeout 1s${options}`);
        await running.until('hanging');
        running.child.kill(signal);
        const ended = await running.ended;
        assert.equal(ended.code, code, ended.stderr);
        assert.match(ended.stderr, /stopping; signal again to end at once/);
      }
    });
  }

  // The log has one line for each attempt of millrace.
  it('ends the wait for brokers that are away; kafkajs logs its own attempts only with --verbose', async () => {
    const here = project('esm-project');
    for (const verbose of ['', ' --verbose']) {
      const running = here.start(`run slow.ts --broker kafka://127.0.0.1:1${verbose}`);
      await running.until('trying again in 0.5 s: cannot connect at 127.0.0.1:1');
      running.child.kill('SIGTERM');
      const { stderr } = await running.ended;
      assert.equal(/kafkajs/.test(stderr), verbose !== '', stderr);
    }
  });
});
