import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { useProjects } from '../support.js';

const FEED = 'run topology.ts --input payments=payments.jsonl --input-key account --input-timestamp at --until-idle';

describe('millrace state', () => {
  const project = useProjects({ inShell: true });

  it('list shows each store of each task with its serdes and up to where it is', async () => {
    const here = project('esm-project');
    await here.output(FEED);
    const [totals, ...others] = await here.lines('state list topology.ts --count --format json');
    assert.deepEqual(others, []);
    assert.deepEqual(totals, {
      store: 'totals',
      kind: 'keyValue',
      key: 'string',
      value: 'int64',
      ttlMs: null,
      task: 'payments-0',
      partition: 0,
      rows: 2,
      sources: { payments: 4 },
      changelog: totals.changelog,
    });
    assert.ok(totals.changelog >= 2);
    const [uncounted] = await here.lines('state list topology.ts --format json');
    assert.equal(uncounted.rows, null);
    const table = await here.output('state list topology.ts');
    assert.match(table, /│ store +│ kind +│ key +│ value +│ task +│ sources +│ changelog │/);
    assert.match(table, /│ totals +│ keyValue +│ string +│ int64 +│ payments-0 +│ payments@4 +│ \d+ +│/);
  });

  it('get prints one row; exit code 1 if there is none', async () => {
    const here = project('esm-project');
    await here.output(FEED);
    const row = { store: 'totals', partition: 0, key: 'alice', value: 17, timestamp: Date.UTC(2026, 0, 1, 0, 0, 3) };
    assert.deepEqual(await here.lines('state get topology.ts --store totals --key alice'), [row]);
    const { code, stdout, stderr } = await here.millrace('state get topology.ts --store totals --key zoe');
    assert.deepEqual([code, stdout, stderr], [1, '', 'no row with the key zoe in the store totals\n']);
  });

  it('dump prints all rows in the order of their keys', async () => {
    const here = project('esm-project');
    await here.output(FEED);
    const rows = [
      { store: 'totals', partition: 0, key: 'alice', value: 17 },
      { store: 'totals', partition: 0, key: 'bob', value: 5 },
    ];
    assert.deepEqual(await here.lines('state dump topology.ts'), rows);
    assert.deepEqual(await here.lines('state dump topology.ts --store totals --partition 0'), rows);
  });

  it('takes keys of other serdes as JSON, and says what is wrong with one', async () => {
    const here = project('esm-project');
    here.write(
      'by-number.cjs',
      `const { count, groupBy, serdes, topology } = require('millrace');
      module.exports = topology('by-number', (t) => {
        t.stream('payments', { key: serdes.string, value: serdes.json() }).pipe(
          groupBy((record) => record.value.amount, { key: serdes.int64, value: serdes.json(), name: 'by-amount' }),
          count({ store: 'counts', key: serdes.int64 }),
        );
      });`,
    );
    await here.output('run by-number.cjs --input payments=payments.jsonl --until-idle');
    const [row] = await here.lines('state get by-number.cjs --store counts --key 7');
    assert.deepEqual([row.key, row.value], [7, 1]);
    const { code, stderr } = await here.millrace('state get by-number.cjs --store counts --key seven');
    assert.equal(code, 2);
    assert.match(stderr, /^USAGE: cannot read --key for the store counts: saw "seven"/);
  });

  it('shows a global table as a whole: all partitions, up to where each was read', async () => {
    const here = project('esm-project');
    here.write(
      'global.cjs',
      `const { joinGlobalTable, serdes, to, topology } = require('millrace');
      module.exports = topology('global', (t) => {
        const json = { key: serdes.string, value: serdes.json() };
        const names = t.globalTable('names', { ...json, store: 'all-names' });
        t.stream('payments', json).pipe(
          joinGlobalTable(names, { key: (record) => record.key, join: (payment, { name }) => name }),
          to('out', json),
        );
      });`,
    );
    here.write('names.jsonl', '{"account":"alice","name":"Alice"}\n{"account":"bob","name":"Bob"}\n');
    const printed = await here.lines(
      'run global.cjs --input names=names.jsonl --input payments=payments.jsonl --input-key account --until-idle --print out',
    );
    assert.deepEqual(
      printed.map(({ value }) => value),
      ['Alice', 'Bob', 'Alice', 'Alice'],
    );
    const [names, ...others] = await here.lines('state list global.cjs --count --format json');
    assert.deepEqual(others, []);
    assert.deepEqual(names, {
      store: 'all-names',
      kind: 'keyValue',
      key: 'string',
      value: 'json',
      ttlMs: null,
      task: 'global',
      partition: null,
      rows: 2,
      sources: { 'names[0]': 2 },
      changelog: null,
    });
    const [row] = await here.lines('state get global.cjs --store all-names --key bob');
    assert.deepEqual([row.partition, row.value], [null, { account: 'bob', name: 'Bob' }]);
    assert.equal((await here.lines('state dump global.cjs')).length, 2);
    assert.equal((await here.millrace('state dump global.cjs --partition 0')).stdout, '');
  });

  it('looks without changing anything, and creates nothing where there is no state', async () => {
    const here = project('esm-project');
    await here.output(FEED);
    const identity = here.path('.millrace/state/payments/payments-0/identity.json');
    const before = readFileSync(identity, 'utf8');
    here.write(
      'more.cjs',
      `const { count, serdes, topology } = require('millrace');
      module.exports = topology('payments', (t) => {
        t.stream('payments', { key: serdes.string, value: serdes.json() }).pipe(count({ store: 'new' }));
      });`,
    );
    const [found] = await here.lines('state list more.cjs --count --format json');
    assert.deepEqual([found.store, found.rows], ['new', 0]);
    assert.equal(readFileSync(identity, 'utf8'), before);

    const { code, stderr } = await here.millrace('state list topology.ts --app nobody');
    assert.equal(code, 3);
    assert.match(stderr, /^STATE_MISMATCH: there is no state of the application at .*nobody/);
    assert.deepEqual(readdirSync(here.path('.millrace/state')), ['payments']);
  });

  it('get lists the windows of a key, those between two times, or one of them', async () => {
    const here = project('esm-project');
    here.write(
      'windows.cjs',
      `const { count, serdes, session, topology, tumbling } = require('millrace');
      module.exports = topology('windows', (t) => {
        const payments = t.stream('payments', { key: serdes.string, value: serdes.json() });
        payments.pipe(count({ store: 'seconds', window: tumbling('2s', { retention: '1d' }) }));
        payments.pipe(count({ store: 'visits', window: session('1m', { retention: '1d' }) }));
      });`,
    );
    await here.output(FEED.replace('topology.ts', 'windows.cjs'));
    const start = Date.UTC(2026, 0, 1);
    const get = (options: string) => here.lines(`state get windows.cjs ${options}`);
    const all = await get('--store seconds --key alice');
    assert.deepEqual(
      all.map(({ key, value }) => [key.key, key.start - start, key.end - start, value]),
      [
        ['alice', 0, 2_000, 1],
        ['alice', 2_000, 4_000, 2],
      ],
    );
    const second = '--from 2026-01-01T00:00:01Z --to 2026-01-01T02:00:02+02:00';
    assert.deepEqual(await get(`--store seconds --key alice ${second}`), all.slice(1));
    const one = { key: 'alice', start: start + 2_000, end: start + 4_000 };
    assert.deepEqual(await get(`--store seconds --key ${JSON.stringify(one)}`), all.slice(1));
    const before1970 = ['--from 1969-12-31T00:00:00Z', '--from=-68400000', '--from=-1'];
    for (const from of before1970) assert.deepEqual(await get(`--store seconds --key alice ${from}`), all, from);
    assert.equal((await here.millrace('state get windows.cjs --store seconds --key alice --to=-1')).code, 1);
    const listed = await here.lines('state list windows.cjs --count --format json');
    assert.deepEqual(
      listed.map(({ store, kind, key, rows }) => [store, kind, key, rows]),
      [
        ['seconds', 'window', 'windowed(string)', 3],
        ['visits', 'session', 'windowed(string)', 2],
      ],
    );
  });

  it('get refuses times that cannot be read, and times for a store without windows', async () => {
    const here = project('esm-project');
    await here.output(FEED);
    const get = 'state get topology.ts --store totals --key alice';
    const wrong = await here.millrace(`${get} --from yesterday`);
    assert.match(wrong.stderr, /^USAGE: cannot read --from: saw "yesterday", expected a time such as/);
    const { code, stderr } = await here.millrace(`${get} --from 0`);
    assert.equal(code, 2);
    assert.match(stderr, /--from and --to mean nothing to the store totals/);
  });
});
