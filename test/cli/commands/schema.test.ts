// Promise: `millrace schema` says of a change whether it can be made, before it is made, with a reason and an exit code.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { main } from '#src/cli/main.js';
import { RegistryServer } from '../../support/registry-server.js';
import { jsonLines, type Project, type Result, useProjects } from '../support.js';
import { testIo } from '../test-io.js';

/** Runs millrace to its end, in this process: there are many. Arguments as of {@link Project.start}. */
async function millrace(here: Project, args: string, input = ''): Promise<Result> {
  const io = testIo({ cwd: here.directory, stdin: Readable.from([Buffer.from(input)]) });
  const code = await main(args.includes('|') ? args.split('|') : args.split(' '), io);
  return { code, stdout: io.output(), stderr: io.errors() };
}

async function output(here: Project, args: string): Promise<string> {
  const { code, stdout, stderr } = await millrace(here, args);
  assert.equal(code, 0, `millrace ${args} ended with ${code}:\n${stderr}`);
  return stdout;
}

const lines = async (here: Project, args: string): Promise<any[]> => jsonLines(await output(here, args));

const order = (...more: readonly object[]) =>
  JSON.stringify({
    type: 'record',
    name: 'Order',
    namespace: 'shop',
    fields: [{ name: 'id', type: 'string' }, ...more],
  });
const optional = { name: 'cents', type: 'long', default: 0 };
const needed = { name: 'needed', type: 'string' };

