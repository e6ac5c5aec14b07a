import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { type Project, runTest, useProjects } from '../cli/support.js';

/** Counts by JSON keys, and is wrong from the second record on. */
const TOPOLOGY = `import { aggregate, serdes, to, topology } from 'millrace';
export default topology('jk', (t) => {
  t.stream('in', { key: serdes.json(), value: serdes.json() }).pipe(
    aggregate({ store: 'sums', value: serdes.json(), initial: () => ({ n: 0 }), add: (row, { value }) => ({ n: row.n + value.n }) }),
    to('out', { key: serdes.json(), value: serdes.json() }),
  );
});
`;

describe('a test that bisect exports', () => {
  const project = useProjects({ inShell: true });
  const fed = async (...lines: object[]): Promise<Project> => {
    const here = project('esm-project');
    here.write('jk.mjs', TOPOLOGY);
    await here.output('produce in --key k --topology jk.mjs', lines.map((line) => JSON.stringify(line)).join('\n'));
    return here;
  };
  const bisect = (here: Project, { file = 'jk.mjs', when = 'value.n < 0', test = 'found.test.mjs' } = {}) =>
    here.millrace(`bisect|${file}|--store|sums|--when|${when}|--export-test|${test}`);
  const exported = async (here: Project, given: Parameters<typeof bisect>[1] = {}): Promise<string> => {
    const { code, stderr } = await bisect(here, given);
    assert.equal(code, 0, stderr);
    return here.path(given.test ?? 'found.test.mjs');
  };

  it('runs no code that a record brought: an event id with a line break in it', async () => {
    const id =
      "x\nimport { writeFileSync } from 'node:fs'; writeFileSync('PWNED', ''); //\u2028writeFileSync('PWNED', '')";
    const here = await fed({ k: 7, n: 1 }, { k: 7, n: -9, eventId: id });
    const test = await exported(here);
    assert.match(runTest(test).stdout, /1 failing/);
    assert.equal(existsSync(here.path('PWNED')), false);
    assert.match(readFileSync(test, 'utf8'), /event id x\\nimport/);
  });

  it('fails for a key with a field that is called __proto__', async () => {
    const key = JSON.parse('{"__proto__":{"z":1},"a":1}');
    const here = await fed({ k: key, n: 1 }, { k: key, n: -9 });
    assert.match(runTest(await exported(here)).stdout, /1 failing[\s\S]*is \{ n: -9 \}/);
  });

  it('fails for a predicate that ends in a comment', async () => {
    const here = await fed({ k: 7, n: 1 }, { k: 7, n: -9 });
    assert.match(
      runTest(await exported(here, { when: 'value.n < 0 // negative' })).stdout,
      /1 failing[\s\S]*is \{ n: -9 \}/,
    );
  });

  it('fails for a topology in a directory with quotes, percent and hash signs in its name', async () => {
    const here = await fed({ k: 7, n: 1 }, { k: 7, n: -9 });
    const directory = "it's 100% #1";
    mkdirSync(here.path(directory));
    here.write(`${directory}/jk.mjs`, TOPOLOGY);
    assert.match(
      runTest(await exported(here, { file: `${directory}/jk.mjs` })).stdout,
      /1 failing[\s\S]*is \{ n: -9 \}/,
    );
  });
});

