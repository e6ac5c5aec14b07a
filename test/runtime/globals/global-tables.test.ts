import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Admin, Broker, Reader, TopicPartition } from '#src/broker/port.js';
import { leftJoinGlobalTable, serdes, to, topology } from '#src/index.js';
import type { OpenDatabase } from '#src/model/database.js';
import { Headers } from '#src/model/headers.js';
import { type Logger, silentLogger } from '#src/model/ports.js';
import { stateAsOf } from '#src/replay/index.js';
import { resolveConfig } from '#src/runtime/config/config.js';
import { Engine } from '#src/runtime/engine/engine.js';
import type { Progress } from '#src/runtime/engine/progress.js';
import {
  Application,
  createTopics,
  diskMachine,
  type Machine,
  memoryMachine,
  pumped,
  type TextRecord,
  writingBy,
} from '../../support/application.js';

const names = topology('names', (t) => {
  const accounts = t.globalTable('accounts', { key: serdes.string, value: serdes.string, store: 'all-accounts' });
  t.stream('in', { key: serdes.string, value: serdes.string }).pipe(
    leftJoinGlobalTable(accounts, { key: (record) => record.value, join: (value, name) => `${value}=${name}` }),
    to('out', { key: serdes.string, value: serdes.string }),
  );
});

const rows = (from: number, to: number, name = 'n'): TextRecord[] =>
  Array.from({ length: to - from }, (_, i) => ({ key: `k${from + i}`, value: `${name}${from + i}`, timestamp: i }));

for (const [kind, newMachine] of [
  ['memory', memoryMachine],
  ['RocksDB', diskMachine],
] as const) {
  describe(`global tables of an engine, in ${kind}`, () => {
    let app: Application;
    let machine: Machine;

    async function application(partitions = { in: 1, accounts: 3, out: 1 }): Promise<void> {
      machine = newMachine();
      app = new Application({ topology: names, machine });
      await app.createTopics(partitions);
    }

    const restored = (): number => app.engine?.progress().metrics.restoredRecords as number;
    const outputs = async (): Promise<(string | null)[]> => (await app.read('out')).map(({ value }) => value);

    afterEach(() => app.close());

    it('are read from the beginning once, and after a restart only what is new, on every partition', async () => {
      await application();
      await app.write('accounts', rows(0, 100));
      await app.start();
      assert.equal(restored(), 100);
      await app.stop();
      await app.start();
      assert.equal(restored(), 0);
      await app.stop();
      await app.write('accounts', rows(90, 107, 'new'));
      await app.write('in', [{ key: 'a', value: 'k95', timestamp: 0 }]);
      await app.start();
      assert.equal(restored(), 17);
      await app.run();
      assert.deepEqual(await outputs(), ['k95=new95']);
    });

    it('keep what was read over a crash at any step of a task', async () => {
      await application();
      await app.write('accounts', rows(0, 10));
      await app.write('in', [{ key: 'a', value: 'k1', timestamp: 0 }]);
      await app.start();
      app.crashHere = () => true;
      assert.equal(await app.run(), false);
      app.crashHere = () => false;
      await app.start();
      assert.equal(restored(), 0);
      await app.run();
      assert.deepEqual(await outputs(), ['k1=n1']);
    });

    it('are read again from the beginning, with a warning, when the topic was deleted and created again', async () => {
      await application();
      await app.write('accounts', rows(0, 50));
      await app.start();
      await app.stop();
      await app.broker.admin.deleteTopics(['accounts']);
      await createTopics(app.broker, { accounts: 3 });
      await app.write('accounts', rows(40, 45, 'new'));
      const warnings: string[] = [];
      const engine = await startOn(app, machine, { warn: (_, message) => warnings.push(message) });
      assert.equal(warnings.length, 1);
      assert.match(warnings[0] as string, /rebuilt from its topic/);
      const found = [];
      for await (const [key, value] of engine.globals.store('all-accounts')!.entries()) found.push(`${key}=${value}`);
      assert.deepEqual(found, ['k40=new40', 'k41=new41', 'k42=new42', 'k43=new43', 'k44=new44']);
      await engine.stop();
    });
  });
}

/** The same broker, where the first offsets of a topic have been deleted: by age, as retention does. */
function trimmed(broker: Broker, offset: number): Broker {
  const admin: Admin = Object.assign(Object.create(broker.admin) as Admin, {
    earliestOffsets: async (partitions: readonly TopicPartition[]) => partitions.map((at) => ({ ...at, offset })),
    latestOffsets: broker.admin.latestOffsets.bind(broker.admin),
    describeTopics: broker.admin.describeTopics.bind(broker.admin),
    createTopics: broker.admin.createTopics.bind(broker.admin),
    groupOffsets: broker.admin.groupOffsets.bind(broker.admin),
  });
  return {
    admin,
    createReader: (options) => broker.createReader(options),
    createWriter: (options) => broker.createWriter(options),
    join: (options) => broker.join(options),
    close: () => broker.close(),
  };
}

