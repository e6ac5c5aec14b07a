import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '#src/model/random.js';
import { useProjects } from '../cli/support.js';

const SEED = 5;
const KILLS = 3;
/** After the plan is printed; all steps together take about as long on a fast disk. */
const LATEST_KILL_MS = 30;

// Promise: kill -9 at any moment of a promotion or a rollback leaves one of both versions live and whole, and the command run again finishes it.
describe('a promotion that is killed with kill -9', () => {
  const project = useProjects();

  it('is finished when it is run again, forth and back, and every payment is counted and written once', async () => {
    const here = project('esm-project');
    const file = readFileSync(here.path('topology.ts'), 'utf8');
    here.write('new.ts', file.replace('=> 0', '=> 0 /* the same, of another version */'));
    await here.output('run topology.ts --input payments=payments.jsonl --input-key account --until-idle');
    await here.output('run new.ts --shadow --fresh --until-idle');
    const random = seededRandom(SEED);
    const pay = () => here.output('produce payments --key account', '{"account":"carol","amount":1}\n');
    let paid = 0;
    for (const [command, live, next] of [
      ['promote', 'topology.ts', 'new.ts'],
      ['rollback', 'new.ts', 'topology.ts'],
    ] as const) {
      await pay();
      await here.output(`run ${live} --until-idle`);
      for (let kill = 0; kill < KILLS && !(await finished(command, next)); kill++) {
        const running = here.start(`${command}|${next}|--yes`);
        await running.until('of the application');
        await sleep(Math.floor(random() * LATEST_KILL_MS));
        running.child.kill('SIGKILL');
        await running.ended;
      }
      if (!(await finished(command, next))) await here.output(`${command} ${next} --yes`);
      await pay();
      await here.output(`run ${next} --until-idle`);
      paid += 2;
      const [row] = await here.lines(`state get ${next} --store totals --key carol`);
      assert.equal(row.value, paid);
    }
    const totals = (await here.lines('consume totals --until-end'))
      .filter(({ key }) => key === 'carol' || key.base64 === Buffer.from('carol').toString('base64'))
      .map(({ value }) => Number(Buffer.from(value.base64, 'base64').readBigInt64BE()));
    assert.deepEqual(
      totals,
      Array.from({ length: paid }, (_, i) => i + 1),
    );

    /** Whether there is nothing left for the command to do: another dry run finds nobody whom it could put in place. */
    async function finished(command: string, next: string): Promise<boolean> {
      const { code, stderr } = await here.millrace(`${command} ${next} --dry-run`);
      return code !== 0 && /SHADOW_MISSING/.test(stderr);
    }
  });
});
