import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { jsonLines, useProjects } from '../support.js';

const FEED = '--input payments=payments.jsonl --input-key account --input-timestamp at';

describe('millrace run', () => {
  const project = useProjects();

  it('reads files, prints the results decoded, and ends when all is committed', async () => {
    const { code, stdout, stderr } = await project('esm-project').millrace(
      `run topology.ts ${FEED} --print totals --until-idle`,
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      jsonLines(stdout).map(({ topic, key, value, timestamp }) => ({ topic, key, value, timestamp })),
      [
        { topic: 'totals', key: 'alice', value: 10, timestamp: Date.UTC(2026, 0, 1) },
        { topic: 'totals', key: 'bob', value: 5, timestamp: Date.UTC(2026, 0, 1, 0, 0, 1) },
        { topic: 'totals', key: 'alice', value: 17, timestamp: Date.UTC(2026, 0, 1, 0, 0, 3) },
      ],
    );
    const log = jsonLines(stderr);
    assert.deepEqual(
      log.map(({ msg }) => msg),
      ['starting', 'sent 4 records to payments (0 duplicated, 0 displaced)', 'tasks assigned', 'running', 'stopped'],
    );
    assert.equal(log[3].app, 'payments');
    assert.equal(log[4].recordsIn, 4);
    assert.ok(log.every(({ level, time }) => level === 'info' && !Number.isNaN(Date.parse(time))));
  });

  it('goes on where it was when it is started again, and prints only what is new', async () => {
    const here = project('esm-project');
    await here.output(`run topology.ts ${FEED} --until-idle`);
    const args = 'run topology.ts --input payments=- --input-key account --print totals --until-idle';
    const printed = await here.lines(args, '{"account":"alice","amount":3}\n');
    assert.deepEqual(
      printed.map(({ key, value }) => [key, value]),
      [['alice', 20]],
    );
  });

  it('takes its options: application, directories, guarantee, partitions, batch, commit interval, cache', async () => {
    const here = project('esm-project');
    const options = `--app shop --broker embedded:log --state stores --guarantee at_least_once --partitions 3 --batch 1 --commit-every 10ms --cache 1MB`;
    const { code, stderr } = await here.millrace(`run topology.ts ${FEED} ${options} --until-idle`);
    assert.equal(code, 0, stderr);
    const running = jsonLines(stderr).find(({ msg }) => msg === 'running');
    assert.deepEqual([running.app, running.tasks, running.guarantee], ['shop', 3, 'at_least_once']);
    const stores = await here.lines('state list topology.ts --app shop --state stores --count --format json');
    assert.deepEqual(
      stores.map(({ task }) => task),
      ['payments-0', 'payments-1', 'payments-2'],
    );
    assert.equal(
      stores.reduce((sum, { rows }) => sum + rows, 0),
      2,
    );
  });

  it('with --from latest begins behind what is there, and reads the input that follows', async () => {
    const here = project('esm-project');
    await here.output('produce payments --key account', '{"account":"old","amount":100}\n');
    const args =
      'run topology.ts --from latest --input payments=new.jsonl --input-key account --print totals --until-idle';
    here.write('new.jsonl', '{"account":"new","amount":1}\n');
    assert.deepEqual(
      (await here.lines(args)).map(({ key }) => key),
      ['new'],
    );
  });

  it('exits with 1 at a record that fails, names the record, and commits nothing of it', async () => {
    const here = project('esm-project');
    await here.output('produce payments --key id', '{"id":"a","amount":1}\n');
    here.write('broken.cjs', BROKEN);
    for (let run = 0; run < 2; run++) {
      const { code, stdout, stderr } = await here.millrace('run broken.cjs --print totals --until-idle');
      assert.equal(code, 1);
      assert.equal(stdout, '');
      assert.match(stderr, /\nPROCESS_FAILED: .*no amount today at payments\[0\]@0/);
      assert.match(stderr, /\n {2}at .*broken\.cjs:\d+:\d+\n$/);
    }
  });

  it('--on-error decides what becomes of a record that fails', async () => {
    const here = project('esm-project');
    await here.output('produce payments --key id', '{"id":"a","amount":1}\n');
    here.write('broken.cjs', BROKEN);
    const args = 'run broken.cjs --on-error process=retry:2:1ms:deadLetter --print broken-dead-letter --until-idle';
    const printed = await here.lines(args);
    assert.deepEqual(
      printed.map(({ key, value }) => ({ key, value })),
      [{ key: 'a', value: { id: 'a', amount: 1 } }],
    );
  });

  it('does not start on a bad line of --input: INPUT_INVALID with its number, exit code 1', async () => {
    const here = project('esm-project');
    here.write('bad.jsonl', '{"account":"a","amount":1}\n{"account"\n');
    const { code, stderr } = await here.millrace('run topology.ts --input payments=bad.jsonl --until-idle');
    assert.equal(code, 1);
    assert.match(stderr, /(^|\n)INPUT_INVALID: cannot parse a line at bad\.jsonl:2: /);
    assert.doesNotMatch(stderr, /"running"/);
  });

  it('topics that do not fit together are TOPIC_MISMATCH, exit code 3', async () => {
    const here = project('esm-project');
    await here.output(`run topology.ts ${FEED} --until-idle`);
    here.write(
      'wider.cjs',
      `module.exports = require('millrace').topology('payments', (t) => {
      const { serdes, count } = require('millrace');
      t.stream('other', { key: serdes.string, value: serdes.json() }).pipe(count({ store: 'totals' }));
    });`,
    );
    const { code, stderr } = await here.millrace('run wider.cjs --partitions 2 --until-idle');
    assert.equal(code, 3, stderr);
    assert.match(stderr, /TOPIC_MISMATCH: .*payments-totals-changelog with 1 partitions/);
  });

  it('USAGE for a misspelt topic of --input, before any write; a warning at once for one of --print', async () => {
    const here = project('esm-project');
    const fed = await here.millrace('run topology.ts --input payment=payments.jsonl --until-idle');
    assert.match(
      fed.stderr,
      /^USAGE: cannot use --input: saw payment, expected a topic that payments reads: payments\. /,
    );
    assert.equal(fed.code, 2);
    assert.ok(!existsSync(here.path('.millrace')));
    const { code, stdout, stderr } = await here.millrace(`run topology.ts ${FEED} --print total --until-idle`);
    assert.equal(code, 0);
    assert.equal(stdout, '');
    const [warning] = jsonLines(stderr).filter(({ level }) => level === 'warn');
    assert.deepEqual(warning.msg, 'there is no topic total to print, and payments names none: did you mean totals?');
    const said = jsonLines(stderr).map(({ msg }) => msg);
    assert.ok(said.indexOf(warning.msg) < said.indexOf('running'));
  });

  it('exits with 3 where the state directory is a file (STATE_IO) or names no version (STATE_CORRUPT)', async () => {
    const here = project('esm-project');
    here.write('file', '');
    mkdirSync(here.path('state/payments'), { recursive: true });
    here.write('state/payments/generation.json', '{');
    for (const command of ['run topology.ts --until-idle', 'state list topology.ts']) {
      const file = await here.millrace(`${command} --state file`);
      assert.match(file.stderr, /(^|\n)STATE_IO: cannot read the version .*saw ENOTDIR.*, expected .*\. Check /);
      assert.equal(file.code, 3);
      const damaged = await here.millrace(`${command} --state state`);
      assert.match(damaged.stderr, /(^|\n)STATE_CORRUPT: cannot read the version .*generation\.json: saw .*\. Delete /);
      assert.equal(damaged.code, 3);
    }
  });

  it('exits with 3 (STATE_LOCKED) where an application on another broker has the state open', async () => {
    const here = project('esm-project');
    const running = here.start('run topology.ts');
    await running.until('"running"');
    const { code, stderr } = await here.millrace('run topology.ts --broker embedded:other');
    assert.match(stderr, /(^|\n)STATE_LOCKED: /);
    assert.equal(code, 3);
    running.child.kill('SIGTERM');
    assert.equal((await running.ended).code, 0);
  });
});

const BROKEN = `const { mapValues, serdes, to, topology } = require('millrace');
module.exports = topology('broken', (t) => {
  t.stream('payments', { key: serdes.string, value: serdes.json() }).pipe(
    mapValues(() => { throw new Error('no amount today'); }),
    to('totals', { key: serdes.string, value: serdes.json() }),
  );
});
`;