async function startOn(
  app: Application,
  machine: Machine,
  logger: Partial<Logger>,
  broker: Broker = app.broker,
): Promise<Engine> {
  const { openDatabase, stateDirectory, identityFiles } = machine;
  const ports = { broker, clock: app.clock, openDatabase, stateDirectory, ...(identityFiles && { identityFiles }) };
  const config = resolveConfig(app.topology.name, app.options, { ...silentLogger, ...logger });
  return pumped(app.clock, Engine.start(app.topology, config, ports, true));
}

describe('global tables of an engine', () => {
  it('are read again, with a warning, if unread records were deleted: their rows are unknown', async () => {
    const app = new Application({ topology: names });
    await app.createTopics({ in: 1, accounts: 1, out: 1 });
    await app.write('accounts', rows(0, 10));
    await app.start();
    await app.stop();
    await app.write('accounts', rows(0, 10, 'new'));
    const warnings: string[] = [];
    const engine = await startOn(app, app.machine, { warn: (_, text) => warnings.push(text) }, trimmed(app.broker, 15));
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] as string, /partition 0 was read up to offset 10, and the topic holds 15 to 20/);
    const found = [];
    for await (const [, value] of engine.globals.store('all-accounts')!.entries()) found.push(value);
    assert.deepEqual(found, ['new5', 'new6', 'new7', 'new8', 'new9']);
    await engine.stop();
    await app.close();
  });

  it('are read again, with a warning, if the topic has fewer partitions than before, however long', async () => {
    const app = new Application({ topology: names });
    await app.createTopics({ in: 1, accounts: 2, out: 1 });
    const at = (partition: number, record: TextRecord): TextRecord => ({ ...record, partition });
    await app.write(
      'accounts',
      rows(0, 4).map((record, i) => at(i % 2, record)),
    );
    await app.start();
    await app.stop();
    await app.broker.admin.deleteTopics(['accounts']);
    await createTopics(app.broker, { accounts: 1 });
    await app.write('accounts', rows(10, 15));
    const warnings: string[] = [];
    const engine = await startOn(app, app.machine, { warn: (_, text) => warnings.push(text) });
    assert.match(warnings.join(), /partition 1 was read up to offset 2, and is gone$/);
    assert.equal(engine.progress().metrics.restoredRecords, 5);
    await engine.stop();
    await app.close();
  });

  it('are one database for all tasks, which no changelog belongs to', async () => {
    const opened: string[] = [];
    const machine = memoryMachine();
    const openDatabase: OpenDatabase = (directory) => {
      opened.push(directory);
      return machine.openDatabase(directory);
    };
    const app = new Application({ topology: names, machine: { ...machine, openDatabase } });
    await app.createTopics({ in: 4, accounts: 2, out: 1 });
    await app.write('accounts', rows(0, 3));
    const to = (partition: number): TextRecord => ({ key: 'a', value: 'k2', timestamp: 0, partition });
    await app.write('in', [0, 1, 2, 3].map(to));
    await app.runThrough();
    assert.equal(app.engine?.tasks.length, 4);
    assert.deepEqual(opened, ['state/names/global/db']);
    assert.deepEqual(
      (await app.read('out')).map(({ value }) => value),
      Array(4).fill('k2=n2'),
    );
    const topics = (await app.broker.admin.describeTopics()).map(({ name }) => name);
    assert.deepEqual(topics.toSorted(), ['accounts', 'in', 'names-dead-letter', 'out']);
    assert.deepEqual(
      Object.keys(await app.committed()).filter((name) => name.startsWith('accounts')),
      [],
    );
    await app.close();
  });

  it('show a transaction when it is committed, and nothing of one that is aborted', async () => {
    const app = new Application({ topology: names });
    await app.createTopics({ in: 1, accounts: 1, out: 1 });
    await app.start();
    const values = async (): Promise<unknown[]> => {
      await app.run();
      const found = [];
      for await (const [, value] of app.engine!.globals.store('all-accounts')!.entries()) found.push(value);
      return found;
    };
    const writer = await app.broker.createWriter({ transactionalId: 'other' });
    const write = async (value: string): Promise<void> => {
      await writer.begin();
      await writer.write([
        {
          topic: 'accounts',
          partition: 0,
          key: Buffer.from('x'),
          value: Buffer.from(value),
          timestamp: 0,
          headers: Headers.none,
        },
      ]);
      await writer.flush();
    };
    await write('open');
    assert.deepEqual(await values(), []);
    await writer.commit();
    assert.deepEqual(await values(), ['open']);
    await write('never');
    await writer.abort();
    assert.deepEqual(await values(), ['open']);
    await app.close();
  });

  it('write a dead letter before they pass its record: a crash between the two writes it again', async () => {
    const machine = memoryMachine();
    let fail = false;
    const failing = writingBy(machine, (write) => (fail ? Promise.reject(new Error('disk full')) : write()));
    const json = topology('json', (t) => {
      t.globalTable('accounts', { key: serdes.string, value: serdes.json(), store: 'all-accounts' });
      t.stream('in', { key: serdes.string, value: serdes.string }).pipe(
        to('out', { key: serdes.string, value: serdes.string }),
      );
    });
    const app = new Application({
      topology: json,
      machine: failing,
      options: { onError: { deserialize: 'deadLetter' } },
    });
    await app.createTopics({ in: 1, accounts: 1, out: 1 });
    await app.start();
    await app.write('accounts', [{ key: 'x', value: 'no JSON', timestamp: 0 }]);
    fail = true;
    await assert.rejects(app.run(), /disk full/);
    fail = false;
    await app.start();
    await app.run();
    assert.equal((await app.read('json-dead-letter')).length, 2);
    await app.stop();
    await app.start();
    assert.equal(app.engine?.progress().metrics.restoredRecords, 0);
    await app.close();
  });

  // The time is the one that the topology says.
  it('have the rows of a replay for a key in several partitions: by time, then by partition', async () => {
    const record = fc.record({
      key: fc.constantFrom('a', 'b'),
      at: fc.nat(5),
      timestamp: fc.nat(5),
      partition: fc.nat(2),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 12 }), fc.boolean(), async (written, timed) => {
        const target = topology('names', (t) => {
          const value = serdes.json<{ readonly at: number }>();
          const timestamp = timed ? { timestamp: ({ at }: { readonly at: number }) => at } : {};
          t.globalTable('accounts', { key: serdes.string, value, store: 'all-accounts', ...timestamp });
          t.stream('in', { key: serdes.string, value: serdes.string }).pipe(
            to('out', { key: serdes.string, value: serdes.string }),
          );
        });
        const app = new Application({ topology: target });
        await app.createTopics({ in: 1, accounts: 3, out: 1 });
        await app.write(
          'accounts',
          written.map(({ at, ...rest }, n) => ({ ...rest, value: JSON.stringify({ at, n }) })),
        );
        const engine = await app.start();
        const live: unknown[] = [];
        for await (const row of engine.globals.store('all-accounts')!.entries()) live.push(row);
        const past = await stateAsOf(target, { broker: app.broker, inMemory: true, asOf: { kind: 'latest' } });
        const then: unknown[] = [];
        for (const store of past.stores) for await (const row of store.entries()) then.push(row);
        await past.close();
        assert.deepEqual(live, then);
        await app.close();
      }),
      { numRuns: 100 },
    );
  });

  it('are missing topics like any other, and are created as such', async () => {
    const app = new Application({ topology: names });
    await assert.rejects(app.start(), { code: 'TOPIC_UNKNOWN', message: /accounts, |, accounts/ });
    const creating = new Application({ topology: names, options: { createTopics: 2 } });
    await creating.start();
    assert.equal(creating.engine?.globals.positions.length, 2);
    await creating.close();
    await app.close();
  });

  it('show how much is left while they are loaded, and let a stop end it: the directory is free again', async () => {
    const app = new Application({ topology: names });
    await app.createTopics({ in: 1, accounts: 1, out: 1 });
    await app.write('accounts', rows(0, 5));
    let engine: Engine | undefined;
    const seen: Progress[] = [];
    const ended: Promise<unknown>[] = [];
    // A broker that has nothing to say: the reader waits until it is woken.
    const silent: Broker = {
      admin: app.broker.admin,
      createWriter: (options) => app.broker.createWriter(options),
      join: (options) => app.broker.join(options),
      close: async () => undefined,
      createReader: async () => {
        const reader: Reader = await app.broker.createReader();
        let wake = (): void => undefined;
        return Object.assign(Object.create(reader) as Reader, {
          seek: () => undefined,
          close: () => reader.close(),
          wakeup: () => wake(),
          poll: () => {
            seen.push((engine as Engine).progress());
            ended.push((engine as Engine).abort().catch(() => undefined));
            return new Promise((resolve) => {
              wake = () => resolve([]);
            });
          },
        });
      },
    };
    const { openDatabase, stateDirectory, identityFiles } = app.machine;
    const ports = {
      broker: silent,
      clock: app.clock,
      openDatabase,
      stateDirectory,
      ...(identityFiles && { identityFiles }),
    };
    const starting = Engine.start(names, resolveConfig('names', {}), ports, true, (started) => {
      engine = started;
    });
    await assert.rejects(pumped(app.clock, starting), { code: 'STOPPED' });
    await Promise.all(ended);
    assert.deepEqual(
      seen.map(({ phase, restoreLeft, lag }) => [phase, restoreLeft, lag]),
      [['restoring', 5, 0]],
    );
    await app.start();
    assert.equal(app.engine?.progress().metrics.restoredRecords, 5);
    await app.close();
  });
});
