import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Broker } from '#src/broker/port.js';
import type { Topology } from '#src/index.js';
import {
  bisect,
  history,
  type Moment,
  type PastOptions,
  parseMoment,
  replay,
  type StateChange,
  stateAsOf,
  type Trace,
  trace,
  verify,
} from '#src/replay/index.js';
import { failure } from '../../dsl/support.js';
import { temporaryDirectory } from '../../support/project.js';
import { at, type Balance, bank, pay } from '../bank.js';
import { append, brokerWith, bytesOf, type Told } from '../support.js';

const ACCOUNTS = ['ada', 'bob', 'cid'];
const many = (count: number): Told[] =>
  Array.from({ length: count }, (_, i) => pay(i, ACCOUNTS[(i * i) % 3] as string, ((i * 37) % 23) - 11));

const TOPICS = ['payments', 'balances'];

interface Found {
  readonly stores: Record<string, string[]>;
  readonly beganWith: number;
}

async function stores(target: Topology, options: PastOptions, asOf: Moment): Promise<Found> {
  const past = await stateAsOf(target, { ...options, asOf });
  const rows = new Map<string, (readonly [unknown, unknown])[]>();
  for (const store of past.stores) {
    const found = rows.get(store.spec.name) ?? [];
    for await (const row of store.entries()) found.push(row);
    rows.set(store.spec.name, found);
  }
  await past.close();
  return { stores: bytesOf(target, rows), beganWith: past.beganWith };
}

async function changesOf(target: Topology, options: PastOptions, key: string): Promise<StateChange[]> {
  const all: StateChange[] = [];
  for await (const change of history(target, { ...options, store: 'balances', key })) all.push(change);
  return all;
}

