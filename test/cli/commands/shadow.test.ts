import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { shadowText } from '#src/cli/run/shadow-text.js';
import { mapValues, serdes, to, topology } from '#src/index.js';
import { openedFor } from '#src/runtime/send.js';
import { avro, MemoryRegistry } from '#src/serdes/avro/index.js';
import { useProjects } from '../support.js';

const FEED = 'run topology.ts --input payments=payments.jsonl --input-key account --input-timestamp at --until-idle';
const SHADOW = 'run topology.ts --shadow --fresh --until-idle';

describe('millrace run --shadow', () => {
  const project = useProjects({ inShell: true });

  it('compares its outputs with the live ones: exit code 0 if they are equal, 1 with the keys that differ', async () => {
    const here = project('esm-project');
    await here.output(FEED);
    const live = await here.output('consume totals --until-end');
    const count = live.trim().split('\n').length;
    assert.equal(
      await here.output(SHADOW),
      `outputs of payments-shadow, compared with the live ones\n  payments-dead-letter  equal: 0 records live, 0 in the shadow\n  totals  equal: ${count} records live, ${count} in the shadow\n`,
    );
    const file = readFileSync(here.path('topology.ts'), 'utf8');
    here.write('changed.ts', file.replace('total + record.value.amount', 'total + 2 * record.value.amount'));
    const { code, stdout } = await here.millrace(SHADOW.replace('topology.ts', 'changed.ts'));
    assert.equal(code, 1);
    assert.match(stdout, /totals {2}different/);
    assert.match(stdout, /key "alice"\n {6}live {4}2, the last 17\n {6}shadow {2}2, the last 34\n/);
    assert.equal(await here.output('consume totals --until-end'), live);
    assert.equal((await here.lines('consume payments-shadow-totals --until-end')).length, count);
  });

  it('shows values of Avro as they are, whichever schema wrote them', async () => {
    const schemaRegistry = new MemoryRegistry();
    const total = avro({ type: 'record', name: 'Total', fields: [{ name: 'cents', type: 'int' }] });
    const target = topology('shop', (t) => {
      t.stream('in', { key: serdes.string, value: serdes.string }).pipe(
        mapValues(() => ({ cents: 1 })),
        to('totals', { key: serdes.string, value: total }),
      );
    });
    const services = { schemaRegistry: async () => schemaRegistry, registerSchemas: true };
    const { value } = await openedFor('totals', 'both', { key: serdes.string, value: total }, services);
    const side = { records: 1, last: value.encode({ cents: 5 }) };
    const text = await shadowText(
      [
        {
          topic: 'totals',
          shadowTopic: 'shop-shadow-totals',
          records: { live: 1, shadow: 1 },
          equal: false,
          differences: [{ partition: 0, key: Buffer.from('a'), live: side, shadow: { records: 1, last: null } }],
          incomplete: false,
        },
      ],
      { topology: target, applicationId: 'shop-shadow', services: { ...services, registerSchemas: false } },
    );
    assert.match(text, /key "a"\n {6}live {4}1, the last \{"cents":5\}\n {6}shadow {2}1, the last null\n/);
  });

  it('USAGE: options that a shadow has no use for', async () => {
    const here = project('esm-project');
    for (const [args, message] of [
      ['run topology.ts --fresh', /--fresh without --shadow/],
      [
        'run topology.ts --shadow --input payments=payments.jsonl --print totals --from latest',
        /--shadow with --input and --print and --from latest/,
      ],
    ] as const) {
      const { code, stderr } = await here.millrace(args);
      assert.equal(code, 2, args);
      assert.match(stderr, message);
    }
  });
});
