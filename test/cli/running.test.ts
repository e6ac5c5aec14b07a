import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { useProjects } from './support.js';

// The topology sums the amounts of payments by account, in the store "totals".
const payment = (account: string, amount: number): string => `${JSON.stringify({ account, amount })}\n`;

describe('an application that runs in one terminal', () => {
  const project = useProjects();

  it('is fed, looked at and stopped from another', async () => {
    const here = project('esm-project');
    const running = here.start('run topology.ts');
    await running.until('"msg":"running"');
    await here.output('produce payments --key account', payment('alice', 5) + payment('bob', 7));
    const consumed = await here.lines('consume totals --topology topology.ts --max 2');
    assert.deepEqual(
      consumed.map(({ key }) => key),
      ['alice', 'bob'],
    );
    const { stdout, stderr } = await here.millrace('state get topology.ts --store totals --key alice');
    assert.equal(JSON.parse(stdout).value, 5);
    assert.match(
      stderr,
      new RegExp(`read through the running process ${running.child.pid}: rows as of its last commits`),
    );
    assert.equal((await here.lines('state dump topology.ts')).length, 2);
    const [totals] = await here.lines('state list topology.ts --count --format json');
    assert.deepEqual([totals.rows, totals.sources], [2, { payments: 2 }]);
    const [progress] = await here.lines('progress topology.ts --format json');
    assert.deepEqual([progress.pid, progress.phase, progress.tasks], [running.child.pid, 'running', 1]);
    const stop = await here.millrace('stop topology.ts');
    assert.equal(stop.code, 0, stop.stderr);
    assert.equal((await running.ended).code, 0);
    // Without it, the stores are read from the disk.
    const after = await here.millrace('state get topology.ts --store totals --key bob');
    assert.equal(JSON.parse(after.stdout).value, 7);
    assert.equal(after.stderr, '');
  });

  it('serves its broker to a second application, which goes on when the first is killed', async () => {
    const here = project('esm-project');
    const first = here.start('run topology.ts');
    await first.until('"msg":"running"');
    const second = here.start('run topology.ts --app second');
    await second.until('"msg":"running"');
    await here.output('produce payments --key account', payment('alice', 5));
    first.child.kill('SIGKILL');
    await first.ended;
    await here.output('produce payments --key account', payment('alice', 6));
    const again = here.start('run topology.ts --until-idle');
    assert.equal((await again.ended).code, 0);
    for (const app of ['', ' --app second']) {
      const [row] = await here.lines(`state get topology.ts --store totals --key alice${app}`);
      assert.equal(row.value, 11);
    }
    second.child.kill('SIGTERM');
    assert.equal((await second.ended).code, 0);
  });

  it('STATE_LOCKED: is not waited for when it is stopped by a signal', async () => {
    const here = project('esm-project');
    const running = here.start('run topology.ts');
    await running.until('"msg":"running"');
    running.child.kill('SIGSTOP');
    const { code, stderr } = await here.millrace('state list topology.ts');
    running.child.kill('SIGCONT');
    assert.equal(code, 3);
    assert.match(
      stderr,
      /STATE_LOCKED: cannot look into a running process .* no answer on control-\d+-1\.sock for 5 s/,
    );
  });

  it('shares its tasks with a second process of it', async () => {
    const here = project('esm-project');
    const first = here.start('run topology.ts --partitions 2');
    await first.until('"msg":"running"');
    const second = here.start('run topology.ts --state other-state');
    await second.until('"msg":"running"');
    const [one] = await here.lines('progress topology.ts --format json');
    const [other] = await here.lines('progress topology.ts --state other-state --format json');
    assert.deepEqual([one.tasks, other.tasks], [1, 1]);
    await Promise.all([here.output('stop topology.ts'), here.output('stop topology.ts --state other-state')]);
    assert.deepEqual([(await first.ended).code, (await second.ended).code], [0, 0]);
  });
});

describe('an application that does not run', () => {
  const project = useProjects({ inShell: true });

  it('STATE_MISMATCH: has no progress and cannot be stopped, even where a killed one left its socket', async () => {
    const here = project('esm-project');
    await here.output('run topology.ts --input payments=payments.jsonl --input-key account --until-idle');
    writeFileSync(here.path('.millrace/state/payments/control-1-1.sock'), '');
    for (const command of ['progress', 'stop']) {
      const { code, stderr } = await here.millrace(`${command} topology.ts`);
      assert.equal(code, 3);
      assert.match(stderr, /STATE_MISMATCH.*no running process of the application/s);
    }
  });
});
