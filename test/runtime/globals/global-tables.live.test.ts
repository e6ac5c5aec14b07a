import assert from 'node:assert/strict';
import { openEmbeddedBroker } from '#src/broker/embedded/broker.js';
import {
  joinGlobalTable,
  leftJoinGlobalTable,
  process,
  type StreamRecord,
  serdes,
  start,
  to,
  topology,
} from '#src/index.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import {
  createTopics,
  decoded,
  memoryMachine,
  readTopic,
  type TextRecord,
  writeTopic,
} from '../../support/application.js';
import { Cluster } from '../../support/cluster.js';
import { temporaryDirectory } from '../../support/project.js';

const text = { key: serdes.string, value: serdes.string };
const names = topology('names', (t) => {
  const accounts = t.globalTable('accounts', { ...text, store: 'all-accounts' });
  t.stream('in', text).pipe(
    leftJoinGlobalTable(accounts, { key: (record) => record.value, join: (value, name) => `${value}=${name}` }),
    to('out', text),
  );
});

const row = (key: string, value: string): TextRecord => ({ key, value, timestamp: 0 });

describe('global tables of a running application', () => {
  let cluster: Cluster;
  const open = async (target = names): Promise<void> => {
    cluster = new Cluster(target);
    await createTopics(cluster.broker, { in: 4, accounts: 3, out: 1 });
  };
  const write = (topic: string, ...records: TextRecord[]): Promise<void> => writeTopic(cluster.broker, topic, records);
  const outputs = async (): Promise<(string | null)[]> =>
    (await readTopic(cluster.broker, 'out')).map(decoded).map(({ value }) => value);

  afterEach(() => cluster.close());

  it('follow their topic: untilIdle waits until it is read, and the next record sees it', async () => {
    await open();
    await cluster.join();
    for (const name of ['Ann', 'Ada', 'Amy']) {
      await write('accounts', row('x', name));
      await cluster.idle();
      await write('in', row('a', 'x'));
      await cluster.idle();
    }
    assert.deepEqual(await outputs(), ['x=Ann', 'x=Ada', 'x=Amy']);
  });

  it('are whole in each of several engines, also when they share a state directory', async () => {
    await open();
    const machine = memoryMachine();
    await write('accounts', row('x', 'Ann'), row('y', 'Bob'), row('z', 'Cem'));
    for (let i = 0; i < 2; i++) await cluster.join(machine);
    await cluster.settled();
    assert.deepEqual(
      cluster.taskIds.map((tasks) => tasks.length),
      [2, 2],
    );
    await write('in', ...[0, 1, 2, 3].map((partition) => ({ ...row('a', 'y'), partition })));
    await cluster.idle();
    assert.deepEqual(await outputs(), Array(4).fill('y=Bob'));
  });

  it('do not change while a record is processed, however long that takes', async () => {
    let arrived = (): void => undefined;
    let goOn = (): void => undefined;
    const here = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    await open(
      topology('slow', (t) => {
        t.globalTable('accounts', { ...text, store: 'all-accounts' });
        t.stream('in', text).pipe(
          process({
            name: 'slow',
            uses: ['all-accounts'],
            reads: (record: StreamRecord<string, string>) => [['all-accounts', record.value]],
            async process(record, { store, forward }) {
              const accounts = store<string, string>('all-accounts');
              const before = accounts.get('x');
              arrived();
              await gate;
              forward({ key: record.key, value: `${before} ${accounts.get('x')} ${await accounts.load('x')}` });
            },
          }),
          to('out', text),
        );
      }),
    );
    await write('accounts', row('x', 'Ann'));
    const { streams } = await cluster.join();
    await write('in', row('a', 'x'));
    await cluster.pumped(here);
    await write('accounts', row('x', 'Ada'));
    const store = streams.globals.store('all-accounts')!;
    const [name] = [store.keyOf('x')];
    const changed = async (): Promise<void> => {
      while ((await store.read([name]))[0]?.value !== 'Ada');
    };
    await cluster.pumped(changed());
    goOn();
    await cluster.idle();
    await write('in', row('a', 'x'));
    await cluster.idle();
    assert.deepEqual(await outputs(), ['Ann Ann Ann', 'Ada Ada Ada']);
  });

  it('end the application if a record cannot be decoded', async () => {
    await open(
      topology('json', (t) => {
        const accounts = t.globalTable('accounts', { key: serdes.string, value: serdes.json<string>(), store: 'all' });
        t.stream('in', text).pipe(
          joinGlobalTable(accounts, { key: (record) => record.value, join: (_, name) => name }),
          to('out', text),
        );
      }),
    );
    const { streams } = await cluster.join();
    await write('accounts', row('x', 'no JSON'));
    await assert.rejects(cluster.pumped(streams.done), { code: 'DESERIALIZE_FAILED', message: /accounts\[\d\]@0/ });
    await assert.rejects(cluster.pumped(streams.untilIdle()), { code: 'DESERIALIZE_FAILED' });
  });
});

describe('global tables on the embedded broker with RocksDB and the system clock', () => {
  it('are followed, shown, and found again by the next start', async () => {
    const log = temporaryDirectory();
    const stateDirectory = temporaryDirectory();
    for (const [round, name] of ['Ann', 'Ada'].entries()) {
      const broker = await openEmbeddedBroker({ directory: log, openDatabase: openRocksDatabase, clock: systemClock });
      if (round === 0) await createTopics(broker, { in: 2, accounts: 2, out: 1 });
      const streams = await start(names, { broker, stateDirectory });
      assert.equal(streams.progress().metrics.restoredRecords, 0);
      await writeTopic(broker, 'accounts', [row('x', name), row(`y${round}`, 'Bob')]);
      await streams.untilIdle();
      assert.equal(await streams.store('all-accounts').get('x'), name);
      await writeTopic(broker, 'in', [row('a', 'x')]);
      await streams.untilIdle();
      const rows = await streams.store('all-accounts').entries();
      assert.equal(rows.length, 2 + round);
      await streams.stop();
      const found = (await readTopic(broker, 'out')).map(decoded).map(({ value }) => value);
      assert.deepEqual(found, ['x=Ann', 'x=Ada'].slice(0, round + 1));
      await broker.close();
    }
  });
});
