// Promise: what looks into the past reads and writes Avro as the application did, to the byte, and registers nothing.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { Broker, BrokerRecord } from '#src/broker/port.js';
import { aggregate, groupBy, joinTable, send, start, type Topology, to, topology } from '#src/index.js';
import {
  bisect,
  compare,
  history,
  type PastOptions,
  parseMoment,
  type ReplayedRecord,
  rebuildStore,
  replay,
  smallestSlice,
  stateAsOf,
  stateDiff,
  trace,
  verify,
} from '#src/replay/index.js';
import { systemClock } from '#src/runtime/config/system.js';
import { avro, MemoryRegistry } from '#src/serdes/avro/index.js';
import { Shell } from '../../cli/shell.js';
import { runTest, WorkingDirectory } from '../../cli/support.js';
import { failure } from '../../dsl/support.js';
import { projectFile, temporaryDirectory } from '../../support/project.js';

const card = avro({ type: 'record', name: 'Card', fields: [{ name: 'number', type: 'string' }] });
const account = avro({ type: 'record', name: 'Account', fields: [{ name: 'name', type: 'string' }] });
const FIELDS = [
  { name: 'account', type: 'string' },
  { name: 'cents', type: 'long' },
] as const;
const oldPayment = avro({ type: 'record', name: 'Payment', fields: FIELDS });
const payment = avro({
  type: 'record',
  name: 'Payment',
  fields: [...FIELDS, { name: 'currency', type: 'string', default: 'EUR' }],
});
const owner = avro({ type: 'record', name: 'Owner', fields: [{ name: 'account', type: 'string' }] });
const balance = avro({
  type: 'record',
  name: 'Balance',
  fields: [
    { name: 'cents', type: 'long' },
    { name: 'currency', type: 'string' },
  ],
});
/** A version that was never deployed. */
const balanceOfTomorrow = avro({
  type: 'record',
  name: 'Balance',
  fields: [
    { name: 'cents', type: 'long' },
    { name: 'currency', type: 'string' },
    { name: 'bonus', type: 'long', default: 0 },
  ],
});

/** Payments of cards, with their owners from a table, to balances of accounts behind a repartition. */
const bank = (kept: typeof balance = balance): Topology =>
  topology('bank', (t) => {
    const owners = t.table('owners', { key: card, value: owner, store: 'owners' });
    t.stream('payments', { key: card, value: payment })
      .pipe(
        joinTable(owners, (paid, { account: name }) => ({ ...paid, account: name })),
        groupBy((record) => ({ name: record.value.account }), { key: account, value: payment, name: 'by-account' }),
        aggregate({
          store: 'balances',
          value: kept,
          initial: () => ({ cents: 0, currency: '' }),
          add: ({ cents }, { value }) => ({ cents: cents + value.cents, currency: value.currency }),
        }),
      )
      .pipe(to('out', { key: account, value: kept }));
  });

const START = Date.UTC(2026, 0, 1);

class Life {
  readonly registry = new MemoryRegistry();
  readonly broker: Broker = new MemoryBroker({ clock: systemClock });
  readonly stateDirectory = temporaryDirectory();
  #minute = 0;

  static async begin(): Promise<Life> {
    const life = new Life();
    await life.broker.admin.createTopics(
      ['payments', 'owners', 'out'].map((name) => ({ name, partitions: 2, config: { 'retention.ms': '-1' } })),
    );
    return life;
  }

  get past(): PastOptions & { readonly schemaRegistry: MemoryRegistry } {
    return { broker: this.broker, schemaRegistry: this.registry, inMemory: true };
  }

  async owns(number: string, name: string): Promise<void> {
    await this.#send('owners', { key: card, value: owner }, { key: { number }, value: { account: name } });
  }

  async pays(number: string, cents: number): Promise<void> {
    const early = this.#minute < 4;
    const value = { account: '', cents, ...(!early && { currency: 'SEK' }) };
    // The schema of the values changes in the middle of the topic.
    await this.#send('payments', { key: card, value: early ? oldPayment : payment }, { key: { number }, value });
  }

  async events(): Promise<void> {
    for (const step of [
      () => this.owns('1', 'ada'),
      () => this.owns('2', 'bob'),
      () => this.pays('1', 10),
      () => this.pays('2', 5),
      () => this.pays('1', -30),
      () => this.owns('2', 'ada'),
      () => this.pays('2', 7),
      () => this.pays('1', 40),
    ])
      await this.settled(step);
  }

  /** Does the rest of what an event causes before the next one comes. */
  settled = (step: () => Promise<void>): Promise<void> => step();

