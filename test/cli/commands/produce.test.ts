import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { main } from '#src/cli/main.js';
import { useProjects } from '../support.js';
import { testIo } from '../test-io.js';

describe('millrace produce', () => {
  const project = useProjects({ inShell: true });
  const numbered = (count: number): string =>
    Array.from({ length: count }, (_, n) => `{"n":${n},"key":"k${n % 5}"}\n`).join('');

  it('writes each line as it is, with the key and the time of its fields', async () => {
    const { write, output, lines } = bound(project('esm-project'));
    const raw = [
      '{"id": "a",  "at":1700000000000}',
      '{"at":"2026-01-01T00:00:00Z","id":{"n":1.50}}',
      '{"id":null,"at":5}',
    ];
    write('in.jsonl', `\uFEFF${raw.join('\r\n')}`);
    await output('produce things in.jsonl --key id --timestamp at');
    const records = await lines('consume things --until-end');
    assert.deepEqual(
      records.map(({ key, timestamp, offset }) => ({ key, timestamp, offset })),
      [
        { key: 'a', timestamp: 1_700_000_000_000, offset: 0 },
        { key: '{"n":1.5}', timestamp: Date.UTC(2026, 0, 1), offset: 1 },
        { key: null, timestamp: 5, offset: 2 },
      ],
    );
    assert.deepEqual((await output('consume things --until-end --format value')).trimEnd().split('\n'), raw);
  });

  it('finds a field by the dots of its name', async () => {
    const { output, lines } = bound(project('esm-project'));
    await output('produce things --key user.id', '{"user":{"id":"u1"}}\n{"user.id":"u2"}\n');
    assert.deepEqual(
      (await lines('consume things --until-end')).map(({ key }) => key),
      ['u1', 'u2'],
    );
  });

  it('takes a time that does not say how far it is from UTC for UTC, wherever the machine is', async () => {
    const { TZ } = process.env;
    process.env.TZ = 'America/New_York';
    try {
      const { output, lines } = bound(project('esm-project'));
      const times = ['2026-01-31T12:00', '2026-01-31 12:00:00', '2026-01-31', '2026-01-31T12:00-02:00'];
      await output('produce things --timestamp at', times.map((at) => `${JSON.stringify({ at })}\n`).join(''));
      assert.deepEqual(
        (await lines('consume things --until-end')).map(
          ({ timestamp }) => (timestamp - Date.UTC(2026, 0, 31)) / 3_600_000,
        ),
        [12, 12, 0, 14],
      );
    } finally {
      if (TZ === undefined) delete process.env.TZ;
      else process.env.TZ = TZ;
    }
  });

  it("sends equal keys to one partition, that of Kafka's own clients, and lines without a key in turns", async () => {
    const { output, lines } = bound(project('esm-project'));
    await output('produce things --key key --partitions 3', numbered(50));
    const partitions = new Map<string, Set<number>>();
    for (const { key, partition } of await lines('consume things --until-end')) {
      partitions.set(key, (partitions.get(key) ?? new Set()).add(partition));
    }
    assert.equal(partitions.size, 5);
    for (const seen of partitions.values()) assert.equal(seen.size, 1);
    await output('produce turns --partitions 3', numbered(6));
    const counts = (await lines('consume turns --until-end')).map(({ partition }) => partition).sort();
    assert.deepEqual(counts, [0, 0, 1, 1, 2, 2]);
  });

  it('duplicates and shuffles by the seed: the same seed, the same records', async () => {
    const { output, millrace, write } = bound(project('esm-project'));
    write('in.jsonl', numbered(1_000));
    const values = async (topic: string, seed: number): Promise<string> => {
      const args = `produce ${topic} in.jsonl --duplicate 5% --shuffle 20 --seed ${seed}`;
      const { code, stderr } = await millrace(args);
      assert.equal(code, 0, stderr);
      assert.match(
        stderr,
        new RegExp(
          `^created the topic ${topic} \\(1 partition\\)\nsent 1,0\\d\\d records to ${topic} \\((3|4|5|6|7)\\d duplicated, \\d+ displaced\\)\n$`,
        ),
      );
      return output(`consume ${topic} --until-end --format value`);
    };
    const first = await values('one', 7);
    assert.equal(await values('two', 7), first);
    assert.notEqual(await values('three', 8), first);
    const numbers = first
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).n as number);
    assert.equal(new Set(numbers).size, 1_000);
    const originals = [...new Set(numbers)];
    for (const [place, n] of originals.entries()) assert.ok(Math.abs(place - n) <= 20, `${n} at ${place}`);
    assert.notDeepEqual(
      originals,
      [...originals].sort((a, b) => a - b),
    );
  });

  const bad: readonly [what: string, line: string, args: string, message: RegExp][] = [
    ['that is no JSON', '{"account":', '--key account', /^INPUT_INVALID: cannot parse a line at in\.jsonl:3: /],
    ['without the key', '{"id":1}', '--key account', /in\.jsonl:3: saw the fields id, expected the field/],
    [
      'without a time',
      '{"account":"a","at":"noon"}',
      '--key account --timestamp at',
      /"at" is not a time at in\.jsonl:3: saw "noon"/,
    ],
    [
      'on a day that there is not',
      '{"account":"a","at":"2026-02-31T12:00:00Z"}',
      '--key account --timestamp at',
      /"at" is not a time at in\.jsonl:3: saw "2026-02-31T12:00:00Z"/,
    ],
    ['with a key that lost digits', '{"account":12345678901234567890}', '--key account', /in\.jsonl:3: .*lost digits/],
    [
      'with a key in which a number lost digits',
      '{"account":{"id":[9007199254740993]}}',
      '--key account',
      /in\.jsonl:3: .*9007199254740992, which has lost digits/,
    ],
    [
      'with half an emoji as its key',
      '{"account":"a\\ud83d"}',
      '--key account',
      /in\.jsonl:3: .*without lone surrogates/,
    ],
    [
      'with half an emoji within its key',
      '{"account":{"id":["\\\\ \\ud83d"]}}',
      '--key account',
      /in\.jsonl:3: .*without lone surrogates/,
    ],
    [
      'with half an emoji as the name of a field of its key',
      '{"account":{"\\udc00":1}}',
      '--key account',
      /in\.jsonl:3: .*without lone surrogates/,
    ],
    [
      'with a time after the last one',
      '{"account":"a","at":8640000000000001}',
      '--key account --timestamp at',
      /"at" is not a time at in\.jsonl:3: saw 8640000000000001, expected .* up to 8640000000000000/,
    ],
    ['that is no object', '7', '--key account', /in\.jsonl:3: saw 7/],
  ];
  it('half an emoji is no key to serdes of JSON, either; what only looks like its escape is one', async () => {
    const { write, millrace, lines, output } = bound(project('esm-project'));
    write(
      'keyed.mjs',
      `import { serdes, to, topology } from 'millrace';
      const json = { key: serdes.json(), value: serdes.json() };
      export default topology('keyed', (t) => t.stream('things', json).pipe(to('out', json)));`,
    );
    const key = { text: '\\ud83d', emoji: '\ud83d\ude00' };
    await output('produce things --key id --topology keyed.mjs', JSON.stringify({ id: key }));
    for (const id of ['"\\ud83d"', '{"a":"\\ud83d"}']) {
      const { code, stderr } = await millrace('produce things --key id --topology keyed.mjs', `{"id":${id}}`);
      assert.equal(code, 1);
      assert.match(stderr, /^INPUT_INVALID: the field "id" cannot be a key at standard input:1/m);
    }
    assert.deepEqual(
      (await lines('consume things --until-end --topology keyed.mjs')).map((record) => record.key),
      [key],
    );
  });

  for (const [what, line, args, message] of bad) {
    it(`a line ${what}: INPUT_INVALID with its number; it ends the sending`, async () => {
      const { write, millrace, lines } = bound(project('esm-project'));
      const good = ['{"account":"a","at":1}', '{"account":"b","at":2}'];
      write('in.jsonl', [...good, line, '{"account":"c","at":3}'].join('\n'));
      const { code, stderr } = await millrace(`produce things in.jsonl ${args} --shuffle 10`);
      assert.equal(code, 1);
      const [created, sent, error = ''] = stderr.split('\n');
      assert.equal(created, 'created the topic things (1 partition)');
      assert.match(error, message);
      assert.equal(
        sent,
        `sent 2 records to things (0 duplicated, ${sent?.includes('2 displaced') ? 2 : 0} displaced), not all of the input`,
      );
      assert.deepEqual((await lines('consume things --until-end')).map(({ key }) => key).sort(), ['a', 'b']);
    });
  }

  it('a line that the broker refuses: PRODUCE_FAILED with its file and number, exit code 3', async () => {
    const { write, millrace, lines } = bound(project('esm-project'));
    const large = JSON.stringify({ account: 'b', text: 'x'.repeat(2_000_000) });
    write('in.jsonl', ['{"account":"a"}', '', large].join('\n'));
    const { code, stderr } = await millrace('produce things in.jsonl --key account');
    assert.equal(code, 3);
    assert.match(
      stderr,
      /^PRODUCE_FAILED: the broker refused the line in\.jsonl:3: .*2000\d+ bytes.*The lines before it/m,
    );
    assert.deepEqual(
      (await lines('consume things --until-end')).map(({ key }) => key),
      ['a'],
    );
  });

  it('keys are written as the topology reads them: text as JSON text, whole numbers as bigints', async () => {
    const { write, output, lines, millrace } = bound(project('esm-project'));
    write(
      'keys.cjs',
      `const { count, serdes, topology } = require('millrace');
      module.exports = topology('keys', (t) => {
        t.stream('json', { key: serdes.json(), value: serdes.json() }).pipe(count({ store: 'of-json' }));
        t.stream('big', { key: serdes.bigint64, value: serdes.json() }).pipe(count({ store: 'of-big' }));
      });`,
    );
    await output('produce json --topology keys.cjs --key id', '{"id":"5"}\n{"id":5}\n{"id":"five"}\n{"id":{"a":1}}\n');
    await output('produce big --topology keys.cjs --key id', '{"id":5}\n{"id":"9007199254740993"}\n');
    await output('run keys.cjs --until-idle');
    const kept = async (store: string) =>
      (await lines(`state dump keys.cjs --store ${store}`)).map(({ key, value }) => [key, value]);
    assert.deepEqual(await kept('of-json'), [
      ['5', 1],
      ['five', 1],
      [5, 1],
      [{ a: 1 }, 1],
    ]);
    assert.deepEqual(await kept('of-big'), [
      ['5', 1],
      ['9007199254740993', 1],
    ]);
    // Looked up as they are told apart; what may be several keys, or is no number, is none.
    const [found] = await lines('state get keys.cjs --store of-big --key 9007199254740993');
    assert.equal(found.value, 1);
    for (const [store, key] of [
      ['of-json', '9007199254740993'],
      ['of-json', '{"id":9007199254740993}'],
      ['of-big', '0x5'],
      ['of-big', ''],
    ]) {
      for (const command of ['state|get', 'history']) {
        const { code, stderr } = await millrace(`${command}|keys.cjs|--store|${store}|--key|${key}`);
        assert.equal(code, 2, stderr);
        assert.match(stderr, /^USAGE: cannot read --key/);
      }
    }
  });

  it('bytes that are no UTF-8 are INPUT_INVALID', async () => {
    const { millrace } = bound(project('esm-project'));
    const { code, stderr } = await millrace('produce things', Buffer.from([0x22, 0xff, 0x22, 0x0a]));
    assert.equal(code, 1);
    assert.match(stderr, /INPUT_INVALID: cannot read a line at standard input:1: saw bytes that are not UTF-8/);
  });

  it('a topic with another number of partitions than asked for: TOPIC_MISMATCH, exit code 3', async () => {
    const { output, millrace } = bound(project('esm-project'));
    await output('produce things', '1\n');
    const { code, stderr } = await millrace('produce things --partitions 2', '1\n');
    assert.equal(code, 3);
    assert.match(stderr, /^TOPIC_MISMATCH: .*at things: saw 1, expected 2/);
  });

  it('the first signal sends what was read, and says by exit code 143 that it is not all', async () => {
    const { directory, lines } = bound(project('esm-project'));
    let reads = 0;
    const input = new Readable({
      // Asked for more only when what was pushed has been taken.
      highWaterMark: 1,
      read() {
        if (++reads === 1) this.push('{"n":1}\n{"n":');
        else setImmediate(() => io.signal('SIGTERM'));
      },
    });
    const io = testIo({ cwd: directory, stdin: input });
    assert.equal(await main(['produce', 'things'], io), 143);
    assert.match(io.errors(), /sent 1 record to things .*, not all of the input/);
    assert.deepEqual(
      (await lines('consume things --until-end')).map(({ value }) => value),
      [{ n: 1 }],
    );
  });
});

function bound(project: ReturnType<ReturnType<typeof useProjects>>) {
  return {
    directory: project.directory,
    millrace: project.millrace.bind(project),
    output: project.output.bind(project),
    lines: project.lines.bind(project),
    write: project.write.bind(project),
  };
}
