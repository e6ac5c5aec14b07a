import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { PassThrough, Writable } from 'node:stream';
import { main } from '#src/cli/main.js';
import { useProjects } from '../support.js';
import { testIo } from '../test-io.js';

const FEED = 'run topology.ts --input payments=payments.jsonl --input-key account --input-timestamp at --until-idle';

describe('millrace rebuild', () => {
  const project = useProjects();

  it('says how the stores differ, and no more with --dry-run; with --yes the new rows are in place', async () => {
    const here = project('esm-project');
    await here.output(FEED);
    const rows = await here.lines('state dump topology.ts --store totals');
    assert.equal(
      await here.output('rebuild topology.ts --store totals --dry-run'),
      `the new store totals, compared with the old one (rows)\n  payments-0  equal ${rows.length}, added 0, changed 0, removed 0\n`,
    );
    const file = readFileSync(here.path('topology.ts'), 'utf8');
    here.write('topology.ts', file.replace('total + record.value.amount', 'total + 2 * record.value.amount'));
    const { code, stdout, stderr } = await here.millrace('rebuild topology.ts --store totals --from sources --yes');
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`payments-0 {2}equal 0, added 0, changed ${rows.length}, removed 0`));
    assert.match(stderr, /done\n$/);
    const after = await here.lines('state dump topology.ts --store totals');
    assert.deepEqual(
      after.map(({ key, value }) => [key, value]),
      rows.map(({ key, value }) => [key, 2 * value]),
    );
    assert.ok(!existsSync(here.path('.millrace/state/rebuild/payments')));
  });

  it('ends with exit code 130 by SIGINT while it asks, with nothing changed', async () => {
    const here = project('esm-project');
    await here.output(FEED);
    const stderr = new Writable({
      write(chunk: Buffer, _encoding, done) {
        done();
        if (String(chunk).includes('[y/N]')) io.signal('SIGINT');
      },
    });
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    const io = testIo({ stdin, stderr, cwd: here.directory });
    assert.equal(await main(['rebuild', 'topology.ts', '--store', 'totals'], io), 130);
    assert.equal((await here.lines('state get topology.ts --store totals --key alice')).length, 1);
  });

  it('USAGE and STORE_UNKNOWN: there is no terminal to ask on, or no such store', async () => {
    const here = project('esm-project');
    await here.output('produce payments payments.jsonl --key account');
    for (const [args, message] of [
      ['rebuild topology.ts --store totals', /cannot ask for confirmation.*--yes/s],
      ['rebuild topology.ts --store nothing --yes', /no store "nothing"/],
      ['rebuild topology.ts --store totals --from nowhere --yes', /--from/],
    ] as const) {
      const { code, stderr } = await here.millrace(args);
      assert.equal(code, 2, args);
      assert.match(stderr, message);
    }
  });
});