  /** Runs the application while that happens. */
  async run(meanwhile: () => Promise<void>): Promise<void> {
    const { broker, stateDirectory, registry: schemaRegistry } = this;
    const streams = await start(bank(), { broker, stateDirectory, schemaRegistry, registerSchemas: true });
    this.settled = async (step) => {
      await step();
      await streams.untilIdle();
    };
    await streams.untilIdle();
    await meanwhile();
    await streams.untilIdle();
    await streams.stop();
    this.settled = (step) => step();
  }

  async written(topic: string): Promise<readonly BrokerRecord[]> {
    const partitions = [0, 1].map((partition) => ({ topic, partition }));
    const ends = await this.broker.admin.latestOffsets(partitions);
    const reader = await this.broker.createReader();
    for (const at of partitions) reader.seek({ ...at, offset: 0 });
    const left = new Map(ends.map(({ partition, offset }) => [partition, offset]));
    const found: BrokerRecord[] = [];
    while ([...left.values()].some((end) => end > 0)) {
      for (const { partition, records, nextOffset } of await reader.poll({ maxRecords: 100, maxWaitMs: 0 })) {
        found.push(...records);
        if (nextOffset >= (left.get(partition) ?? 0)) left.set(partition, 0);
      }
    }
    await reader.close();
    return found;
  }

  async #send(topic: string, of: { readonly key: any; readonly value: any }, record: any): Promise<void> {
    const timestamp = START + this.#minute++ * 60_000;
    const services = { schemaRegistry: this.registry, registerSchemas: true };
    await send(this.broker, topic, { ...of, ...services }, [{ ...record, timestamp }]);
  }
}

const replayed = async (target: Topology, options: Parameters<typeof replay>[1]): Promise<ReplayedRecord[]> => {
  const found: ReplayedRecord[] = [];
  await replay(target, { ...options, onOutput: (records) => void found.push(...records) });
  return found;
};

const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

const line = ({ topic, partition, key, value, timestamp }: BrokerRecord | ReplayedRecord): string =>
  `${topic}[${partition}] ${key?.toString('hex')} = ${value?.toString('hex')} @${timestamp}`;

