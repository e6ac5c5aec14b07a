import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { openBroker, type Serde, serdes } from '#src/index.js';
import { Headers } from '#src/model/headers.js';
import { asKey } from '#src/serdes/serde.js';
import { projectFile } from '../support/project.js';
import { type Project, useProjects } from './support.js';

/** What is written to the topic of each kind of key: two keys that a command might take for one. */
const KEYS: Record<string, { readonly serde: Serde<any>; readonly keys: readonly [unknown, unknown] }> = {
  string: { serde: serdes.string, keys: ['"a"', 'a'] },
  bytes: { serde: serdes.bytes, keys: [Buffer.from([0, 255, 0]), Buffer.from('AP8A')] },
  int64: { serde: serdes.int64, keys: [5, -5] },
  bigint64: { serde: serdes.bigint64, keys: [2n ** 53n + 1n, 2n ** 53n] },
  double: { serde: serdes.double, keys: [-0, 0] },
  uuid: {
    serde: serdes.uuid,
    keys: ['f81d4fae-7dec-11d0-a765-00a0c91e6bf6', 'f81d4fae-7dec-11d0-a765-00a0c91e6bf7'],
  },
  json: { serde: asKey(serdes.json()), keys: [{ id: '5', __proto__: null }, { id: 5 }] },
  date: { serde: dates(), keys: [new Date(0), new Date(1)] },
  url: { serde: urls(), keys: [new URL('http://a/'), new URL('http://b/')] },
};

function dates(): Serde<Date> {
  return {
    name: 'date',
    encode: (date) => serdes.int64.encode(date.getTime()),
    decode: (bytes) => new Date(serdes.int64.decode(bytes)),
  };
}

function urls(): Serde<URL> {
  return {
    name: 'url',
    encode: (url) => serdes.string.encode(url.href),
    decode: (bytes) => new URL(serdes.string.decode(bytes)),
  };
}

const SERDES = `
import { serdes } from 'millrace';
const date = (${dates})();
const url = (${urls})();
export const BUG = true;
const most = (n) => (BUG ? n : Math.min(n, 3));
`;

/** Counts by keys of each kind, and in windows of them. With the bug no count ends at three. */
const COUNTS = `${SERDES}
import { aggregate, topology, tumbling } from 'millrace';
export default topology('counts', (t) => {
  for (const [name, key] of Object.entries({ ...serdes, json: serdes.json(), date, url })) {
    if (!${JSON.stringify(Object.keys(KEYS))}.includes(name)) continue;
    const input = t.stream('in-' + name, { key, value: serdes.json() });
    const counts = { value: serdes.int64, initial: () => 0, add: (n) => most(n + 1) };
    input.pipe(aggregate({ store: name, ...counts }));
    input.pipe(aggregate({ store: name + '-windows', ...counts, window: tumbling('1m') }));
  }
});
`;

/** Kinds of which windows are looked at, too. */
const WINDOWED = ['bytes', 'bigint64', 'url'];
const storesOf = (name: string): string[] => (WINDOWED.includes(name) ? [name, `${name}-windows`] : [name]);

const RECORDS = 10;

async function feed(
  here: Project,
  topics: Readonly<Record<string, readonly (readonly [Buffer | null, Buffer | null])[]>>,
) {
  const broker = await openBroker(`embedded:${here.path('.millrace/broker')}`);
  const names = Object.keys(topics);
  await broker.admin.createTopics(names.map((name) => ({ name, partitions: 1, config: { 'retention.ms': '-1' } })));
  const writer = await broker.createWriter();
  for (const [topic, records] of Object.entries(topics))
    await writer.write(
      records.map(([key, value], i) => ({ topic, partition: 0, key, value, timestamp: i, headers: Headers.none })),
    );
  await writer.flush();
  await writer.close();
  await broker.close();
}

const counted = (): Record<string, [Buffer, Buffer][]> =>
  Object.fromEntries(
    Object.entries(KEYS).map(([name, { serde, keys }]) => [
      `in-${name}`,
      Array.from({ length: RECORDS }, (_, i) => [serde.encode(keys[i % 2]), Buffer.from('1')]),
    ]),
  );

interface Outcome {
  readonly title: string;
  readonly failure: string | undefined;
}

/** Runs exported tests in one process: what became of each. */
function outcomes(files: readonly string[]): readonly Outcome[] {
  const mocha = projectFile('node_modules/mocha/bin/mocha.js');
  const loader = pathToFileURL(projectFile('node_modules/tsx/dist/loader.mjs')).href;
  const args = ['--import', loader, mocha, '--no-config', '--timeout', '20000', '--reporter', 'json', ...files];
  // A command that this process ran has named the tsconfig of its project.
  const env = { ...process.env, TSX_TSCONFIG_PATH: undefined };
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1e8, env });
  assert.ok(stdout.startsWith('{'), stdout + stderr);
  const { tests } = JSON.parse(stdout) as { tests: { title: string; err: { message?: string } }[] };
  return tests.map(({ title, err }) => ({ title, failure: err.message }));
}

