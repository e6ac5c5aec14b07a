import assert from 'node:assert/strict';
import { main } from '#src/cli/main.js';
import { type Project, type Running, useProjects } from '../support.js';
import { testIo } from '../test-io.js';

/** Refuses the amounts of a file, as it is at that moment; holds those of another one. */
const refusing = (operator: string): string => `
import { readFileSync } from 'node:fs';
import { process as processor, serdes, to, topology } from 'millrace';

const payments = { key: serdes.string, value: serdes.json<{ amount: number }>() };
const file = new URL('refused.json', import.meta.url);

export default topology('refusing', (t) => {
  t.stream('payments', payments).pipe(
    processor({
      name: '${operator}',
      stores: { sums: { key: serdes.string, value: serdes.json<number>() } },
      async process(record, { stores: { sums }, forward }) {
        const refused = JSON.parse(readFileSync(file, 'utf8'));
        if (refused.includes(record.value.amount)) throw new Error('no ' + record.value.amount);
        if (refused.includes('all')) await new Promise(() => undefined);
        sums.put(record.key, (sums.get(record.key) ?? 0) + record.value.amount);
        forward(record);
      },
    }),
    to('accepted', payments),
  );
});
`;

const RUN = 'run refusing.ts --on-error process=deadLetter';
const redrive = 'dlq redrive refusing.ts --reason fixed --yes';

