// Promise: bisect warns of fields that its expression names and that no row has, and finds what it finds without that.
import assert from 'node:assert/strict';
import { type Project, type Result, useProjects } from '../support.js';

const TOPOLOGY = `const { aggregate, serdes, topology } = require('millrace');
const payments = (t) => t.stream('payments', { key: serdes.string, value: serdes.json() });
module.exports = topology('totals', (t) => {
  payments(t).pipe(
    aggregate({
      store: 'totals',
      value: serdes.json(),
      initial: () => ({ total: 0, card: { number: '' }, note: null }),
      add: (row, { value }) => ({ ...row, total: row.total + value.amount, card: { number: value.id } }),
    }),
  );
  payments(t).pipe(aggregate({ store: 'plain', value: serdes.int64, initial: () => 0, add: (n, { value }) => n + value.amount }));
});`;

/** What it said, without the progress that it shows on a slow machine. */
const said = ({ stderr }: Result): string => stderr.replace(/^replaying: .*\n/gm, '');

describe('millrace bisect', () => {
  const project = useProjects({ inShell: true });

  async function fed(): Promise<Project> {
    const here = project('esm-project');
    here.write('totals.cjs', TOPOLOGY);
    await here.output('produce payments payments.jsonl --key account --timestamp at');
    return here;
  }

  it('warns once of each field that no row has, with the name that may be meant', async () => {
    const here = await fed();
    const none = (when: string) => `it never holds: ${when}\n`;
    for (const [store, when, stderr] of [
      [
        'totals',
        'value.totl > 3',
        `warning: no row of store totals has a field totl: did you mean total? (4 rows were looked at)\n${none('value.totl > 3')}`,
      ],
      [
        'totals',
        'value.card.numbr === "x" && before.totl',
        `warning: no row of store totals has a field card.numbr: did you mean card.number? (4 rows were looked at)
warning: no row of store totals has a field totl: did you mean total? (4 rows were looked at)\n${none('value.card.numbr === "x" && before.totl')}`,
      ],
      [
        'plain',
        'value.total > 3',
        `warning: no row of store plain has a field total (4 rows were looked at)\n${none('value.total > 3')}`,
      ],
      [
        'totals',
        'key.account === "alice"',
        `warning: no key of store totals has a field account (4 rows were looked at)\n${none('key.account === "alice"')}`,
      ],
      // Fields that are there, also where they are null, and methods of values.
      ['totals', 'value.note === 1', none('value.note === 1')],
      ['totals', 'value.note?.text === 1', none('value.note?.text === 1')],
      ['totals', 'value.card.number.length > 9 && key.length', none('value.card.number.length > 9 && key.length')],
      ['plain', 'value.toFixed(1) === ""', none('value.toFixed(1) === ""')],
    ] as const) {
      const found = await here.millrace(`bisect|totals.cjs|--store|${store}|--when|${when}`);
      assert.deepEqual([found.code, found.stdout, said(found)], [1, '', stderr]);
    }
  });

  it('warns where it finds an event, and where the expression throws because of such a field', async () => {
    const here = await fed();
    const found = await here.millrace('bisect|totals.cjs|--store|totals|--when|value.totl !== 10');
    assert.equal(found.code, 0);
    assert.match(found.stdout, /payments\[0\]@0/);
    const warning = 'warning: no row of store totals has a field totl: did you mean total? (1 row was looked at)\n';
    assert.equal(said(found), warning);
    const threw = await here.millrace('bisect|totals.cjs|--store|totals|--when|value.totl.x > 10');
    assert.ok(said(threw).startsWith(warning), threw.stderr);
    assert.match(threw.stderr, /PREDICATE_FAILED/);
    const right = await here.millrace('bisect|totals.cjs|--store|totals|--when|value.total > 10 && before.total');
    assert.deepEqual([right.code, said(right)], [0, '']);
  });
});