describe('a key, as a command prints it,', () => {
  const project = useProjects({ inShell: true });

  it('is taken by each command that asks for one, of each serde, and of windows', async function () {
    this.timeout(600_000);
    const here = project('esm-project');
    here.write('counts.mjs', COUNTS);
    await feed(here, counted());
    for (const name of Object.keys(KEYS)) {
      for (const store of storesOf(name)) {
        const rows = await here.lines(`state dump counts.mjs --store ${store} --as-of latest`);
        assert.equal(rows.length, 2, store);
        for (const [i, { key, value }] of rows.entries()) {
          const ofEvent = store === name ? key : key.key;
          const typed = JSON.stringify(key);
          const asked = `counts.mjs|--store|${store}|--key|${typed}`;
          const [row] = await here.lines(`state|get|${asked}|--as-of|latest`);
          assert.deepEqual([row.key, row.value], [key, value], typed);
          if (i > 0) continue;
          const history = await here.lines(`history|${asked}|--format|json`);
          assert.deepEqual(
            history.map((change) => [change.key, change.value]),
            [1, 2, 3, 4, 5].map((n) => [key, n]),
            typed,
          );
          const [found] = await here.lines(`bisect|${asked}|--when|value > 1|--format|json`);
          assert.deepEqual(found.change.key, key, typed);
          assert.deepEqual(found.change.event.key, ofEvent);
          if (store !== name) continue;
          const traces = await here.lines(`trace|counts.mjs|--key|${JSON.stringify(ofEvent)}|--format|json`);
          assert.ok(traces.some(({ event }) => event.topic === `in-${name}`));
        }
      }
      const read = await here.lines(`consume|in-${name}|--topology|counts.mjs|--until-end`);
      const keys = new Set(read.map(({ key }) => JSON.stringify(key)));
      assert.equal(keys.size, 2, name);
      // And sent again it is the same record.
      const lines = [...keys].map((key) => `{"k":${key}}`).join('\n');
      await here.output(`produce|in-${name}|--topology|counts.mjs|--key|k`, lines);
      const again = await here.lines(`consume|in-${name}|--topology|counts.mjs|--until-end`);
      assert.deepEqual(new Set(again.map(({ key }) => JSON.stringify(key))), keys, name);
    }
  });

  it('without a topology is the same bytes again', async () => {
    const here = project('esm-project');
    await feed(here, {
      in: [
        [Buffer.from([0, 255]), null],
        [Buffer.from('{"base64":"AP8="}'), null],
      ],
    });
    const read = await here.lines('consume in --until-end');
    await here.output('produce copy --key key', read.map((record) => JSON.stringify(record)).join('\n'));
    const copied = await here.lines('consume copy --until-end');
    assert.deepEqual(
      copied.map(({ key }) => key),
      [{ base64: 'AP8=' }, '{"base64":"AP8="}'],
    );
  });
});

/** Ways to go wrong, by store: how, what is fed in, and by what it is noticed. */
const WAYS = `${SERDES}
import { aggregate, groupBy, joinTable, mapValues, process, session, topology } from 'millrace';
const json = { key: serdes.string, value: serdes.json() };
const sums = { value: serdes.json(), initial: () => 0, add: (n, { value }) => most(n + value) };
export default topology('ways', (t) => {
  const input = t.stream('in', json);
  const rows = t.table('rows', { ...json, store: 'rows' });
  input.pipe(aggregate({ store: 'fold', ...sums }));
  input.pipe(aggregate({ store: 'sessions', ...sums, window: session('1m'), merge: (n, m) => most(n + m) }));
  input.pipe(groupBy(() => 'all', { ...json, name: 'all', partitions: 3 }), aggregate({ store: 'regrouped', ...sums }));
  input.pipe(joinTable(rows, (n, row) => n * row), aggregate({ store: 'joined', ...sums }));
  input.pipe(aggregate({ store: 'gone', ...sums, add: (n, { value }) => (BUG && n > 2 ? null : n + value) }));
  input.pipe(
    mapValues((n) => { if (n === 7) throw new Error('seven'); return n; }),
    aggregate({ store: 'skipping', ...sums }),
  );
  input.pipe(
    process({
      name: 'ticks',
      stores: { ticks: { key: serdes.string, value: serdes.json() } },
      start: ({ schedule, stores }) => schedule('1ms', 'stream', async () => {
        await stores.ticks.load('tick');
        stores.ticks.put('tick', most((stores.ticks.get('tick') ?? 0) + 1));
      }),
      process: () => undefined,
    }),
  );
});
`;