describe('the past of a topology with Avro', () => {
  let life: Life;

  before(async () => {
    life = await Life.begin();
    await life.run(() => life.events());
  });

  after(() => life.broker.close());

  const balanceOf = async (name: string, asOf: string, more: Partial<PastOptions> = {}): Promise<unknown> => {
    const past = await stateAsOf(bank(), { ...life.past, ...more, asOf: parseMoment(asOf) });
    try {
      for (const store of past.stores) {
        const row = store.spec.name === 'balances' ? await store.row({ name }) : null;
        if (row) return { ...(row.value as object) };
      }
      return null;
    } finally {
      await past.close();
    }
  };

  it('is replayed to the same bytes as were written, with nothing registered', async () => {
    const before = await life.registry.subjects();
    const found = await replayed(bank(), life.past);
    const live = await life.written('out');
    assert.equal(live.length, 5);
    assert.deepEqual(found.map(line).sort(), live.map(line).sort());
    assert.deepEqual(await life.registry.subjects(), before);
  });

  it('is replayed for one key, which is found by its bytes', async () => {
    const found = await replayed(bank(), { ...life.past, key: { number: '2' } });
    assert.deepEqual(
      found.map(({ source }) => [source.topic, source.offset]),
      [
        ['payments', 0],
        ['payments', 1],
      ],
    );
    assert.deepEqual(await replayed(bank(), { ...life.past, key: { number: '3' } }), []);
  });

  it('is known as of a moment', async () => {
    assert.equal(await balanceOf('ada', '2026-01-01T00:01:00Z'), null);
    assert.deepEqual(await balanceOf('ada', '2026-01-01T00:02:00Z'), { cents: 10, currency: 'EUR' });
    assert.deepEqual(await balanceOf('ada', 'latest'), { cents: 27, currency: 'SEK' });
  });

  it('begins with a snapshot that has been kept', async () => {
    const snapshots = { directory: temporaryDirectory(), version: '1', every: { records: 3 } };
    const whole = await balanceOf('ada', 'latest', { snapshots, inMemory: false });
    const past = await stateAsOf(bank(), { ...life.past, inMemory: false, snapshots, asOf: { kind: 'latest' } });
    assert.equal(past.beganWith, 6);
    await past.close();
    assert.deepEqual(await balanceOf('ada', 'latest', { snapshots, inMemory: false }), whole);
    const changes = await collect(
      history(bank(), { ...life.past, inMemory: false, snapshots, store: 'balances', key: { name: 'bob' } }),
    );
    assert.equal(changes.length, 1);
  });

  it('tells the history of a row, with keys and values that are decoded, of all schemas', async () => {
    const changes = await collect(history(bank(), { ...life.past, store: 'balances', key: { name: 'ada' } }));
    const plain = JSON.parse(JSON.stringify(changes));
    assert.deepEqual(
      plain.map(({ event, before, value }: any) => [event.key, event.value, before?.cents ?? null, value.cents]),
      [
        [{ number: '1' }, { account: '', cents: 10, currency: 'EUR' }, null, 10],
        [{ number: '1' }, { account: '', cents: -30, currency: 'SEK' }, 10, -20],
        [{ number: '2' }, { account: '', cents: 7, currency: 'SEK' }, -20, -13],
        [{ number: '1' }, { account: '', cents: 40, currency: 'SEK' }, -13, 27],
      ],
    );
  });

  it('is searched for the first event after which something holds, also for a test that has it', async () => {
    const asked = { ...life.past, store: 'balances', when: ({ value }: any) => value.cents < 0 };
    const found = await bisect(bank(), asked);
    assert.deepEqual({ ...(found?.change.key as object) }, { name: 'ada' });
    assert.deepEqual({ ...(found?.change.event.value as object) }, { account: '', cents: -30, currency: 'SEK' });
    const sent = found?.trace.steps.filter(({ what }) => what === 'sent') ?? [];
    assert.deepEqual(JSON.parse(JSON.stringify(sent.at(-1))).value, { cents: -20, currency: 'SEK' });
    const { records } = await smallestSlice(bank(), asked, found!.change);
    assert.deepEqual(
      records.map(({ topic }) => topic),
      ['owners', 'payments'],
    );
  });

  it('shows the ways of the records with a key', async () => {
    const ways = await collect(trace(bank(), { ...life.past, key: { number: '2' } }));
    assert.deepEqual(
      ways.map(({ event }) => JSON.parse(JSON.stringify([event.topic, event.key, event.value]))),
      [
        ['owners', { number: '2' }, { account: 'bob' }],
        ['payments', { number: '2' }, { account: '', cents: 5, currency: 'EUR' }],
        ['owners', { number: '2' }, { account: 'ada' }],
        ['payments', { number: '2' }, { account: '', cents: 7, currency: 'SEK' }],
      ],
    );
  });

  it('is the same whenever it is run', async () => {
    const { differences, records } = await verify(bank(), life.past);
    assert.deepEqual(differences, []);
    assert.equal(records, 8);
  });

  it('differs between two moments in the rows that changed', async () => {
    const moments = { before: parseMoment('2026-01-01T00:03:00Z'), after: parseMoment('latest') };
    const rows = await collect(stateDiff(bank(), { ...life.past, ...moments, store: 'balances' }));
    assert.deepEqual(JSON.parse(JSON.stringify(rows.map(({ key, before, after }) => [key, before, after]))), [
      [{ name: 'ada' }, { cents: 10, currency: 'EUR' }, { cents: 27, currency: 'SEK' }],
    ]);
  });

  it('is compared with that of another version, whose schemas are not registered', async () => {
    assert.equal(await compare(bank(), bank(), life.past), undefined);
    const before = await life.registry.subjects();
    const found = await compare(bank(), bank(balanceOfTomorrow as any), life.past);
    assert.equal(found?.records, 3);
    assert.deepEqual(JSON.parse(JSON.stringify([found?.outputs?.first[0]?.value, found?.outputs?.second[0]?.value])), [
      { cents: 10, currency: 'EUR' },
      { cents: 10, currency: 'EUR', bonus: 0 },
    ]);
    assert.deepEqual(await life.registry.subjects(), before);
    assert.deepEqual(await life.registry.versions('out-value'), [1]);
  });

  it('gives a schema that is not registered an id that no registry gives, or SCHEMA_UNKNOWN on demand', async () => {
    const target = bank(balanceOfTomorrow as any);
    const [first, ...others] = await replayed(target, life.past);
    const id = first?.value?.readUInt32BE(1) as number;
    assert.ok(id >= 2 ** 31);
    for (const { value } of others) assert.equal(value?.readUInt32BE(1), id);
    await assert.rejects(
      replay(target, { ...life.past, unregistered: 'fail' }),
      failure('SCHEMA_UNKNOWN', /out-value/),
    );
  });

  it('needs a registry that has the schemas', async () => {
    const { schemaRegistry: _, ...without } = life.past;
    await assert.rejects(replay(bank(), without), failure('CONFIG_INVALID', /no schema registry/));
    await assert.rejects(
      replay(bank(), { ...life.past, schemaRegistry: new MemoryRegistry() }),
      failure('DESERIALIZE_FAILED', /SCHEMA_UNKNOWN|id/),
    );
    await assert.rejects(
      replay(bank(), { ...life.past, schemaRegistry: new MemoryRegistry(), key: { number: '1' } }),
      failure('SCHEMA_UNKNOWN', /-key/),
    );
  });

  it('is rebuilt only with schemas that are registered', async () => {
    const { broker, registry: schemaRegistry, stateDirectory } = life;
    const target = bank(balanceOfTomorrow as any);
    await assert.rejects(
      rebuildStore(target, { broker, schemaRegistry, stateDirectory, store: 'balances', from: 'sources' }),
      failure('SCHEMA_UNKNOWN', /balances-changelog-value/),
    );
  });

  for (const from of ['changelog', 'sources'] as const) {
    it(`is rebuilt from its ${from}, and its state goes on to know its schemas`, async () => {
      const { broker, registry: schemaRegistry, stateDirectory } = life;
      const { cents } = (await balanceOf('ada', 'latest')) as { readonly cents: number };
      const path = (task: string) => join(stateDirectory, 'bank', task, 'identity.json');
      const formats = (task: string) => JSON.parse(readFileSync(path(task), 'utf8')).stores.balances.formats;
      const report = await rebuildStore(bank(), { broker, schemaRegistry, stateDirectory, store: 'balances', from });
      assert.equal(report.swapped, true);
      for (const { task, equal, added, changed, removed, unreadable } of report.tasks) {
        assert.deepEqual([added, changed, removed, unreadable], [0, 0, 0, 0]);
        assert.ok(equal <= 2);
        assert.match(formats(task).value[0], /Balance/);
        assert.match(formats(task).key[0], /Account/);
      }
      assert.equal(
        report.tasks.reduce((sum, { equal }) => sum + equal, 0),
        2,
      );
      await life.run(() => life.pays('1', 1));
      assert.deepEqual(await balanceOf('ada', 'latest'), { cents: cents + 1, currency: 'SEK' });
    });
  }
});