describe('snapshots', () => {
  const target = bank();
  let broker: Broker;
  let directory: string;

  const open = async (records: readonly Told[], partitions = 1): Promise<void> => {
    broker = await brokerWith(records, { topics: TOPICS, partitions });
    directory = temporaryDirectory();
  };
  const options = (every?: number, version = '1'): PastOptions => ({
    broker,
    snapshots: { directory, version, ...(every !== undefined && { every: { records: every } }) },
  });
  /** Names of the snapshots there are. */
  const written = (): number[] =>
    readdirSync(directory)
      .filter((name) => !name.startsWith('millrace-shadow-'))
      .flatMap((identity) => readdirSync(join(directory, identity)).map(Number));

  afterEach(() => broker.close());

  it('are written every so many records, and the next look begins with the last one before its moment', async () => {
    await open(many(50));
    assert.equal((await stores(target, options(20), parseMoment('latest'))).beganWith, 0);
    assert.deepEqual(written(), [20, 40]);
    const asOf = (offset: number): Moment => parseMoment(`offset:payments:0=${offset}`);
    assert.equal((await stores(target, options(), asOf(39))).beganWith, 20);
    assert.equal((await stores(target, options(), asOf(40))).beganWith, 40);
    assert.equal((await stores(target, options(), asOf(19))).beganWith, 0);
    assert.deepEqual(readdirSync(directory).length, 1, 'the shadow stores are gone');
  });

  it('are written whenever so much time has passed in the records', async () => {
    await open(many(50));
    const everyHour = { broker, snapshots: { directory, version: '1', every: { ms: 20 * 60_000 } }, batchRecords: 1 };
    await replay(target, everyHour);
    assert.deepEqual(written(), [21, 41]);
  });

  it('change no answer: state and history with them are those without, at any cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 9, max: 25 }),
        fc.integer({ min: 1, max: 60 }),
        fc.constantFrom(1, 3),
        async (every, cut, partitions) => {
          await open(many(60), partitions);
          await replay(target, options(every));
          const asOf = parseMoment(`time:${new Date(many(60)[cut - 1]!.timestamp).toISOString()}`);
          const plain = { broker, inMemory: true };
          const found = await stores(target, options(), asOf);
          assert.deepEqual(found.stores, (await stores(target, plain, asOf)).stores);
          assert.equal(found.beganWith, Math.floor(cut / every) * every);
          assert.deepEqual(await changesOf(target, options(), 'ada'), await changesOf(target, plain, 'ada'));
          await broker.close();
        },
      ),
      { numRuns: 4 },
    );
  });

  it('let history and bisect leave out what does not concern the row', async () => {
    const rare = [...many(90).map((told, i) => (i === 70 ? pay(i, 'zoe', -3) : told))];
    await open(rare);
    await replay(target, options(10));
    let seen = 0;
    const counted = { ...options(), onProgress: () => void seen++ };
    const [change, ...others] = await changesOf(target, counted, 'zoe');
    assert.deepEqual([change?.event.offset, others.length], [70, 0]);
    const afterwards = seen;
    assert.ok(afterwards <= 3, `${afterwards} windows of at most 1,000 records`);
    const when = ({ value }: { value: unknown }): boolean => (value as Balance).total < 0;
    const found = await bisect(target, { ...options(), store: 'balances', key: 'zoe', when });
    assert.deepEqual([found?.change.event.offset, found?.change.records], [70, 71]);
  });

  it('lead a monotone bisect to the same event', async () => {
    await open(many(80));
    await replay(target, options(9));
    // How many events a card has had only grows.
    const when = ({ value }: { value: unknown }): boolean => (value as Balance).total < -60;
    const plain = await bisect(target, { broker, inMemory: true, store: 'balances', key: 'ada', when });
    for (const key of ['ada', undefined]) {
      const options_ = { ...options(), store: 'balances', when, monotone: true, ...(key && { key }) };
      const found = await bisect(target, options_);
      assert.deepEqual(found?.change.event, plain?.change.event);
    }
  });

  it('tell a monotone bisect the time of a row', async () => {
    await open(many(80));
    await replay(target, options(9));
    const when = ({ timestamp }: { timestamp: number }): boolean => timestamp >= at(30);
    for (const key of ['ada', undefined]) {
      const asked = { store: 'balances', when, ...(key && { key }) };
      const plain = await bisect(target, { broker, inMemory: true, ...asked });
      const found = await bisect(target, { ...options(), ...asked, monotone: true });
      assert.ok(plain);
      assert.deepEqual(found?.change.event, plain.change.event);
    }
  });

  it('let a bisect find its event and a trace follow its record, while they are written', async () => {
    await open(many(40));
    const asked = { store: 'balances', key: 'ada', when: ({ value }: { value: Balance }) => value.total < 0 };
    const plain = await bisect(target, { broker, inMemory: true, ...asked });
    assert.ok(plain);
    const byKey = async (with_: PastOptions): Promise<Trace[]> => {
      const all: Trace[] = [];
      for await (const each of trace(target, { ...with_, key: 'card-ada' })) all.push(each);
      return all;
    };
    const ways = await byKey({ broker, inMemory: true });
    assert.ok(ways.length > 10);
    for (const every of [3, 1_000, 3]) {
      assert.deepEqual(await bisect(target, { ...options(every), ...asked }), plain);
      assert.deepEqual(await byKey(options(every)), ways);
      for await (const found of trace(target, { ...options(every), at: plain.change.event }))
        assert.deepEqual(found, plain.trace);
    }
  });

  it('of another version, application or graph are not used', async () => {
    await open(many(30));
    await replay(target, options(10));
    const asOf = parseMoment('latest');
    assert.equal((await stores(target, options(undefined, '1'), asOf)).beganWith, 30);
    assert.equal((await stores(target, options(undefined, '2'), asOf)).beganWith, 0);
    assert.equal((await stores(target, { ...options(), applicationId: 'other' }, asOf)).beganWith, 0);
  });

  it('STATE_CORRUPT for one that is damaged', async () => {
    await open(many(30));
    await replay(target, options(10));
    const [identity = ''] = readdirSync(directory);
    const [snapshot = ''] = readdirSync(join(directory, identity));
    writeFileSync(join(directory, identity, snapshot, 'snapshot.json'), '{');
    await assert.rejects(stores(target, options(), parseMoment('latest')), failure('STATE_CORRUPT', /snapshot/));
  });

  it('stand for the beginning that the topics have lost', async () => {
    await open(many(60));
    const expected = (await stores(target, options(), parseMoment('latest'))).stores;
    await replay(target, options(20));
    await broker.admin.deleteRecords([{ topic: 'payments', partition: 0, offset: 30 }]);
    const found = await stores(target, options(), parseMoment('latest'));
    assert.deepEqual([found.stores, found.beganWith], [expected, 60]);
    const past = await stateAsOf(target, { ...options(), asOf: parseMoment('offset:payments:0=45') });
    assert.deepEqual([past.beganWith, past.gaps], [40, []]);
    await past.close();
    const report = await replay(target, { ...options(), fromSnapshot: true });
    assert.deepEqual([report.beganWith, report.records, report.gaps], [40, 20, []]);
    // Without one, the history begins where the topic does, and says so.
    const plain = await replay(target, { broker, inMemory: true });
    assert.deepEqual([plain.records, plain.gaps.length], [30, 1]);
    // What was reconstructed from a part of the history is never kept.
    await replay(target, options(7, 'later'));
    assert.deepEqual(
      written().sort((a, b) => a - b),
      [20, 40, 60],
    );
  });

  it('do not make a compacted topic whole: it lacked records before them, and lacks some behind them', async () => {
    broker = await brokerWith([], { topics: [] });
    directory = temporaryDirectory();
    await broker.admin.createTopics([
      { name: 'payments', partitions: 1, config: { 'cleanup.policy': 'compact' } },
      { name: 'balances', partitions: 1, config: {} },
    ]);
    await append(broker, many(30));
    const gapsOf = async (given: PastOptions): Promise<unknown> => {
      const past = await stateAsOf(target, { ...given, asOf: parseMoment('latest') });
      await past.close();
      return [past.beganWith, past.gaps];
    };
    const gap = { topic: 'payments', partition: 0, earliest: 0, compacted: true };
    assert.deepEqual(await gapsOf(options(20)), [0, [gap]]);
    assert.deepEqual(await gapsOf(options()), [20, [gap]]);
    const report = await replay(target, { ...options(), fromSnapshot: true });
    assert.deepEqual(report.gaps, [gap]);
    await broker.admin.deleteRecords([{ topic: 'payments', partition: 0, offset: 10 }]);
    // For what is gone at the beginning the snapshot stands.
    assert.deepEqual(await gapsOf(options()), [20, [gap]]);
    assert.deepEqual(await gapsOf({ broker, inMemory: true }), [0, [{ ...gap, earliest: 10 }]]);
  });

  it('are not used if a later record belongs before what they hold', async () => {
    const late = { ...pay(3, 'bob', 4, 'late'), partition: 1 };
    await open(
      many(20).map((told) => ({ ...told, partition: 0 })),
      2,
    );
    await replay(target, options(20));
    assert.equal((await stores(target, options(), parseMoment('latest'))).beganWith, 20);
    await append(broker, [late], 2);
    assert.equal((await stores(target, options(), parseMoment('latest'))).beganWith, 0);
    await append(broker, [{ ...pay(30, 'bob', 4, 'later'), partition: 0 }], 2);
    assert.equal((await stores(target, options(), parseMoment('offset:payments:0=21,payments:1=0'))).beganWith, 20);
  });

  it('are not used if partitions other than those that end the slice have gone on', async () => {
    const ended = many(30).map((told, i) => ({ ...told, partition: i < 5 ? 0 : 1 }));
    await open(ended, 2);
    await replay(target, options(10));
    const asOf = parseMoment('offset:payments:0=5');
    const found = await stores(target, options(), asOf);
    assert.deepEqual(found, { stores: (await stores(target, { broker, inMemory: true }, asOf)).stores, beganWith: 0 });
  });

  it('are whole when several look-ups write them at the same time', async () => {
    await open(many(60));
    const expected = (await stores(target, { broker, inMemory: true }, parseMoment('latest'))).stores;
    await Promise.all([1, 2, 3].map(() => replay(target, options(7))));
    assert.deepEqual(written(), [7, 14, 21, 28, 35, 42, 49, 56]);
    const found = await stores(target, options(), parseMoment('latest'));
    assert.deepEqual(found, { stores: expected, beganWith: 56 });
  });

  it('CONFIG_INVALID: the distance between two of them is zero, negative or a fraction', async () => {
    await open(many(3));
    for (const every of [{ records: 0 }, { records: 2.5 }, { records: Number.NaN }, { ms: 0 }, { ms: -1 }])
      await assert.rejects(
        replay(target, { broker, snapshots: { directory, version: '1', every } }),
        failure('CONFIG_INVALID', /every\.(records|ms)/),
      );
    assert.deepEqual(readdirSync(directory), []);
  });

  it('play no part in verify, which finds no difference', async () => {
    await open(many(40), 2);
    assert.deepEqual((await verify(target, { broker, inMemory: true })).differences, []);
  });
});
