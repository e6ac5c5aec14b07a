// Promise: commands that look back know the error policies of the application, and name --on-error where they end.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type Project, useProjects } from '../support.js';

const FEED = 'produce payments payments.jsonl --key account --timestamp at';
const line = (payment: object): string => `${JSON.stringify({ ...payment, at: '2026-01-01T00:00:04Z' })}\n`;

const LOOKS = [
  'history topology.ts --store totals --key alice',
  'verify topology.ts',
  'state get topology.ts --store totals --key alice --as-of latest',
  'state list topology.ts --as-of latest',
  'state dump topology.ts --as-of latest',
  'state diff topology.ts --as-of 2026-01-01T00:00:00Z',
  'trace topology.ts --key alice',
  'bisect|topology.ts|--store|totals|--when|value > 16',
  'replay topology.ts',
];

describe('commands that look back', () => {
  const project = useProjects({ inShell: true });

  /** Payments, of which one cannot be processed. */
  async function fed(): Promise<Project> {
    const here = project('esm-project');
    const text = readFileSync(here.path('topology.ts'), 'utf8');
    here.write('topology.ts', text.replace('=> payment.amount', '=> payment.amount.valueOf()'));
    await here.output(FEED);
    await here.output(FEED.replace('payments.jsonl', ''), line({ account: 'alice' }));
    return here;
  }

  it('leave out what the application has left out, with no option given', async () => {
    const here = await fed();
    await here.output('run topology.ts --until-idle --on-error process=deadLetter');
    for (const look of LOOKS) await here.output(look);
    const compared = await here.output('bisect topology.ts --compare topology.ts');
    assert.equal(compared, '');
    await here.output('rebuild topology.ts --store totals --from sources --dry-run');
    const [row] = await here.lines('state get topology.ts --store totals --key alice');
    assert.deepEqual(await here.lines('state get topology.ts --store totals --key alice --as-of latest'), [row]);
  });

  it('end at the record where the application ends, and name --on-error with the step', async () => {
    const here = await fed();
    const ran = await here.millrace('run topology.ts --until-idle');
    assert.match(ran.stderr, /PROCESS_FAILED/);
    assert.doesNotMatch(ran.stderr, /--on-error/);
    for (const look of LOOKS) {
      const { code, stderr } = await here.millrace(look);
      if (look.startsWith('bisect')) continue;
      assert.notEqual(code, 0, look);
      assert.match(stderr, /PROCESS_FAILED: [\s\S]*--on-error process=skip/, look);
    }
    for (const look of [
      'bisect|topology.ts|--store|totals|--when|value > 99',
      'bisect topology.ts --compare topology.ts',
    ])
      assert.match((await here.millrace(look)).stderr, /--on-error process=skip/, look);
    for (const look of LOOKS) {
      const more = look.includes('|') ? '|--on-error|process=skip' : ' --on-error process=skip';
      await here.output(look + more);
    }
  });

  it('take the command line first, then the configuration, and then what the application has kept', async () => {
    const here = await fed();
    await here.output('run topology.ts --until-idle --on-error process=skip');
    const look = 'state dump topology.ts --as-of latest';
    here.write('millrace.config.json', JSON.stringify({ onError: { process: 'fail' } }));
    assert.match((await here.millrace(look)).stderr, /--on-error process=skip/);
    await here.output(`${look} --on-error process=skip`);
    here.write('millrace.config.json', JSON.stringify({ onError: { produce: 'skip' } }));
    await here.output(look);
  });

  it('let only the command line overrule what an operator says itself', async () => {
    const look = 'state dump topology.ts --as-of latest';
    const withPolicy = async (own: string, configured: string): Promise<Project> => {
      const here = await fed();
      const text = readFileSync(here.path('topology.ts'), 'utf8');
      here.write('topology.ts', text.replace('>= MIN_AMOUNT)', `>= MIN_AMOUNT, { onError: '${own}' })`));
      here.write('millrace.config.json', JSON.stringify({ onError: { process: configured } }));
      return here;
    };
    const lenient = await withPolicy('skip', 'fail');
    await lenient.output('run topology.ts --until-idle');
    await lenient.output(look);
    assert.match((await lenient.millrace(`${look} --on-error process=fail`)).stderr, /PROCESS_FAILED/);
    const strict = await withPolicy('fail', 'skip');
    assert.match((await strict.millrace(look)).stderr, /PROCESS_FAILED: [\s\S]*--on-error process=skip/);
    await strict.output(`${look} --on-error process=skip`);
  });

  it('write the kept policies into the test that bisect exports', async () => {
    const here = await fed();
    await here.output(
      'produce payments --key account --timestamp at',
      '{"account":"alice","amount":100,"at":1767225700000}\n',
    );
    await here.output('run topology.ts --until-idle --on-error process=skip');
    await here.output('bisect|topology.ts|--store|totals|--when|value > 100|--export-test|large.test.ts');
    assert.match(readFileSync(here.path('large.test.ts'), 'utf8'), /onError: \{ 'process': 'skip' \}/);
  });
});