describe('millrace dlq redrive', () => {
  const project = useProjects({ inShell: true });

  const refuse = (here: Project, ...amounts: readonly unknown[]): void =>
    here.write('refused.json', JSON.stringify(amounts));

  /** The amounts 1 to `count`, those in `refused` as letters. The application has ended. */
  async function withLetters(count: number, refused: readonly number[]): Promise<Project> {
    const here = project('esm-project');
    here.write('refusing.ts', refusing('check'));
    refuse(here, ...refused);
    const lines = Array.from({ length: count }, (_, i) => `${JSON.stringify({ account: 'a', amount: i + 1 })}\n`);
    await here.output('produce payments --key account', lines.join(''));
    await here.output(`${RUN} --until-idle`);
    return here;
  }

  async function started(here: Project): Promise<Running> {
    const running = here.start(RUN);
    await running.until('"msg":"running"');
    return running;
  }

  const states = async (here: Project): Promise<readonly string[]> =>
    (await here.lines('dlq list refusing.ts --status all --json')).map(({ id, state }) => `${id} ${state.name}`);

  const accepted = async (here: Project, max: number): Promise<readonly number[]> =>
    (await here.lines(`consume accepted --from earliest --max ${max}`)).map(({ value }) => value.amount);

  it('lists the letters with their operators; without a process they are fed in at the next start', async () => {
    const here = await withLetters(3, [1, 3]);
    const plan = await here.millrace('dlq redrive refusing.ts --all --reason fixed --dry-run');
    assert.deepEqual([plan.code, plan.stderr], [0, 'would feed in 2 letters\n']);
    assert.match(plan.stdout, /^id .* state +fed in at\n0@0 .* open +process check\n0@1 .* open +process check\n$/);
    assert.deepEqual(await states(here), ['0@0 open', '0@1 open']);

    const { code, stdout, stderr } = await here.millrace(`${redrive} --all`);
    assert.deepEqual([code, stdout], [0, plan.stdout]);
    assert.equal(stderr, 'requested 2 letters; no process of refusing runs: they are fed in when it starts\n');
    const [first] = await here.lines('dlq list refusing.ts --status requested --json');
    assert.equal(first.id, '0@0');
    assert.match(await here.output('dlq show refusing.ts 0@0'), /redrive-request: fixed \(at process check\)\n/);
    const twice = await here.millrace(`${redrive} 0@0`);
    assert.match(twice.stderr, /^1 letter requested before.*: --again requests them once more\nnothing to feed in/);
    refuse(here);
    await here.output(`${RUN} --until-idle`);
    assert.deepEqual(await states(here), ['0@0 redriven', '0@1 redriven']);
    assert.deepEqual(await accepted(here, 3), [2, 1, 3]);
    const settled = await here.millrace(`${redrive} 0@0`);
    assert.match(settled.stderr, /^1 letter settled already\nnothing to feed in: no open letter is chosen\n$/);
  });

  it('waits for a process that runs; the exit code is 1 if a letter fails again, which is open again', async () => {
    const here = await withLetters(3, [1, 3]);
    const running = await started(here);
    refuse(here, 3);
    const failed = await here.millrace(`${redrive} --all --rate 1000`);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /^failed again: 0@1 PROCESS_FAILED: .*no 3 .*\n/);
    assert.match(failed.stderr, /\nfed in 2 letters: 1 done, 1 failed again; kept in refusing-ledger\n$/);
    assert.deepEqual(await states(here), ['0@0 redriven', '0@1 open']);
    assert.match(
      await here.output('dlq show refusing.ts 0@1'),
      /redrive-failed: fixed; failed again: PROCESS_FAILED: .*no 3/,
    );
    assert.match(await here.output('log refusing.ts'), /redrive-failed .* fixed; failed again…\n/);
    refuse(here);
    const done = await here.millrace(`${redrive} --all`);
    assert.deepEqual(
      [done.code, done.stderr],
      [0, 'fed in 1 letter: 1 done, 0 failed again; kept in refusing-ledger\n'],
    );
    assert.deepEqual(await accepted(here, 3), [2, 1, 3]);
    await here.output('stop refusing.ts');
    assert.equal((await running.ended).code, 0);
  });

  it('requests no more after a failure, with --stop-on-failure; the next run takes the others', async () => {
    const refused = Array.from({ length: 24 }, (_, i) => i + 1);
    const here = await withLetters(24, refused);
    await started(here);
    refuse(here, 12);
    const stopped = await here.millrace(`${redrive} --all --stop-on-failure`);
    assert.equal(stopped.code, 1);
    assert.match(stopped.stderr, /fed in 20 letters: 19 done, 1 failed again; stopped there, 4 letters left/);
    refuse(here);
    const next = await here.millrace(`${redrive} --all --stop-on-failure`);
    assert.match(next.stderr, /^fed in 5 letters: 5 done, 0 failed again/);
  });

  it('stops waiting at a signal, and says what was requested', async () => {
    const here = await withLetters(2, [1, 2]);
    const running = await started(here);
    refuse(here, 'all');
    const io = testIo({ cwd: here.directory });
    const ended = main([...redrive.split(' '), '--all'], io);
    const requested = async (): Promise<boolean> => (await states(here)).every((state) => state.endsWith('requested'));
    while (!(await requested()));
    io.signal('SIGINT');
    assert.equal(await ended, 130);
    assert.match(io.errors(), /stopped: requested 2 of 2 letters, 0 done, 0 failed again; millrace dlq list --status/);
    running.child.kill('SIGKILL');
    await running.ended;
    const again = await here.millrace(`${redrive} --all --again`);
    assert.match(again.stderr, /^requested 2 letters; /);
  });

  it('gives letters other values: of a function, or of a file with JSON', async () => {
    const here = await withLetters(3, [1, 2, 3]);
    here.write(
      'more.ts',
      'export default ({ id, value }: any) => (id === "0@1" ? undefined : { value: { ...value, amount: value.amount + 10 } });\n',
    );
    here.write('seven.json', '{ "account": "a", "amount": 7 }\n');
    await here.output(`${redrive} 0@0 --patch more.ts`);
    await here.output(`${redrive} 0@2 --patch seven.json`);
    refuse(here);
    await here.output(`${redrive} 0@1 --patch more.ts`);
    await here.output(`${RUN} --until-idle`);
    assert.deepEqual(await accepted(here, 3), [11, 7, 2]);
  });

  it('names each letter that cannot be fed in, and requests none', async () => {
    const here = await withLetters(2, [1, 2]);
    here.write('renamed.ts', refusing('examine'));
    const gone = await here.millrace('dlq redrive renamed.ts --all --reason fixed --yes');
    assert.equal(gone.code, 1);
    for (const id of ['0@0', '0@1'])
      assert.match(
        gone.stderr,
        new RegExp(`REDRIVE_TARGET_UNKNOWN: .* the letter ${id} of .*"process check".*--at source`),
      );
    assert.match(gone.stderr, /\nnothing was done: 2 of 2 letters cannot be fed in\n$/);
    assert.match(gone.stdout, /0@1 .* REDRIVE_TARGET_UNKNOWN\n$/);
    const source = await here.output('dlq redrive renamed.ts --all --reason fixed --dry-run --at source');
    assert.match(source, /0@1 .* open +\S*.*payments\n$/);

    here.write(
      'wrong.ts',
      'export default ({ id }: any) => (id === "0@1" ? { value: () => 1 } : { value: { amount: 3 } });\n',
    );
    here.write('field.ts', 'export default () => ({ vlaue: 1 });\n');
    here.write('throws.ts', 'export default ({ value }: any) => ({ value: value.a.b });\n');
    for (const [file, message] of [
      ['wrong.ts', /PATCH_FAILED: .* the letter 0@1 of .*its value cannot be encoded with the serde json/],
      ['field.ts', /PATCH_FAILED: .* the letter 0@0 of .*the field "vlaue", expected an object with key, value/],
      ['throws.ts', /PATCH_FAILED: .* the letter 0@0 of .*undefined/],
    ] as const) {
      const { code, stderr } = await here.millrace(`${redrive} --all --patch ${file}`);
      assert.equal(code, 1, stderr);
      assert.match(stderr, message);
    }
    assert.deepEqual(await states(here), ['0@0 open', '0@1 open']);
  });

  it('refuses command lines that cannot be done, before anything is requested', async () => {
    const here = await withLetters(1, [1]);
    here.write('none.json', '{');
    here.write('value.ts', 'export default 5;\n');
    for (const [args, code, message] of [
      ['dlq redrive refusing.ts --all --yes', 2, /required option '--reason <text>' not specified/],
      [`${redrive}`, 2, /cannot tell which letters to feed in: saw neither ids nor a filter/],
      [`${redrive} 0@7`, 1, /^LETTER_UNKNOWN/],
      ['dlq redrive --app refusing 0@0 --reason fixed --yes', 2, /which operator is to get a letter: saw no file/],
      [`${redrive} --all --rate 0`, 2, /cannot read --rate: saw "0"/],
      [`${redrive} --all --at sink`, 2, /Allowed choices are operator, source/],
      [`${redrive} --all --stop-on-failure --no-wait`, 2, /cannot stop on a failure: saw --no-wait/],
      [`${redrive} --all --stop-on-failure`, 2, /cannot stop on a failure: saw no running process of refusing/],
      [`${redrive} --all --patch none.json`, 2, /cannot read --patch: saw "none.json" /],
      [`${redrive} --all --patch nothing.ts`, 2, /cannot read --patch: saw "nothing.ts", which is not a file/],
      [`${redrive} --all --patch value.ts`, 2, /cannot use the file of --patch: saw a default export of type number/],
    ] as const) {
      const failed = await here.millrace(args);
      assert.equal(failed.code, code, `${args}\n${failed.stderr}`);
      assert.match(failed.stderr, message);
    }
    assert.deepEqual(await states(here), ['0@0 open']);
  });
});
