import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { openEmbeddedBroker } from '#src/broker/embedded/broker.js';
import type { Broker } from '#src/broker/port.js';
import { main } from '#src/cli/main.js';
import { StreamsError } from '#src/model/errors.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { foreignRecord, keyOf, ledgerRecordOf, letterRecord, note, TOPIC, write } from '../../letters/support.js';
import { type Project, useProjects } from '../support.js';
import { testIo } from '../test-io.js';

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/;
const HOSTILE = 'a\u001b[2Jb\r\u202ec\u009b31m';

/** Works on the broker of a project while no command does. */
async function onBroker(here: Project, work: (broker: Broker) => Promise<void>): Promise<void> {
  const directory = here.path('.millrace/broker');
  const broker = await openEmbeddedBroker({ directory, openDatabase: openRocksDatabase, clock: systemClock });
  await work(broker);
  await broker.close();
}

const gap = new StreamsError('VERSION_GAP', { what: 'version 2 is missing', action: 'Send it.' });

describe('millrace dlq', () => {
  const project = useProjects({ inShell: true });

  /** Three letters, one of another application, and a record that somebody else wrote. */
  async function withLetters(config: Readonly<Record<string, string>> = {}): Promise<Project> {
    const here = project('esm-project');
    await onBroker(here, async (broker) => {
      await broker.admin.createTopics([{ name: TOPIC, partitions: 1, config: { 'retention.ms': '-1', ...config } }]);
      await write(broker, [
        letterRecord({ key: 'alice', value: '{"account":"alice","amount":5}' }),
        letterRecord({ key: 'bob', value: '{"account":"bob","amount":500}', error: gap, operator: 'by-account' }),
        letterRecord({ application: 'billing' }),
        foreignRecord(),
        letterRecord({ key: 'alice', value: 'no json', headers: { trace: 'x' } }),
      ]);
    });
    return here;
  }

  const idsOf = async (here: Project, args: string): Promise<readonly string[]> =>
    (await here.lines(`dlq list topology.ts --json ${args}`)).map(({ id }) => id);

  it('list shows open letters in order, and counts all of them', async () => {
    const here = await withLetters();
    const [head, ...rows] = (await here.output('dlq list topology.ts')).trimEnd().split('\n');
    assert.match(head ?? '', /^id {3}when +origin +operator +code +message +state$/);
    const line =
      /^0@0 {2}2026-03-01T00:00:00\.000Z {2}payments\[3\]@42 {2}to out +PROCESS_FAILED {2}no such account +open$/;
    assert.match(rows[0] ?? '', line);
    assert.match(rows[1] ?? '', /^0@1 .* by-account +VERSION_GAP +version 2 is missin/);
    assert.match(rows[2] ?? '', /^0@3 .* - +- +- +no letter of millra.* open$/);
    assert.equal(
      rows.at(-1),
      '4 letters; payments-dead-letter has 4 open, 0 discarded, 0 redriven, 1 of them not written by millrace, 1 of other applications left out',
    );
  });

  it('list chooses by operator, code, key, time and an expression, with or without the file', async () => {
    const here = await withLetters();
    for (const [args, expected] of [
      ['--operator by-account', ['0@1']],
      ['--code PROCESS_FAILED', ['0@0', '0@4']],
      ['--key alice', ['0@0', '0@4']],
      ['--key "alice"', ['0@0', '0@4']],
      ['--key {"base64":"Ym9i"}', ['0@1']],
      ['--since 2026-03-01T00:00:00.001Z', []],
      ['--until 2026-03-01', ['0@0', '0@1', '0@3', '0@4']],
      ['--since earliest --until latest --limit 2', ['0@0', '0@1']],
      ['--status discarded', []],
    ] as const) {
      assert.deepEqual(await idsOf(here, args), expected, args);
      const raw = await here.lines(`dlq list --app payments --json ${args}`);
      assert.deepEqual(
        raw.map(({ id }) => id),
        expected,
        args,
      );
    }
    const where = async (text: string) =>
      (await here.lines(`dlq|list|topology.ts|--json|--where|${text}`)).map(({ id }) => id);
    assert.deepEqual(await where('value.amount > 100'), ['0@1']);
    assert.deepEqual(await where('origin?.topic === "payments" && headers.trace === "x"'), ['0@4']);
    here.write('unknown.ts', 'export default ({ foreign }: { foreign: boolean }) => foreign;\n');
    assert.deepEqual(await where('./unknown.ts'), ['0@3']);
  });

  it('list names words that nothing has, and predicates that cannot be', async () => {
    const here = await withLetters();
    const said = async (args: string) => (await here.millrace(args)).stderr;
    assert.match(
      await said('dlq list topology.ts --code PROCES_FAILED'),
      /no code PROCES_FAILED: did you mean PROCESS_FAILED\?/,
    );
    assert.match(await said('dlq list topology.ts --operator totls'), /no operator of the topology totls/);
    assert.match(
      await said('dlq|list|topology.ts|--where|value.amont > 1'),
      /has a field amont: did you mean amount\?/,
    );
    assert.match(
      await said('dlq|list|topology.ts|--where|value.('),
      /^USAGE: cannot read --where: .*'value\.amount > 100' of id, key/,
    );
    const failed = await here.millrace('dlq|list|topology.ts|--where|origin.offset > 1');
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /PREDICATE_FAILED: the predicate threw at the letter 0@3/);
  });

  it('list says so if there are no letters yet, and warns of those that are gone or soon will be', async () => {
    const fresh = project('esm-project');
    await fresh.output('produce payments payments.jsonl --key account');
    assert.equal(
      await fresh.output('dlq list topology.ts'),
      'no letters: the topic payments-dead-letter does not exist yet\n',
    );
    const unknown = await fresh.millrace('dlq list topology.ts --dead-letter-topic paymens');
    assert.deepEqual([unknown.code, /Did you mean payments\?/.test(unknown.stderr)], [3, true], unknown.stderr);

    const here = await withLetters({ 'retention.ms': '315360000000' });
    await onBroker(here, (broker) => broker.admin.deleteRecords([{ topic: TOPIC, partition: 0, offset: 1 }]));
    const early = Date.now() - 315_360_000_000 * 0.9;
    await onBroker(here, (broker) => write(broker, [letterRecord({ timestamp: early })]));
    const { stderr } = await here.millrace('dlq list topology.ts');
    assert.match(stderr, /warning: the letters of payments-dead-letter\[0\] before offset 1 are gone/);
    assert.match(stderr, /warning: 1 open letter near the end of the retention of payments-dead-letter/);
  });

  it('show shows everything about a letter, decoded as the topology does, or raw', async () => {
    const here = await withLetters();
    const text = await here.output('dlq show topology.ts 0@1');
    for (const line of [
      'letter       0@1 of payments-dead-letter',
      'state        open',
      'origin       payments[3]@42, 2026-03-01T00:00:00.000Z',
      'application  payments',
      'operator     by-account',
      'attempts     4',
      'error        VERSION_GAP',
      'message      version 2 is missing. Send it.',
      'key          "bob"',
      'value        {"account":"bob","amount":500}',
      'header       __streams.errors.exception = VERSION_GAP: version 2 is missing. Send it.',
    ])
      assert.ok(text.split('\n').includes(line), `${line}\n${text}`);
    const [shown] = await here.lines('dlq show topology.ts 0@4 --json');
    assert.deepEqual([shown.value, shown.state, shown.ledger], ['no json', { name: 'open' }, []]);
    const [raw] = await here.lines('dlq show --app payments 0@1 --json');
    assert.deepEqual([raw.key, raw.value.amount, raw.origin.offset], ['bob', 500, 42]);
    assert.match(await here.output('dlq show topology.ts 0@3'), /foreign {6}it has no header of millrace/);
  });

  it('show fails for what is no letter of the application: the exit code is 1, or 2 for what is no id', async () => {
    const here = await withLetters();
    for (const [args, code, message] of [
      ['dlq show topology.ts 0@99', 1, /^LETTER_UNKNOWN: there is no such letter at payments-dead-letter\[0\]@99/],
      ['dlq show topology.ts 0@2', 1, /^LETTER_UNKNOWN: the letter is of another application at 0@2/],
      ['dlq show topology.ts 17', 2, /^USAGE: cannot read the id of a letter: saw "17"/],
      ['dlq show --app payments 17', 2, /^USAGE: cannot tell which letter to show/],
      ['dlq show --app payments 0@1 --broker embedded:nowhere', 3, /^BROKER_UNAVAILABLE: there is no broker/],
      ['dlq show --app no/name 0@1', 2, /^CONFIG_INVALID/],
      ['dlq discard topology.ts 0@0 0@2 --reason x --yes', 1, /^LETTER_UNKNOWN: the letter is of another application/],
    ] as const) {
      const failed = await here.millrace(args);
      assert.equal(failed.code, code, `${args}\n${failed.stderr}`);
      assert.match(failed.stderr, message);
    }
  });

  it('discard lists the letters, discards exactly these, and keeps who, when and why', async () => {
    const here = await withLetters();
    const plan = await here.millrace('dlq discard topology.ts --key alice --reason test --dry-run');
    assert.deepEqual([plan.code, plan.stderr], [0, 'would discard 2 letters\n']);
    assert.match(plan.stdout, /^id .*\n0@0 .*\n0@4 .*\n$/);
    assert.deepEqual((await idsOf(here, '')).length, 4);

    const done = await here.millrace('dlq discard topology.ts --key alice --reason test --yes');
    assert.deepEqual([done.code, done.stdout], [0, plan.stdout]);
    assert.equal(done.stderr, 'discarded 2 letters; kept in payments-ledger\n');
    assert.deepEqual(await idsOf(here, ''), ['0@1', '0@3']);
    assert.deepEqual(await idsOf(here, '--status discarded'), ['0@0', '0@4']);
    const again = await here.millrace('dlq discard topology.ts --key alice --reason test --yes');
    assert.deepEqual([again.code, again.stderr], [0, 'nothing to discard: no open letter is chosen\n']);

    const byId = await here.millrace('dlq|discard|--app|payments|0@0|0@3|--reason|not ours|--yes');
    assert.equal(byId.stderr, '1 letter settled already\ndiscarded 1 letter; kept in payments-ledger\n');
    const entries = await here.lines('log topology.ts --json');
    assert.deepEqual(
      entries.map(({ key, what, reason }) => [key, what, reason]),
      [
        [keyOf(0, 0), 'discard', 'test'],
        [keyOf(0, 4), 'discard', 'test'],
        [keyOf(0, 3), 'discard', 'not ours'],
      ],
    );
    const text = await here.output('dlq show topology.ts 0@3');
    assert.match(text, /state {8}discarded by .*: not ours\n/);
    assert.match(text, /ledger {7}\d{4}-.* discard: not ours\n/);
  });

  it('discard --all discards all open letters, and is done by MILLRACE_ACTOR', async () => {
    const here = await withLetters();
    const io = testIo({ cwd: here.directory, env: { MILLRACE_ACTOR: 'ada' } });
    assert.equal(
      await main(['dlq', 'discard', 'topology.ts', '--all', '--reason', 'old', '--yes'], io),
      0,
      io.errors(),
    );
    assert.doesNotMatch(io.errors(), /has no effect/);
    assert.deepEqual(
      (await here.lines('log --app payments --json')).map(({ actor }) => actor),
      ['ada', 'ada', 'ada', 'ada'],
    );
    assert.equal((await here.lines('log topology.ts --json --since ago:1d')).length, 4);
    assert.equal((await here.lines('log topology.ts --json --since latest')).length, 0);
  });

  it('discard asks, and takes nothing but a yes for one; a signal ends the question', async () => {
    const here = await withLetters();
    const run = async (answer: string) => {
      const stdin = Object.assign(new PassThrough(), { isTTY: true });
      const io = testIo({ cwd: here.directory, stdin });
      const ended = main(['dlq', 'discard', 'topology.ts', '0@0', '--reason', 'r'], io);
      while (!io.errors().includes('[y/N]')) await new Promise((resolve) => setImmediate(resolve));
      if (answer === 'SIGINT') io.signal('SIGINT');
      else stdin.end(answer);
      return { code: await ended, errors: io.errors() };
    };
    const no = await run('no\n');
    assert.deepEqual([no.code, no.errors], [1, 'Discard 1 letter? [y/N] nothing was done\n']);
    assert.equal((await run('SIGINT')).code, 130);
    assert.deepEqual((await idsOf(here, '')).length, 4);
    assert.equal((await run('y\n')).code, 0);
    assert.deepEqual((await idsOf(here, '')).length, 3);
  });

  it('shows no control character of a letter or of the ledger, and takes damaged entries for what they are', async () => {
    const here = await withLetters();
    await onBroker(here, async (broker) => {
      const { headers, ...record } = letterRecord({
        key: HOSTILE,
        value: HOSTILE,
        operator: HOSTILE,
        error: new Error(HOSTILE),
      });
      await write(broker, [
        { ...record, headers: headers.with(HOSTILE, HOSTILE).with('millrace.error.code', HOSTILE) },
      ]);
      const entry = { format: 1, what: HOSTILE, actor: HOSTILE, time: HOSTILE, reason: HOSTILE };
      await note(
        broker,
        ledgerRecordOf(keyOf(0, 5), JSON.stringify({ ...entry, what: 'discard' })),
        ledgerRecordOf(HOSTILE, JSON.stringify(entry)),
        ledgerRecordOf('start', '{'),
      );
    });
    for (const args of [
      'dlq list topology.ts --status all',
      'dlq list topology.ts --status all --json',
      'dlq show topology.ts 0@5',
      'dlq show topology.ts 0@5 --json',
      'log topology.ts',
      'log topology.ts --json',
    ]) {
      const { code, stdout, stderr } = await here.millrace(args);
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(stdout + stderr, CONTROL, args);
    }
    assert.match((await here.millrace('dlq list topology.ts')).stderr, /1 record of the ledger cannot be read/);
    assert.match(
      (await here.millrace('log topology.ts')).stderr,
      /record 2 of the ledger cannot be read: its value is no JSON/,
    );
  });

  it('TOPIC_FOREIGN: a topic has the name of the ledger and belongs to somebody else', async () => {
    const here = await withLetters();
    await onBroker(here, (broker) => broker.admin.createTopics([{ name: 'payments-ledger', partitions: 1 }]));
    for (const args of ['dlq list topology.ts', 'dlq discard topology.ts --all --reason r --yes', 'log topology.ts']) {
      const { code, stderr } = await here.millrace(args);
      assert.equal(code, 1, args);
      assert.match(stderr, /^TOPIC_FOREIGN: the topic has the name of the ledger of payments/);
    }
  });

  it('finds the application by its name in a configuration, and takes an id where the file is left out', async () => {
    const here = await withLetters();
    const applications = [{ name: 'payments', file: 'topology.ts' }];
    here.write('millrace.config.json', JSON.stringify({ state: 'elsewhere', applications }));
    assert.deepEqual(await idsOf(here, ''), ['0@0', '0@1', '0@3', '0@4']);
    assert.match(await here.output('dlq show payments 0@1'), /value {8}\{"account":"bob","amount":500\}/);
    assert.match(await here.output('dlq show 0@1 --app payments'), /operator {5}by-account/);
    assert.match(
      (await here.millrace('dlq discard 0@1 --app payments --reason r --dry-run')).stderr,
      /would discard 1 letter/,
    );
  });

  it('log says so if nothing was noted', async () => {
    const here = await withLetters();
    const { code, stderr, stdout } = await here.millrace('log topology.ts');
    assert.deepEqual([code, stdout, stderr], [0, '', 'nothing is noted for the application payments\n']);
  });
});