describe('millrace schema', () => {
  const project = useProjects();
  let here: Project;

  beforeEach(() => {
    here = project('esm-project');
    mkdirSync(here.path('schemas'));
    here.write('schemas/orders-value.avsc', order());
  });

  const git = (...args: readonly string[]): void => {
    const { status, stderr } = spawnSync('git', ['-c', 'user.name=n', '-c', 'user.email=e@x', ...args], {
      cwd: here.directory,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
  };

  it('registers a directory, and leaves what is there as it is', async () => {
    here.write(
      'schemas/z-money.avsc',
      JSON.stringify({ type: 'record', name: 'Money', namespace: 'shop', fields: [{ name: 'cents', type: 'long' }] }),
    );
    here.write(
      'schemas/a-price.avsc',
      JSON.stringify({ type: 'record', name: 'Price', namespace: 'shop', fields: [{ name: 'amount', type: 'Money' }] }),
    );
    const first = await output(here, 'schema register');
    assert.match(first, /^orders-value: version 1, id \d+\nz-money: version 1, id \d+\na-price: version 1, id \d+\n$/);
    assert.equal(await output(here, 'schema register schemas'), first.replaceAll('\n', ', as it was\n'));
    const index = JSON.parse(readFileSync(here.path('schemas/index.json'), 'utf8'));
    assert.deepEqual(index.subjects['a-price'].versions[0].references, [
      { name: 'shop.Money', subject: 'z-money', version: 1 },
    ]);
    assert.deepEqual(
      (await lines(here, 'schema list --format json')).map(({ subject, versions, compatibility }) => [
        subject,
        versions,
        compatibility,
      ]),
      [
        ['a-price', [1], 'BACKWARD'],
        ['orders-value', [1], 'BACKWARD'],
        ['z-money', [1], 'BACKWARD'],
      ],
    );
    assert.match(await output(here, 'schema list'), /│ orders-value +│ 1 +│ \d+ +│ AVRO │ BACKWARD/);
  });

  it('checks against what is registered: exit code 0 if all can be, 1 with the field and the reason if not', async () => {
    assert.equal(await output(here, 'schema check'), '✓ orders-value: new\n');
    await output(here, 'schema register');
    assert.equal(await output(here, 'schema check'), '✓ orders-value: unchanged\n');
    here.write('schemas/orders-value.avsc', order(optional));
    assert.equal(await output(here, 'schema check'), '✓ orders-value: BACKWARD with version 1\n');
    here.write('schemas/orders-value.avsc', order(needed));
    const { code, stdout, stderr } = await millrace(here, 'schema check');
    assert.deepEqual(
      [code, stdout, stderr],
      [
        1,
        '✗ orders-value: not BACKWARD with version 1\n    Order.needed: the field has no default, and was not written before (the new schema cannot read what version 1 wrote)\n',
        '1 of 1 schemas cannot replace the existing ones\n',
      ],
    );
    const refused = await millrace(here, 'schema register');
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, /SCHEMA_INCOMPATIBLE: .*Order\.needed/);
  });

  for (const [mode, code] of [
    ['NONE', 0],
    ['BACKWARD', 1],
    ['BACKWARD_TRANSITIVE', 1],
    ['FORWARD', 0],
    ['FORWARD_TRANSITIVE', 0],
    ['FULL', 1],
    ['FULL_TRANSITIVE', 1],
  ] as const) {
    it(`checks in the mode ${mode}`, async () => {
      await output(here, 'schema register');
      here.write('schemas/orders-value.avsc', order(optional));
      await output(here, 'schema register');
      here.write('schemas/orders-value.avsc', order(needed));
      const result = await millrace(here, `schema check --mode ${mode}`);
      assert.equal(result.code, code, result.stdout + result.stderr);
      if (mode === 'BACKWARD_TRANSITIVE')
        assert.match(result.stdout, /with versions 1, 2\n(.*\n)*.*what version 2 wrote\)\n.*what version 1 wrote\)/);
    });
  }

  it('checks against a revision of git', async () => {
    git('init', '-q');
    git('add', 'schemas');
    git('commit', '-qm', 'first');
    here.write('schemas/orders-value.avsc', order(needed));
    here.write('schemas/new-value.avsc', '"string"');
    const { code, stdout } = await millrace(here, 'schema check --against HEAD');
    assert.deepEqual(
      [code, stdout],
      [
        1,
        '✓ new-value: new\n✗ orders-value: not BACKWARD with HEAD\n    Order.needed: the field has no default, and was not written before (the new schema cannot read what the schema in HEAD wrote)\n',
      ],
    );
    assert.equal((await millrace(here, 'schema check --against HEAD --mode FORWARD')).code, 0);
    const unknown = await millrace(here, 'schema check --against nowhere');
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /cannot look at schemas in nowhere/);
  });

  it('shows schemas, and what changed between versions', async () => {
    await output(here, 'schema register');
    here.write('schemas/orders-value.avsc', order(optional));
    const id = /id (\d+)/.exec(await output(here, 'schema register'))?.[1];
    assert.deepEqual(JSON.parse(await output(here, 'schema show orders-value')), JSON.parse(order(optional)));
    assert.deepEqual(
      JSON.parse(await output(here, 'schema show orders-value --version-number 1')),
      JSON.parse(order()),
    );
    assert.deepEqual(JSON.parse(await output(here, `schema show --id ${id}`)), JSON.parse(order(optional)));
    assert.equal((await millrace(here, 'schema show')).code, 2);
    assert.equal((await millrace(here, 'schema show nothing')).code, 1);
    assert.equal(
      await output(here, 'schema diff orders-value'),
      'version 1 → version 2\n  + shop.Order.cents: long, default 0\n  version 2 reads what version 1 wrote\n  version 1 reads what version 2 wrote\n',
    );
    here.write('schemas/orders-value.avsc', order(needed));
    assert.equal(
      await output(here, 'schema diff orders-value 2 schemas/orders-value.avsc'),
      'version 2 → schemas/orders-value.avsc\n  + shop.Order.needed: string\n  - shop.Order.cents: long, default 0\n  schemas/orders-value.avsc cannot read what version 2 wrote\n    Order.needed: the field has no default, and was not written before\n  version 2 reads what schemas/orders-value.avsc wrote\n',
    );
  });

  it('generates types, and fails in a check when they are stale', async () => {
    assert.equal(await output(here, 'schema generate --out src/generated'), 'src/generated/orders-value.ts\n');
    assert.match(
      readFileSync(here.path('src/generated/orders-value.ts'), 'utf8'),
      /export interface Order \{\n {2}readonly id: string;/,
    );
    assert.equal(await output(here, 'schema generate --out src/generated --check'), '1 files match their schemas\n');
    assert.equal(await output(here, 'schema generate --out src/generated'), 'nothing has changed\n');
    here.write('schemas/orders-value.avsc', order(optional));
    const stale = await millrace(here, 'schema generate --out src/generated --check');
    assert.deepEqual([stale.code, stale.stderr], [1, 'src/generated/orders-value.ts does not match its schema\n']);
    await output(here, 'schema generate --out src/generated');
    here.write('schemas/other.avsc', '"int"');
    await output(here, 'schema generate --out src/generated');
    rmSync(here.path('schemas/other.avsc'));
    const left = await millrace(here, 'schema generate --out src/generated --check');
    assert.deepEqual([left.code, left.stderr], [1, 'src/generated/other.ts has no schema any more\n']);
  });

  it('registers what a topology writes, its internal topics included, and checks it', async () => {
    const write = (file: string, schema: string): void =>
      here.write(
        file,
        `const { aggregate, serdes, to, topology } = require('millrace');
      const { avro } = require('millrace/avro');
      const order = avro(${schema});
      module.exports = topology('shop', (t) => {
        t.stream('orders', { key: serdes.string, value: order }).pipe(
          aggregate({ store: 'last', value: order, initial: () => null, add: (_, record) => record.value }),
          to('latest', { key: serdes.string, value: order }),
        );
      });`,
      );
    write('avro.cjs', order());
    const { code, stderr } = await millrace(here, 'run avro.cjs --until-idle --schema-registry schemas');
    assert.equal(code, 1);
    assert.match(stderr, /SCHEMA_UNKNOWN: 2 schemas are not registered: .*shop-last-changelog-value.*latest-value/);
    assert.match(
      await output(here, 'schema register avro.cjs --schema-registry schemas'),
      /^latest-value: version 1, id \d+\nshop-last-changelog-value: version 1, id \d+\n$/,
    );
    await output(here, 'run avro.cjs --until-idle');
    // Before a change is rolled out.
    write('wider.cjs', order(optional));
    assert.equal(
      await output(here, 'schema check wider.cjs'),
      '✓ latest-value: BACKWARD with version 1\n✓ shop-last-changelog-value: BACKWARD with version 1\n',
    );
    write('wrong.cjs', order(needed));
    const wrong = await millrace(here, 'schema check wrong.cjs');
    assert.deepEqual(
      [wrong.code, wrong.stdout.match(/✗ [a-z-]+/g)],
      [1, ['✗ latest-value', '✗ shop-last-changelog-value']],
    );
    assert.equal((await millrace(here, 'schema check wrong.cjs --against HEAD')).code, 2);
  });

  it('asks a server, and says so when it does not get an answer', async () => {
    const server = await RegistryServer.start();
    try {
      const at = `--schema-registry ${server.url}`;
      assert.match(
        await output(here, `schema register schemas/orders-value.avsc --subject mine ${at}`),
        /^mine: version 1/,
      );
      assert.deepEqual(await server.registry.subjects(), ['mine']);
      assert.equal(await output(here, `schema check ${at}`), '✓ orders-value: new\n');
      server.fault = { status: 401 };
      const refused = await millrace(here, `schema list ${at}`);
      assert.deepEqual([refused.code, /REGISTRY_UNAUTHORIZED.*status 401/.test(refused.stderr)], [3, true]);
      assert.equal((await millrace(here, 'schema register schemas --subject x')).code, 2);
    } finally {
      await server.stop();
    }
  });

  it('without a registry says how to name one', async () => {
    const { code, stderr } = await millrace(here, 'schema list');
    assert.equal(code, 2);
    assert.match(stderr, /CONFIG_INVALID: there is no schema registry.*--schema-registry or SCHEMA_REGISTRY_URL/);
  });
});

