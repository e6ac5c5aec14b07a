import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { type Project, runTest, useProjects } from '../support.js';

const FEED = 'produce payments payments.jsonl --key account --timestamp at';

describe('the command line looks back', () => {
  const project = useProjects({ inShell: true });

  const fed = async (): Promise<Project> => {
    const made = project('esm-project');
    await made.output(FEED);
    return made;
  };

  describe('millrace replay', () => {
    it('prints what would have been written, each with its source; twice the same bytes, and writes nothing', async () => {
      const here = await fed();
      const printed = await here.output('replay topology.ts');
      const lines = printed
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      assert.deepEqual(
        lines.map(({ topic, offset, key, value, source }) => [topic, offset, key, value, source]),
        [
          ['totals', 0, 'alice', 10, 'payments[0]@0'],
          ['totals', 1, 'bob', 5, 'payments[0]@1'],
          ['totals', 2, 'alice', 17, 'payments[0]@3'],
        ],
      );
      assert.equal(await here.output('replay topology.ts'), printed);
      const { code, stderr } = await here.millrace('consume totals --until-end');
      assert.equal(code, 3);
      assert.match(stderr, /^TOPIC_UNKNOWN/);
      assert.equal(existsSync(here.path('.millrace/state')), false);
    });

    it('writes files with --out, of every sink', async () => {
      const here = await fed();
      const { stdout, stderr } = await here.millrace('replay topology.ts --until 2026-01-01T00:00:01Z --out outputs');
      assert.equal(stdout, '');
      assert.match(stderr, /^replayed 2 records in .*; captured 2 to totals\n$/);
      assert.deepEqual(readdirSync(here.path('outputs')), ['totals.jsonl']);
      assert.equal(readFileSync(here.path('outputs/totals.jsonl'), 'utf8').trim().split('\n').length, 2);
      await here.output('replay topology.ts --key zoe --out outputs');
      assert.equal(readFileSync(here.path('outputs/totals.jsonl'), 'utf8'), '');
    });

    it('writes to new topics with --shadow-prefix; TOPIC_EXISTS the second time', async () => {
      const here = await fed();
      await here.output('replay topology.ts --shadow-prefix check-');
      const found = await here.lines('consume check-totals --until-end');
      assert.deepEqual(found.length, 3);
      const { code, stderr } = await here.millrace('replay topology.ts --shadow-prefix check-');
      assert.equal(code, 3);
      assert.match(stderr, /TOPIC_EXISTS: .*check-totals/);
    });

    it('refuses moments that are none, and options that contradict one another', async () => {
      const here = await fed();
      for (const [args, code, error] of [
        ['--until yesterday', 2, /^USAGE: cannot read --until: saw "yesterday", expected earliest, latest, offset:/],
        ['--until 2026-02-31', 2, /^USAGE: cannot read --until: saw "2026-02-31"/],
        [
          '--until offset:payments:0=9',
          3,
          /^OFFSET_OUT_OF_RANGE: cannot end there at payments\[0\]@9: saw records from offset 0 up to 4/,
        ],
        ['--until 2025-01-01', 3, /^OFFSET_OUT_OF_RANGE: there is no record up to that time/],
        ['--out a --shadow-prefix b', 2, /^USAGE: cannot use --out and --shadow-prefix together/],
        ['--from snapshot', 2, /^USAGE: cannot use --from snapshot: saw no snapshots/],
        ['--snapshot-every often', 2, /^USAGE: cannot read --snapshot-every: saw "often"/],
      ] as const) {
        const result = await here.millrace(`replay topology.ts ${args}`);
        assert.deepEqual([result.code, result.stdout], [code, ''], args);
        assert.match(result.stderr, error);
      }
    });
  });

  describe('millrace state … --as-of', () => {
    it('get, list and dump show the stores as they were; what the application left is not touched', async () => {
      const here = await fed();
      const get = (moment: string): Promise<any[]> =>
        here.lines(`state get topology.ts --store totals --key alice --as-of ${moment}`);
      const row = { store: 'totals', partition: 0, key: 'alice', value: 10, timestamp: Date.UTC(2026, 0, 1) };
      assert.deepEqual(await get('2026-01-01T00:00:02Z'), [row]);
      assert.deepEqual(await get('offset:payments:0=3'), [row]);
      assert.equal((await get('latest'))[0].value, 17);
      const none = await here.millrace('state get topology.ts --store totals --key bob --as-of 2026-01-01T00:00:00Z');
      assert.deepEqual([none.code, none.stdout], [1, '']);
      const [listed] = await here.lines('state list topology.ts --as-of 2026-01-01T00:00:01Z --count --format json');
      assert.deepEqual([listed.rows, listed.sources, listed.changelog], [2, { payments: 2 }, null]);
      const dumped = await here.lines('state dump topology.ts --as-of 2026-01-01T00:00:00Z');
      assert.deepEqual(dumped, [{ store: 'totals', partition: 0, key: 'alice', value: 10 }]);
      assert.equal(existsSync(here.path('.millrace/state')), false);
    });

    it('diff shows the rows that changed between two moments', async () => {
      const here = await fed();
      assert.deepEqual(await here.lines('state diff topology.ts --as-of 2026-01-01T00:00:00Z'), [
        { store: 'totals', partition: 0, key: 'alice', before: 10, after: 17 },
        { store: 'totals', partition: 0, key: 'bob', before: null, after: 5 },
      ]);
      const bob = await here.lines('state diff topology.ts --as-of 2026-01-01T00:00:00Z --store totals --key bob');
      assert.deepEqual(
        bob.map(({ key, after }) => [key, after]),
        [['bob', 5]],
      );
      assert.equal((await here.millrace('state diff topology.ts --as-of latest --key bob')).code, 2);
      assert.deepEqual(
        await here.lines('state diff topology.ts --as-of 2026-01-01T00:00:01Z --to 2026-01-01T00:00:02Z'),
        [],
      );
    });

    it('keeps snapshots beside the state, and begins with them as long as the code is the same', async () => {
      const here = await fed();
      const get = 'state get topology.ts --store totals --key alice --as-of latest';
      await here.output(`${get} --snapshot-every 2`);
      const directory = here.path('.millrace/state/payments/snapshots');
      const [identity = ''] = readdirSync(directory);
      assert.deepEqual(readdirSync(`${directory}/${identity}`), ['000000000002', '000000000004']);
      assert.equal((await here.lines(get))[0].value, 17);
      // A file that the topology imports is its code as well.
      const imported = readFileSync(here.path('domain/payment.ts'), 'utf8');
      here.write('domain/payment.ts', `${imported}\n`);
      await here.lines(`${get} --snapshot-every 2`);
      assert.equal(readdirSync(directory).length, 2);
    });
  });

  it('millrace history prints every change of a row; exit code 1 if there was none', async () => {
    const here = await fed();
    const text = await here.output('history topology.ts --store totals --key alice');
    assert.match(text, /^event {4}payments\[0\]@0, 2026-01-01T00:00:00.000Z, record 1 of the history\n/);
    assert.match(text, /before {3}10\nafter {4}17\n$/);
    const changes = await here.lines('history topology.ts --store totals --key alice --format json');
    assert.deepEqual(
      changes.map(({ before, value, event }) => [before, value, event.offset]),
      [
        [null, 10, 0],
        [10, 17, 3],
      ],
    );
    const { code, stderr } = await here.millrace('history topology.ts --store totals --key zoe');
    assert.deepEqual([code, stderr], [1, 'the store totals never had a row with the key zoe\n']);
    const unknown = await here.millrace('history topology.ts --store total --key zoe');
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /^STORE_UNKNOWN: there is no store "total"/);
  });

  it('millrace trace shows the way of a record, and where it was stopped', async () => {
    const here = await fed();
    const text = await here.output('trace topology.ts --at payments:0:2');
    assert.match(
      text,
      /stopped {2}between source payments and aggregate totals \(through filterValues\): the record did not pass/,
    );
    const ways = await here.lines('trace topology.ts --key bob --format json');
    assert.deepEqual([ways.length, ways[0].event.offset], [1, 1]);
    const none = await here.millrace('trace topology.ts --key zoe');
    assert.deepEqual([none.code, none.stderr], [1, 'no record has the key zoe\n']);
    assert.match((await here.millrace('trace topology.ts --at payments')).stderr, /^USAGE: cannot read --at/);
    assert.match((await here.millrace('trace topology.ts')).stderr, /^USAGE: cannot tell which record/);
    const gone = await here.millrace('trace topology.ts --at payments:0:77');
    assert.equal(gone.code, 1);
    assert.match(gone.stderr, /^OFFSET_OUT_OF_RANGE: .*payments\[0\]@77/);
    // As history and consume show where an event is.
    assert.equal(await here.output('trace topology.ts --at payments[0]@2'), text);
  });

  describe('millrace bisect', () => {
    it('finds the first event after which an expression or a function holds', async () => {
      const here = await fed();
      const found = await here.output('bisect|topology.ts|--store|totals|--when|value > 15');
      assert.match(found, /^The first event after which it holds: value > 15\n\nevent {4}payments\[0\]@3, /);
      assert.match(found, /before {3}10\nafter {4}17\n\nIts way:\npayments\[0\]@3/);
      here.write('large.ts', 'export default ({ value }: { value: number | null }): boolean => (value ?? 0) > 15;\n');
      const [json] = await here.lines('bisect topology.ts --store totals --key alice --when ./large.ts --format json');
      assert.equal(json.change.event.offset, 3);
      const never = await here.millrace('bisect|topology.ts|--store|totals|--when|value > 99');
      assert.deepEqual([never.code, never.stderr], [1, 'it never holds: value > 99\n']);
    });

    it('tells what is wrong with a predicate', async () => {
      const here = await fed();
      for (const [when, code, error] of [
        ['value >', 2, /^USAGE: cannot read --when: saw "value >"/],
        ['./nowhere.ts', 2, /^USAGE: cannot read --when: saw ".\/nowhere.ts", which is not a file/],
        ['./payments.jsonl.ts', 2, /^USAGE/],
        [
          'value.total.sum > 1',
          1,
          /^warning: no row of store totals has a field total .*\nPREDICATE_FAILED: the predicate threw: Cannot read properties of undefined.* at payments\[0\]@0: saw key "alice", value 10/,
        ],
      ] as const) {
        const result = await here.millrace(`bisect|topology.ts|--store|totals|--when|${when}`);
        assert.equal(result.code, code, result.stderr);
        assert.match(result.stderr, error);
      }
      assert.match((await here.millrace('bisect topology.ts')).stderr, /^USAGE: cannot tell what to look for/);
    });

    it('--export-test writes a test that fails, with no more events than it takes', async () => {
      const here = await fed();
      const { code, stderr } = await here.millrace(
        'bisect|topology.ts|--store|totals|--when|value > 15|--export-test|large.test.ts',
      );
      assert.deepEqual([code, stderr], [0, 'wrote large.test.ts: 2 of 4 events\n']);
      const test = readFileSync(here.path('large.test.ts'), 'utf8');
      assert.match(test, /import topology from '\.\/topology\.js';/);
      assert.equal(test.match(/topic: 'payments'/g)?.length, 2);
      assert.match(runTest(here.path('large.test.ts')).stdout, /1 failing[\s\S]*'alice' is 17/);
      // With the bug gone it passes.
      const topology = readFileSync(here.path('topology.ts'), 'utf8');
      here.write('topology.ts', topology.replace('total + record.value.amount', 'record.value.amount'));
      assert.match(runTest(here.path('large.test.ts')).stdout, /1 passing/);
    });

    it('--compare finds the first event at which two versions disagree; exit code 1', async () => {
      const here = await fed();
      const code = readFileSync(here.path('topology.ts'), 'utf8');
      here.write('other.ts', code.replace('total + record.value.amount', 'Math.min(12, total + record.value.amount)'));
      const { code: exit, stdout } = await here.millrace('bisect topology.ts --compare other.ts');
      assert.equal(exit, 1);
      assert.match(stdout, /event {4}payments\[0\]@3[\s\S]*row {6}totals "alice"\nfirst {4}17\nsecond {3}12/);
      here.write('same.ts', code.replace('total + record.value.amount', 'record.value.amount + total'));
      const same = await here.millrace('bisect topology.ts --compare same.ts');
      assert.deepEqual([same.code, same.stdout, same.stderr], [0, '', 'they do the same\n']);
      const both = await here.millrace('bisect topology.ts --compare same.ts --store totals');
      assert.equal(both.code, 2);
    });
  });

  describe('in stores of windows', () => {
    const START = Date.UTC(2026, 0, 1);
    const visit = (end: number): string => JSON.stringify({ key: 'alice', start: START, end: START + end });

    const windows = async (): Promise<Project> => {
      const here = await fed();
      here.write(
        'windows.cjs',
        `const { count, serdes, session, topology, tumbling, unlimited } = require('millrace');
        module.exports = topology('windows', (t) => {
          const payments = t.stream('payments', { key: serdes.string, value: serdes.json() });
          payments.pipe(count({ store: 'seconds', window: tumbling('2s', { retention: '1d' }) }));
          payments.pipe(count({ store: 'visits', window: session('1m', { retention: '1d' }) }));
          payments.pipe(count({ store: 'ever', window: unlimited() }));
        });`,
      );
      return here;
    };

    it('history prints what became of the windows of a key, and of one of them', async () => {
      const here = await windows();
      const event = [
        'event    payments[0]@3, 2026-01-01T00:00:03.000Z, record 4 of the history',
        'key      "alice"',
        'value    {"id":"p4","account":"alice","amount":7,"at":"2026-01-01T00:00:03Z"}',
      ];
      const grown = [...event, `row      visits ${visit(2_000)}, partition 0`, 'before   2', 'after    -', ''];
      const now = [...event, `row      visits ${visit(3_000)}, partition 0`, 'before   -', 'after    3', ''];
      const text = await here.output('history windows.cjs --store visits --key alice');
      assert.equal(text.split('\n').slice(-14).join('\n'), [...grown, ...now].join('\n'));
      const one = await here.output(`history|windows.cjs|--store|visits|--key|${visit(3_000)}`);
      assert.equal(one, now.join('\n'));
      const seconds = await here.lines('history windows.cjs --store seconds --key alice --format json');
      assert.deepEqual(
        seconds.map(({ key, before, value }) => [key.key, key.start - START, before, value]),
        [
          ['alice', 0, null, 1],
          ['alice', 2_000, null, 1],
          ['alice', 2_000, 1, 2],
        ],
      );
      const { code, stderr } = await here.millrace('history windows.cjs --store visits --key zoe');
      assert.deepEqual([code, stderr], [1, 'the store visits never had a row with the key zoe\n']);
    });

    it('state diff takes the key of windows, too', async () => {
      const here = await windows();
      const diff = await here.lines('state diff windows.cjs --store visits --key alice --as-of offset:payments:0=1');
      assert.deepEqual(
        diff.map(({ key, before, after }) => [JSON.stringify(key), before, after]),
        [
          [visit(0), 1, null],
          [visit(3_000), null, 3],
        ],
      );
    });

    for (const store of ['visits', 'ever'])
      it(`bisect finds a window of ${store} by its value, and writes a test of it`, async () => {
        const here = await windows();
        const asked = `bisect|windows.cjs|--store|${store}|--key|alice|--when|value > 2`;
        assert.match(
          await here.output(asked),
          /row {6}\w+ \{"key":"alice","start":\d+,"end":[^}]+\}.*\nbefore .*\nafter {4}3\n/,
        );
        const { stderr } = await here.millrace(`${asked}|--export-test|visits.test.mjs`);
        assert.equal(stderr, 'wrote visits.test.mjs: 3 of 4 events\n');
        assert.match(runTest(here.path('visits.test.mjs')).stdout, /1 failing[\s\S]*'alice'.* is 3/);
      });
  });

  it('millrace verify says whether a topology does the same each time; exit code 1 if not', async () => {
    const here = await fed();
    assert.match(await here.output('verify topology.ts'), /^the same each time: 4 records, \d restarts/);
    const code = readFileSync(here.path('topology.ts'), 'utf8');
    here.write('clock.ts', code.replace('total + record.value.amount', 'Date.now()'));
    const { code: exit, stdout } = await here.millrace('verify clock.ts');
    assert.equal(exit, 1);
    assert.match(
      stdout,
      /^different with other batches: aggregate totals\n {2}what it wrote to the store totals differed/,
    );
    assert.match(stdout, /first at payments\[0\]@0/);
    const [report] = await here.lines('verify topology.ts --format json');
    assert.deepEqual([report.records, report.differences], [4, []]);
  });
});
