import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { useProjects } from '../support.js';

const FEED = 'run topology.ts --input payments=payments.jsonl --input-key account --input-timestamp at --until-idle';
const SHADOW = 'run new.ts --shadow --fresh --until-idle';

describe('millrace promote and rollback', () => {
  const project = useProjects({ inShell: true });

  /** An application, and a new version of it that doubles all amounts. */
  function withNewVersion() {
    const here = project('esm-project');
    const file = readFileSync(here.path('topology.ts'), 'utf8');
    here.write('new.ts', file.replace('total + record.value.amount', 'total + 2 * record.value.amount'));
    return here;
  }

  it('prints the plan, and no more with --dry-run; without it the shadow takes over, and goes back', async () => {
    const here = withNewVersion();
    await here.output(FEED);
    assert.equal((await here.millrace(SHADOW)).code, 1);
    const before = await here.lines('consume totals --until-end');
    const plan = await here.output('promote new.ts --dry-run');
    assert.equal(
      plan,
      `promotion of the application payments (topology payments)

positions: live version → where the other version continues
  payments[0]  4 → 4  level

stores and internal topics: from now on payments-shadow-1-…
  kept for a rollback: payments-…

outputs and calls: live
`,
    );
    const { stdout, stderr, code } = await here.millrace('promote new.ts --yes');
    assert.deepEqual([code, stdout], [0, plan]);
    assert.match(stderr, /kept in .*promotions.payments.*\nstart it: millrace run new\.ts\n/);
    const pay = '{"account":"alice","amount":1,"at":"2026-01-05T00:00:00Z"}\n';
    await here.output('produce payments --key account', pay);
    await here.output('run new.ts --until-idle');
    const value = async (file: string) =>
      (await here.lines(`state get ${file} --store totals --key alice`))[0].value as number;
    assert.equal(await value('new.ts'), 36);
    assert.match(await here.output('rollback topology.ts --yes'), /payments\[0\] {2}5 → 4 {2}1 offsets to catch up\n/);
    await here.output('produce payments --key account', pay);
    await here.output('run topology.ts --until-idle');
    assert.equal(await value('topology.ts'), 19);
    const after = (await here.lines('consume totals --until-end')).slice(before.length);
    assert.deepEqual(
      after.map((record) => Buffer.from(record.value.base64, 'base64').readBigInt64BE()),
      [36n, 19n],
    );
  });

  it('says what is wrong: no shadow, no version to go back to, no terminal to ask on, an unknown option', async () => {
    const here = withNewVersion();
    await here.output(FEED);
    for (const [args, exit, message] of [
      ['promote new.ts --yes', 1, /SHADOW_MISSING.*no shadow that could take over.*--shadow --fresh/s],
      ['rollback topology.ts --yes', 1, /SHADOW_MISSING.*no version to go back to/s],
      ['promote new.ts --effects sometimes', 2, /live, silent, capture/],
      ['promote nowhere.ts', 1, /TOPOLOGY_NOT_FOUND/],
    ] as const) {
      const { code, stderr } = await here.millrace(args);
      assert.match(stderr, message);
      assert.equal(code, exit, args);
    }
    await here.millrace(SHADOW);
    const { code, stderr } = await here.millrace('promote new.ts');
    assert.deepEqual([code, /cannot ask for confirmation.*--yes/s.test(stderr)], [2, true]);
    await here.output('produce payments --key account', '{"account":"bob","amount":1}\n');
    await here.millrace('run new.ts --shadow --until-idle');
    const ahead = await here.millrace('promote new.ts --yes');
    assert.match(ahead.stderr, /SHADOW_AHEAD.*payments\[0\]: 5, live 4/s);
  });
});