/** Stores of values of each kind. */
const VALUES = `${SERDES}
import { aggregate, topology } from 'millrace';
export default topology('values', (t) => {
  const input = t.stream('in', { key: serdes.string, value: serdes.json() });
  const store = (name, value, of) =>
    input.pipe(aggregate({ store: name, value, initial: () => of(0), add: (_, { value: n }) => of(most(n)) }));
  store('string', serdes.string, String);
  store('bytes', serdes.bytes, (n) => Buffer.from([n]));
  store('int64', serdes.int64, (n) => n);
  store('bigint64', serdes.bigint64, BigInt);
  store('double', serdes.double, (n) => (n > 3 ? Number.NaN : n));
  store('json', serdes.json(), (n) => ({ n }));
  store('date', date, (n) => new Date(n));
  store('url', url, (n) => new URL('http://a/' + n));
});
`;

describe('a test that bisect exports', () => {
  const project = useProjects({ inShell: true });

  /** Exports tests, sees each of them fail for the predicate, and pass when the bug is gone. */
  async function assertRight(
    here: Project,
    file: string,
    found: readonly { readonly store: string; readonly when: string; readonly more?: string }[],
  ): Promise<void> {
    const files: string[] = [];
    for (const [i, { store, when, more = '' }] of found.entries()) {
      const name = `${i}-${store}.test.mjs`;
      const { code, stderr } = await here.millrace(
        `bisect|${file}|--store|${store}|--when|${when}|--export-test|${name}${more}`,
      );
      assert.equal(code, 0, `${store}: ${stderr}`);
      files.push(here.path(name));
    }
    const failed = outcomes(files);
    assert.equal(failed.length, found.length);
    for (const { title, failure } of failed) assert.match(failure ?? 'it passed', / is \S/, title);
    here.write(file, readFileSync(here.path(file), 'utf8').replace('BUG = true', 'BUG = false'));
    for (const { title, failure } of outcomes(files)) assert.equal(failure, undefined, title);
  }

  it('fails for its predicate and passes after the fix, for keys of each serde and windows of them', async function () {
    this.timeout(600_000);
    const here = project('esm-project');
    here.write('counts.mjs', COUNTS);
    await feed(here, counted());
    const stores = Object.keys(KEYS).flatMap(storesOf);
    await assertRight(
      here,
      'counts.mjs',
      stores.map((store) => ({ store, when: 'value > 3' })),
    );
  });

  it('fails for its predicate and passes after the fix, for values of each serde', async () => {
    const here = project('esm-project');
    here.write('values.mjs', VALUES);
    await feed(here, { in: [1, 2, 3, 4].map((n) => [Buffer.from('a'), Buffer.from(String(n))]) });
    await assertRight(here, 'values.mjs', [
      { store: 'string', when: "value === '4'" },
      { store: 'bytes', when: 'value[0] > 3' },
      { store: 'int64', when: 'value > 3' },
      { store: 'bigint64', when: 'value > 3n' },
      { store: 'double', when: 'Number.isNaN(value)' },
      { store: 'json', when: 'value.n > 3' },
      { store: 'date', when: 'value.getTime() > 3' },
      { store: 'url', when: "value.pathname === '/4'" },
    ]);
  });

  it('fails for its predicate and passes after the fix, however a row goes wrong', async () => {
    const here = project('esm-project');
    here.write('ways.mjs', WAYS);
    here.write('large.mjs', 'export default ({ value }) => value > 3;');
    await feed(here, {
      rows: [[Buffer.from('a'), Buffer.from('1')]],
      in: [1, 2, 7, 2, 1, 1].map((n) => [Buffer.from('a'), Buffer.from(String(n))]),
    });
    const more = '|--on-error|process=skip';
    await assertRight(
      here,
      'ways.mjs',
      [
        { store: 'fold', when: 'value > 3' },
        { store: 'fold', when: 'large.mjs' },
        { store: 'fold', when: 'before !== null && value - before > 1 && value > 4' },
        { store: 'sessions', when: 'value > 3' },
        { store: 'regrouped', when: 'value > 3' },
        { store: 'joined', when: 'value > 3' },
        { store: 'gone', when: 'value === null' },
        { store: 'skipping', when: 'value > 3' },
        { store: 'ticks', when: 'value > 3' },
      ].map((one) => ({ ...one, more })),
    );
  });
});