describe('Avro on the command line', () => {
  const project = useProjects();
  const schema = {
    type: 'record',
    name: 'Order',
    namespace: 'shop',
    fields: [
      { name: 'id', type: 'string' },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
      { name: 'raw', type: ['null', 'bytes'], default: null },
    ],
  };

  function prepared(): Project {
    const here = project('esm-project');
    here.write(
      'orders.cjs',
      `const { aggregate, serdes, to, topology } = require('millrace');
      const { avro } = require('millrace/avro');
      const order = avro(${JSON.stringify(schema)});
      module.exports = topology('shop', (t) => {
        t.stream('orders', { key: avro('"string"'), value: order }).pipe(
          aggregate({ store: 'last', value: order, initial: () => null, add: (_, record) => record.value }),
          to('latest', { key: serdes.string, value: order }),
        );
      });`,
    );
    here.write('orders.jsonl', '{"id":"a","at":"2026-01-01T00:00:00Z"}\n{"id":"b","at":5,"raw":{"base64":"AQI="}}\n');
    return here;
  }
  const ALL = '--schema-registry schemas --register-schemas';

  it('look up windows of Avro keys, by key and as they are printed', async () => {
    const here = project('esm-project');
    here.write(
      'visits.cjs',
      `const { aggregate, serdes, session, topology } = require('millrace');
      const { avro } = require('millrace/avro');
      const visitor = { type: 'record', name: 'Visitor', fields: [{ name: 'id', type: 'string' }] };
      const fields = [{ name: 'by', type: visitor }, { name: 'pages', type: 'int' }, { name: 'at', type: 'long' }];
      const key = avro(visitor);
      const page = avro({ type: 'record', name: 'Page', fields });
      const visit = avro({ type: 'record', name: 'Visit', fields: [{ name: 'pages', type: 'int' }] });
      const add = (sum, record) => ({ pages: sum.pages + record.value.pages });
      module.exports = topology('visits', (t) => {
        t.stream('pages', { key, value: page }).pipe(
          aggregate({
            store: 'visits', key, value: visit, window: session('1m'), initial: () => ({ pages: 0 }), add,
            merge: (a, b) => ({ pages: a.pages + b.pages }),
          }),
        );
      });`,
    );
    here.write('pages.jsonl', '{"by":{"id":"x"},"pages":1,"at":0}\n{"by":{"id":"x"},"pages":2,"at":5}\n');
    await output(
      here,
      `run visits.cjs --input pages=pages.jsonl --input-key by --input-timestamp at --until-idle ${ALL}`,
    );
    const row = { store: 'visits', partition: 0, key: { key: { id: 'x' }, start: 0, end: 5 }, value: { pages: 3 } };
    const get = 'state|get|visits.cjs|--schema-registry|schemas|--store|visits|--key|';
    for (const text of ['{"id":"x"}', '{"key":{"id":"x"},"start":0,"end":5}']) {
      const [found] = await lines(here, `${get}${text}`);
      assert.deepEqual(found, { ...row, timestamp: 5 });
    }
    assert.deepEqual(await lines(here, 'state dump visits.cjs'), [row]);
  });
  const first = { id: 'a', at: '2026-01-01T00:00:00.000Z', raw: null };
  const second = { id: 'b', at: '1970-01-01T00:00:00.005Z', raw: { base64: 'AQI=' } };

  it('is fed, run, printed and looked at as JSON', async () => {
    const here = prepared();
    const printed = await lines(
      here,
      `run orders.cjs --input orders=orders.jsonl --input-key id --until-idle --print latest ${ALL}`,
    );
    assert.deepEqual(
      printed.map(({ key, value }) => [key, value]),
      [
        ['a', first],
        ['b', second],
      ],
    );
    assert.deepEqual(
      (await lines(here, 'state dump orders.cjs')).map(({ key, value }) => [key, value]),
      [
        ['a', first],
        ['b', second],
      ],
    );
    const [row] = await lines(here, 'state|get|orders.cjs|--store|last|--key|"b"');
    assert.deepEqual([row.key, row.value], ['b', second]);
    assert.equal((await lines(here, 'state list orders.cjs --count --format json'))[0].rows, 2);
  });

  it('is produced and consumed as a topology has it, or with the schemas that wrote it', async () => {
    const here = prepared();
    await output(here, `produce orders orders.jsonl --key id --topology orders.cjs ${ALL}`);
    const values = async (args: string): Promise<unknown[]> =>
      (await lines(here, `consume orders --until-end ${args}`)).map(({ key, value }) => [key, value]);
    assert.deepEqual(await values('--topology orders.cjs'), [
      ['a', first],
      ['b', second],
    ]);
    assert.deepEqual(await values('--schema-registry schemas'), [
      ['a', first],
      ['b', second],
    ]);
    const [bare] = await lines(here, 'consume orders --until-end --max 1');
    assert.equal(Buffer.from(bare.value.base64, 'base64')[0], 0);
    const { code, stderr } = await millrace(here, 'consume other --topology orders.cjs --until-end');
    assert.equal(code, 2);
    assert.match(stderr, /neither reads nor writes other/);
  });

  it('says which line does not fit the schema', async () => {
    const here = prepared();
    for (const [line, message] of [
      ['{"id":"a"}', /no field "at"/],
      ['{"id":"a","at":5,"more":1}', /the field "more"/],
      ['{"id":7,"at":5}', /saw the number 7 in id, expected string/],
      ['{"id":"a","at":"yesterday"}', /saw "yesterday" in at/],
      ['{"id":"a","at":5,"raw":"AQI="}', /saw "AQI=" in raw/],
    ] as const) {
      const { code, stderr } = await millrace(here, `produce orders - --topology orders.cjs ${ALL}`, `${line}\n`);
      assert.equal(code, 1);
      assert.match(stderr, message, line);
      assert.match(stderr, /INPUT_INVALID: .*standard input:1/);
    }
  });
});