describe('the command line looks back at Avro', () => {
  let shell: Shell;
  let here: WorkingDirectory;

  before(async () => {
    shell = new Shell();
    const directory = temporaryDirectory();
    for (const path of ['schemas', 'topology-examples/11-avro-orders'])
      cpSync(projectFile(path), join(directory, path), { recursive: true });
    mkdirSync(join(directory, 'node_modules'));
    symlinkSync(projectFile('.'), join(directory, 'node_modules/millrace'));
    writeFileSync(join(directory, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
    here = new WorkingDirectory(join(directory, 'topology-examples/11-avro-orders'), shell);
    for (const [version, file] of [
      ['v1', 'topology-v1.ts'],
      ['v2', 'topology.ts'],
    ])
      await here.output(`produce orders orders-${version}.jsonl --key customer --timestamp at --topology ${file}`);
  });

  after(() => shell.end());

  it('prints a row as of a moment, with the registry beside the file', async () => {
    const [now] = await here.lines('state get topology.ts --store customers --key ada --as-of latest');
    assert.deepEqual(now.value, { orders: 4, cents: 1600, foreign: { SEK: 9900 } });
    const [then] = await here.lines(
      'state get topology.ts --store customers --key ada --as-of offset:orders:0=1 --schema-registry ../../schemas',
    );
    assert.deepEqual(then.value, { orders: 1, cents: 1200, foreign: {} });
  });

  it('prints the history of a row, with events of both versions', async () => {
    const changes = await here.lines('history topology.ts --store customers --key ada --format json');
    assert.deepEqual(
      changes.map(({ event, value }) => [event.key, event.value.currency, value.orders]),
      [
        ['ada', 'EUR', 1],
        ['ada', 'EUR', 2],
        ['ada', 'SEK', 3],
        ['ada', 'EUR', 4],
      ],
    );
  });

  it('prints what would have been written, decoded; traces, searches and verifies', async () => {
    const lines = await here.lines('replay topology.ts --key ada');
    assert.deepEqual(
      lines.map(({ key, value }) => [key, value.orders]),
      [1, 2, 3, 4].map((orders) => ['ada', orders]),
    );
    const [way] = await here.lines('trace topology.ts --key cleo --format json');
    assert.equal(way.event.value.customer, 'cleo');
    const [found] = await here.lines('bisect|topology.ts|--store|customers|--when|value.foreign.SEK > 0|--format|json');
    assert.equal(found.change.value.orders, 3);
    const asked =
      'bisect|topology.ts|--store|customers|--key|ada|--when|value.foreign.SEK > 0|--export-test|sek.test.ts';
    const { stderr } = await here.millrace(asked);
    assert.match(stderr, /wrote sek.test.ts: 1 of \d events/);
    const { stdout } = runTest(join(here.directory, 'sek.test.ts'));
    assert.match(stdout, /1 failing[\s\S]*AssertionError[\s\S]*9900/);
    assert.match(await here.output('verify topology.ts'), /^the same each time/);
    assert.equal((await here.millrace('bisect topology.ts --compare topology.ts')).code, 0);
  });

  it('says which registry it needs where there is none', async () => {
    const { code, stderr } = await here.millrace(
      'history topology.ts --store customers --key ada --schema-registry nowhere',
    );
    assert.notEqual(code, 0);
    assert.match(stderr, /nowhere/);
  });
});
