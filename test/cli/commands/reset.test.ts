import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { agreed } from '#src/cli/terminal/ask.js';
import { useProjects } from '../support.js';
import { testIo } from '../test-io.js';

const FEED = 'run topology.ts --input payments=payments.jsonl --input-key account --input-timestamp at --until-idle';

describe('millrace reset', () => {
  const project = useProjects({ inShell: true });

  it('prints the plan, and no more with --dry-run; after --yes the next run writes nothing twice', async () => {
    const here = project('esm-project');
    await here.output(FEED);
    const before = await here.lines('consume totals --until-end');
    const plan = await here.output('reset topology.ts --to earliest --dry-run');
    assert.match(plan, /payments\[0\] {2}4 → 0 {2}4 records to process/);
    assert.match(plan, /stores: delete\n {2}of totals\n/);
    assert.match(plan, /outputs and calls: silent until the old positions are reached again, then live/);
    assert.equal(await here.output('reset topology.ts --to earliest --yes'), plan);
    await here.output('run topology.ts --until-idle');
    const [row] = await here.lines('state get topology.ts --store totals --key alice');
    assert.equal(row.value, 17);
    assert.deepEqual(await here.lines('consume totals --until-end'), before);
  });

  it('USAGE: there is no terminal to ask on, no such moment, or a partition that is not read', async () => {
    const here = project('esm-project');
    await here.output(FEED);
    for (const [args, message] of [
      ['reset topology.ts --to earliest', /cannot ask for confirmation.*--yes/s],
      ['reset topology.ts --to yesterday --yes', /cannot read --to: saw "yesterday"/],
      ['reset topology.ts --to offset:payments:7=0 --yes', /payments\[7\]/],
      ['reset topology.ts', /--to/],
    ] as const) {
      const { code, stderr } = await here.millrace(args);
      assert.equal(code, 2, args);
      assert.match(stderr, message);
    }
  });

  it('asks on a terminal, and takes nothing but a yes for one', async () => {
    for (const [answer, yes] of [
      ['y\n', true],
      ['YES\n', true],
      ['\n', false],
      ['no\n', false],
      ['', false],
    ] as const) {
      const stdin = Object.assign(new PassThrough(), { isTTY: true });
      stdin.end(answer);
      const io = testIo({ stdin });
      assert.equal(await agreed(io, 'Do it?'), yes, JSON.stringify(answer));
      assert.equal(io.errors(), 'Do it? [y/N] ');
    }
  });
});