describe('a test that bisect exports, whatever it is asked and wherever it is', () => {
  const project = useProjects({ inShell: true });
  const NEGATIVE = [
    { k: 7, n: 1 },
    { k: 7, n: -9 },
  ]
    .map((line) => JSON.stringify(line))
    .join('\n');

  it('fails for a topology and a predicate in a directory of any name, or is refused there', async () => {
    const here = project('esm-project');
    here.write('jk.mjs', TOPOLOGY);
    await here.output('produce in --key k --topology jk.mjs', NEGATIVE);
    const names = ['new\nline', 'a\ttab, a\rreturn', '#b?c%20', '\u2028 $(ü)`', 'back\\slash'];
    for (const name of names) {
      mkdirSync(here.path(name));
      here.write(`${name}/jk.mjs`, TOPOLOGY);
      here.write(`${name}/holds.mjs`, 'export default ({ value }) => value?.n < 0;');
      const { code, stderr } = await here.millrace(
        `bisect|${name}/jk.mjs|--store|sums|--when|${name}/holds.mjs|--export-test|found.test.mjs`,
      );
      // Node loads no module whose path has a backslash in it.
      if (name.includes('\\')) assert.match(stderr, /^TOPOLOGY_NOT_FOUND/);
      else assert.equal(code, 0, `${JSON.stringify(name)}: ${stderr}`);
      if (code === 0) assert.match(runTest(here.path('found.test.mjs')).stdout, /1 failing[\s\S]*is \{ n: -9 \}/, name);
    }
  });

  it('has the predicate as code of a module, which it is asked as, too; its own names are never met', async () => {
    const here = project('esm-project');
    here.write('jk.mjs', TOPOLOGY);
    await here.output('produce in --key k --topology jk.mjs', NEGATIVE);
    const refused = [
      'value.n < 010',
      'value.n < 0 <!-- x',
      '(await) && value.n < 0',
      'value.n < 0); (1',
      'new.target',
      '[]; []',
    ];
    const ask = (when: string, test: string) =>
      here.millrace(`bisect|jk.mjs|--store|sums|--when|${when}|--export-test|${test}`);
    for (const when of refused) {
      const { code, stderr } = await ask(when, 'found.test.mjs');
      assert.deepEqual([code, /^USAGE: cannot read --when/.test(stderr)], [2, true], `${when}: ${stderr}`);
    }
    assert.match(
      (await ask('arguments.length === 4', 'found.test.mjs')).stderr,
      /PREDICATE_FAILED.*arguments is not defined/,
    );
    const names = [
      'assert',
      'inspect',
      'isDeepStrictEqual',
      'serdes',
      'TestDriver',
      'topology',
      'records',
      'holds',
      're\\u0063ords',
    ];
    const alone = names.map((name) => `typeof ${name} === 'undefined'`).join(' && ');
    for (const when of [`${alone} && value.n < 0`, "typeof Headers === 'function' && value.n < 0 // records"])
      for (const test of ['found.test.mjs', 'found.test.ts']) {
        const { code, stderr } = await ask(when, test);
        assert.equal(code, 0, stderr);
        assert.match(runTest(here.path(test)).stdout, /1 failing[\s\S]*is \{ n: -9 \}/, when);
      }
  });

  it('is refused, and not written, if its text does not do there what was asked', async () => {
    const here = project('esm-project');
    here.write('jk.mjs', TOPOLOGY);
    await here.output('produce in --key k --topology jk.mjs', NEGATIVE);
    // In TypeScript it is a call with a type argument.
    const asked = ['value.n < 0 && (1 < key > (1)) === false', "typeof describe === 'undefined' && value.n < 0"];
    for (const [when, test, saw] of [
      [asked[0], 'found.test.ts', /cannot write a test that reproduces it/],
      [asked[1], 'found.test.mjs', /saw a predicate that never holds in the test/],
      ['value.n < 0', 'found.test.cjs', /cannot write a test: saw the extension "\.cjs"/],
    ] as const) {
      const { code, stderr } = await here.millrace(`bisect|jk.mjs|--store|sums|--when|${when}|--export-test|${test}`);
      assert.equal(code, 2, `${when}: ${stderr}`);
      assert.match(stderr, saw);
      assert.deepEqual(
        readdirSync(here.directory).filter((name) => name.includes('found')),
        [],
      );
    }
  });
});

describe('a type that schema generate writes', () => {
  const project = useProjects({ inShell: true });

  it('runs no code that the name of a file brought', async () => {
    const here = project('esm-project');
    mkdirSync(here.path('evil'));
    here.write(
      'evil/x\nprocess.exit(5);\n.avsc',
      '{"type":"record","name":"N","doc":"*/ process.exit(5) \\u2028 x","fields":[]}',
    );
    const { code, stdout } = await here.millrace('schema generate evil --out types');
    assert.deepEqual([code, stdout], [0, 'types/x\\nprocess.exit(5);\\n.ts\n']);
    const text = readFileSync(here.path('types/x\nprocess.exit(5);\n.ts'), 'utf8');
    for (const line of text.split(/[\n\u2028]/)) assert.doesNotMatch(line, /^ *process\.exit/);
  });
});

describe('a path that a record brought', () => {
  const project = useProjects({ inShell: true });

  it('leads replay --out out of its directory for no topic', async () => {
    const here = project('esm-project');
    here.write(
      'away.mjs',
      `import { serdes, to, topology } from 'millrace';
export default topology('away', (t) => {
  const json = { key: serdes.string, value: serdes.json() };
  t.stream('in', json).pipe(to(({ value }) => value.topic, { ...json, name: 'away' }));
});
`,
    );
    await here.output('produce in', '{"topic":"../stolen"}\n');
    const { code, stderr } = await here.millrace('replay away.mjs --out outputs');
    assert.equal(code, 2);
    assert.match(stderr, /cannot name a directory at the topic: saw "\.\.\/stolen"/);
    assert.equal(existsSync(here.path('stolen.jsonl')), false);
  });

  it('is a link in the directory of replay --out: the link is replaced, and what it leads to stays', async () => {
    const here = project('esm-project');
    const topic = 'o'.repeat(249);
    here.write(
      'linked.mjs',
      `import { serdes, to, topology } from 'millrace';
export default topology('linked', (t) => {
  const json = { key: serdes.string, value: serdes.json() };
  t.stream('in', json).pipe(to(({ value }) => value.topic, { ...json, name: 'away' }));
});
`,
    );
    await here.output('produce in', `{"topic":"linked"}\n{"topic":"${topic}"}\n`);
    mkdirSync(here.path('outputs'));
    here.write('precious', 'as it was');
    symlinkSync('../precious', here.path('outputs/linked.jsonl'));
    for (let again = 0; again < 2; again++) {
      await here.output('replay linked.mjs --out outputs');
      assert.equal(readFileSync(here.path('precious'), 'utf8'), 'as it was');
      for (const name of ['linked', topic])
        assert.match(readFileSync(here.path(`outputs/${name}.jsonl`), 'utf8'), /^\{"topic":.*\}\n$/);
    }
  });
});
