import assert from 'node:assert/strict';
import type { Broker } from '#src/broker/port.js';
import type { Topology } from '#src/dsl/contract/processor.js';
import { count, leftJoinGlobalTable, serdes, to, topology, toStream } from '#src/index.js';
import { applyReset, parseMoment, planReset, type ResetOptions } from '#src/replay/index.js';
import { type EngineOptions, resolveConfig } from '#src/runtime/config/config.js';
import { Engine } from '#src/runtime/engine/engine.js';
import { CHECKPOINT_KEY } from '#src/state/directory/checkpoint.js';
import {
  Application,
  type Machine,
  memoryMachine,
  pumped,
  readTopic,
  type TextRecord,
  writingBy,
} from '../../support/application.js';
import { isError } from '../../support/errors.js';
import { overlaid } from '../../support/overlaid.js';
import { temporaryDirectory } from '../../support/project.js';
import { ToldLogger } from '../../support/told.js';

const DAY = 86_400_000;
const text = { key: serdes.string, value: serdes.string };
const CHANGELOG = 'shop-totals-changelog';

const counts = topology('shop', (t) => {
  t.stream('words', text).pipe(
    count({ store: 'totals' }),
    toStream(),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

/** Rows that can be deleted. */
const table = topology('shop', (t) => {
  t.table('words', { ...text, store: 'totals' }).pipe(toStream(), to('out', text));
});

const global = topology('shop', (t) => {
  const names = t.globalTable('names', { ...text, store: 'totals' });
  t.stream('words', text).pipe(
    leftJoinGlobalTable(names, { key: (record) => record.key, join: (value, name) => `${value} ${name}` }),
    to('out', text),
  );
});

/** Machines of one application, which runs on one of them after the other. */
class Machines {
  readonly logger = new ToldLogger();
  readonly #first: Application;
  readonly #options: EngineOptions;
  readonly #topology: Topology;
  #app: Application;

  constructor(target: Topology = counts, options: EngineOptions = {}) {
    this.#topology = target;
    this.#options = options;
    this.#first = this.#on(memoryMachine(), target);
    this.#app = this.#first;
  }

  #on(machine: Machine, target: Topology): Application {
    const { broker, clock } = this.#first ?? {};
    return new Application({
      topology: target,
      options: this.#options,
      logger: this.logger,
      machine,
      ...(broker && clock && { broker, clock }),
    });
  }

  get app(): Application {
    return this.#app;
  }

  get restored(): number {
    return this.#app.engine?.progress().metrics.restoredRecords as number;
  }

  /** Runs until nothing is left, there. */
  async run(machine: Machine = this.#first.machine, target = this.#topology): Promise<Application> {
    await this.#app.stop();
    this.#app = this.#on(machine, target);
    await this.#app.runThrough();
    return this.#app;
  }

  /** Time passes, with a compaction every few hours. */
  async pass(days: number): Promise<void> {
    for (let hours = 0; hours < days * 24; hours += 6) {
      this.#first.clock.advance(DAY / 4);
      await this.#first.broker.maintain();
    }
  }

  /** Of the tasks; or of a global table. */
  async rows(): Promise<Record<string, string>> {
    const rows: Record<string, string> = {};
    const engine = this.#app.engine as Engine;
    const stores = [...engine.tasks.flatMap(({ state }) => [...(state?.stores ?? [])]), engine.globals.store('totals')];
    for (const store of stores) {
      if (store) for await (const [key, value] of store.entries()) rows[String(key)] = String(value);
    }
    return rows;
  }

  async close(): Promise<void> {
    await this.#app.stop();
    await this.#first.close();
  }
}

const words = (from: number, until: number): TextRecord[] =>
  Array.from({ length: until - from }, (_, i) => ({ key: `k${from + i}`, value: 'x', timestamp: from + i }));

describe('the state of a machine', () => {
  let machines: Machines;

  async function begin(target = counts, options: EngineOptions = {}): Promise<Application> {
    machines = new Machines(target, options);
    await machines.app.createTopics({ words: 1, out: 1 });
    await machines.app.broker.admin.createTopics([
      { name: 'names', partitions: 1, config: { 'cleanup.policy': 'compact' } },
    ]);
    return machines.app;
  }

  const put = async (topic: string, key: string, value: string | null): Promise<void> =>
    machines.app.write(topic, [{ key, value, timestamp: machines.app.clock.now() }]);

  const reset = async (
    to: string,
    options: Pick<ResetOptions, 'stores'> = {},
    stateDirectory = temporaryDirectory(),
  ) => {
    const { broker, clock } = machines.app;
    const plan = await planReset(counts, {
      broker,
      to: parseMoment(to),
      stateDirectory,
      now: clock.now(),
      ...options,
    });
    await pumped(clock, applyReset(plan, { broker, stateDirectory, clock }));
  };

  afterEach(() => machines.close());

  it('is restored again where it is from before a reset on another machine', async () => {
    await begin();
    const other = memoryMachine();
    await machines.app.write('words', words(0, 50));
    await machines.run(other);
    await machines.app.stop();
    await reset('earliest');
    await machines.app.write('words', [...words(0, 60)]);
    await machines.run();
    assert.deepEqual((await machines.rows()).k3, '2');
    // The group has come past where the other machine stood.
    await machines.run(other);
    assert.equal((await machines.rows()).k3, '2');
    assert.equal(Object.keys(await machines.rows()).length, 60);
    assert.match(machines.logger.lines.join('\n'), /info: the stores of this directory are from before the reset/);
    // Once: now it is known.
    await machines.run(other);
    assert.equal(machines.restored, 0);
  });

  it('knows of a reset although its offsets were set by hand since', async () => {
    await begin();
    await machines.app.write('words', words(0, 5));
    await machines.run();
    await machines.app.stop();
    await reset('earliest');
    await machines.run();
    await machines.app.stop();
    await machines.app.broker.admin.setGroupOffsets('shop', [{ topic: 'words', partition: 0, offset: 5 }]);
    await machines.run();
    assert.equal(machines.restored, 0);
    assert.deepEqual(await machines.rows(), { k0: '1', k1: '1', k2: '1', k3: '1', k4: '1' });
  });

  it('is restored again where its changelog was deleted, created again and has grown past it', async () => {
    const { broker } = await begin();
    await machines.app.write('words', words(0, 5));
    await machines.run();
    await machines.app.stop();
    await broker.admin.deleteTopics([CHANGELOG]);
    const other = memoryMachine();
    await machines.app.write('words', words(10, 20));
    await machines.run(other);
    await machines.run();
    assert.deepEqual(
      Object.keys(await machines.rows()),
      words(10, 20).map(({ key }) => key),
    );
    assert.match(
      machines.logger.lines.join('\n'),
      /info: store totals is read again .* deleted, and created again since/,
    );
  });

  it('STATE_MISMATCH: its changelog was created again and is empty, so its rows are nowhere else', async () => {
    const { broker } = await begin();
    await machines.app.write('words', words(0, 5));
    await machines.run();
    await machines.app.stop();
    await broker.admin.deleteTopics([CHANGELOG]);
    await assert.rejects(machines.run(), isError('STATE_MISMATCH', /deleted or created again/));
  });

  it('goes on, as far as can be known, on a broker that gives topics no ids', async () => {
    const { broker, clock } = await begin();
    const machine = memoryMachine();
    const run = async (): Promise<number> => {
      const connection = broker.connect();
      const admin = overlaid(connection.admin, {
        describeTopics: async (names?: readonly string[]) =>
          (await connection.admin.describeTopics(names)).map(({ id: _, ...topic }) => topic),
      });
      const ports = { ...machine, clock, broker: overlaid<Broker>(connection, { admin }) };
      const engine = await pumped(clock, Engine.start(counts, resolveConfig('shop', {}), ports, true));
      while ((await engine.processWaiting()) > 0);
      const { restoredRecords } = engine.progress().metrics;
      await pumped(clock, engine.stop());
      return restoredRecords;
    };
    await machines.app.write('words', words(0, 5));
    assert.equal(await run(), 0);
    assert.equal(await run(), 0);
    await broker.admin.deleteTopics([CHANGELOG]);
    await assert.rejects(run(), isError('STATE_MISMATCH', /shorter than the state says/));
  });

  it('is restored once where an earlier version wrote it, which did not note its changelog', async () => {
    await begin();
    await machines.app.write('words', words(0, 5));
    const { machine } = await machines.run();
    await machines.app.stop();
    const database = await machine.openDatabase('state/shop/words-0/db');
    const old = { format: 1, sources: { words: 5 }, changelogs: { totals: 5 }, streamTimes: { '': 4, totals: 4 } };
    await database.write([{ key: CHECKPOINT_KEY, value: Buffer.from(JSON.stringify(old)) }]);
    await database.close();
    await machines.run();
    assert.equal(machines.restored, 5);
    await machines.run();
    assert.equal(machines.restored, 0);
  });

  describe('that was away', () => {
    const dailyRuns = async (other: Machine, days: number): Promise<void> => {
      for (let day = 0; day < days; day++) {
        await machines.pass(1);
        await put('words', 'clock', String(day));
        await machines.run(other);
      }
    };

    it('for longer than its changelog keeps deletions, is restored again: deleted rows do not come back', async () => {
      await begin(table);
      const other = memoryMachine();
      await put('words', 'a', '1');
      await put('words', 'b', '1');
      await machines.run();
      await put('words', 'a', null);
      await machines.run(other);
      await dailyRuns(other, 5);
      await machines.run();
      assert.deepEqual(await machines.rows(), { b: '1', clock: '4' });
      assert.match(
        machines.logger.lines.join('\n'),
        /was read 120 h 00 min ago, and the topic keeps deletions for 48 h/,
      );
    });

    it('for less long, goes on where it was', async () => {
      await begin(table);
      const other = memoryMachine();
      await put('words', 'a', '1');
      await put('words', 'b', '1');
      await machines.run();
      await put('words', 'a', null);
      await machines.run(other);
      await dailyRuns(other, 1);
      await machines.run();
      assert.equal(machines.restored, 2);
      assert.deepEqual(await machines.rows(), { b: '1', clock: '0' });
    });

    it('is not protected by the lag of compaction while records of long ago are processed', async () => {
      await begin(table);
      const other = memoryMachine();
      await machines.pass(30);
      const old = (key: string, value: string | null): TextRecord => ({ key, value, timestamp: 1 });
      await machines.app.write('words', [old('a', '1'), old('b', '1')]);
      await machines.run();
      await machines.app.write('words', [old('a', null), old('c', '1')]);
      await machines.run(other);
      await machines.pass(1.5);
      await machines.app.write('words', [old('c', '2')]);
      await machines.run(other);
      await machines.pass(0.25);
      await machines.run();
      assert.deepEqual(await machines.rows(), { b: '1', c: '2' });
    });

    it('had nothing to do all the while, and was stopped in order, goes on where it was', async () => {
      await begin(table);
      await put('words', 'a', '1');
      await machines.run();
      await machines.pass(5);
      await machines.run();
      assert.equal(machines.restored, 0);
    });

    it('while it was being restored, begins again if it was for too long', async () => {
      const app = await begin(table);
      await machines.app.write('words', words(0, 5_000));
      await machines.run();
      const before = await machines.rows();
      await machines.app.stop();
      const machine = memoryMachine();
      /** Ends the engine in the middle: when the first rows are written. */
      const interrupt = async (): Promise<void> => {
        let engine: Engine | undefined;
        let written = 0;
        const disk = writingBy(machine, async (write) => {
          await write();
          if (++written === 1) void engine?.abort().catch(() => undefined);
        });
        const ports = { ...disk, clock: app.clock, broker: app.broker.connect() };
        const started = Engine.start(table, resolveConfig('shop', {}), ports, true, (created) => {
          engine = created;
        });
        await assert.rejects(pumped(app.clock, started));
      };
      await interrupt();
      await machines.run(machine);
      assert.ok(machines.restored < 5_000, `${machines.restored} restored`);
      assert.deepEqual(await machines.rows(), before);
      await machines.app.stop();
      await machine.lose();
      await interrupt();
      await machines.pass(2);
      await machines.run(machine);
      assert.equal(machines.restored, 5_000);
      assert.deepEqual(await machines.rows(), before);
    });
  });

  describe('of a global table', () => {
    it('is read again where its topic was deleted, created again and has grown past it', async () => {
      const { broker } = await begin(global);
      for (const key of ['a', 'b']) await put('names', key, 'old');
      await machines.run();
      await machines.app.stop();
      await broker.admin.deleteTopics(['names']);
      await broker.admin.createTopics([{ name: 'names', partitions: 1 }]);
      for (const key of ['b', 'c', 'd']) await put('names', key, 'new');
      await machines.run();
      assert.deepEqual(await machines.rows(), { b: 'new', c: 'new', d: 'new' });
      await machines.run();
      assert.equal(machines.restored, 0);
    });

    it('is read again after more time than its topic keeps deletions', async () => {
      await begin(global);
      await put('names', 'a', '1');
      await put('names', 'b', '1');
      await machines.run();
      await machines.app.stop();
      await put('names', 'a', null);
      await put('names', 'c', '1');
      await machines.pass(3);
      await put('names', 'c', '2');
      await machines.pass(0.25);
      await machines.run();
      assert.deepEqual(await machines.rows(), { b: '1', c: '2' });
    });

    it('goes on where it was after a time without a record, in which it was followed', async () => {
      await begin(global);
      await put('names', 'a', '1');
      await machines.run();
      await machines.pass(5);
      await machines.app.run();
      await machines.run();
      assert.equal(machines.restored, 0);
    });
  });

  describe('when the brokers have forgotten the offsets of the group', () => {
    const expire = async (retained: boolean): Promise<void> => {
      const { broker } = machines.app;
      await machines.app.stop();
      await broker.admin.deleteGroup('shop');
      if (!retained) await broker.admin.deleteRecords([{ topic: 'words', partition: 0, offset: 50 }]);
    };

    for (const guarantee of ['exactly_once', 'at_least_once'] as const) {
      it(`${guarantee}: is restored whole, with a warning, if none of its records can be read again`, async () => {
        const { broker } = await begin(counts, { guarantee });
        await machines.app.write('words', words(0, 50));
        await machines.run();
        await expire(false);
        await machines.app.write('words', words(7, 8));
        await machines.run(memoryMachine());
        const rows = await machines.rows();
        assert.deepEqual([Object.keys(rows).length, rows.k7, rows.k8], [50, '2', '1']);
        assert.ok((await readTopic(broker, CHANGELOG)).every(({ value }) => value !== null));
        assert.match(
          machines.logger.lines.join('\n'),
          /warn: the group has no offset of words\[0\] any more; the stores keep the rows made from .* before offset 50, and reading continues at offset 50$/m,
        );
      });

      it(`${guarantee}: STATE_MISMATCH if they can, with nothing deleted; what it says helps`, async () => {
        const { broker } = await begin(counts, { guarantee });
        for (let from = 0; from < 50; from += 10) {
          await machines.app.write('words', words(from, from + 10));
          await machines.run();
        }
        await expire(true);
        const before = await readTopic(broker, CHANGELOG);
        for (let tries = 0; tries < 2; tries++)
          await assert.rejects(
            machines.run(memoryMachine()),
            isError('STATE_MISMATCH', /no offset of words\[0\] any more.*--to offset:words:0=50 --stores keep/),
          );
        assert.equal((await readTopic(broker, CHANGELOG)).length, before.length);
        await reset('offset:words:0=50', { stores: 'keep' });
        await machines.app.write('words', words(7, 8));
        await machines.run(memoryMachine());
        const rows = await machines.rows();
        assert.deepEqual([Object.keys(rows).length, rows.k7, rows.k8], [50, '2', '1']);
      });
    }

    it('STATE_MISMATCH: the source was deleted and created again, and its offsets with it', async () => {
      const { broker } = await begin();
      await machines.app.write('words', words(0, 5));
      await machines.run();
      await machines.app.stop();
      await broker.admin.deleteTopics(['words']);
      await machines.app.createTopics({ words: 1 });
      await machines.app.write('words', words(0, 9));
      await assert.rejects(machines.run(), isError('STATE_MISMATCH', /saw no committed offset/));
      await assert.rejects(machines.run(memoryMachine()), isError('STATE_MISMATCH', /records would count twice/));
    });

    it('begins again after a reset, as the error says', async () => {
      await begin();
      await machines.app.write('words', words(0, 5));
      await machines.run();
      await expire(true);
      await assert.rejects(machines.run(), isError('STATE_MISMATCH', /--to earliest --stores delete/));
      await reset('earliest', { stores: 'delete' });
      await machines.run();
      assert.deepEqual(await machines.rows(), { k0: '1', k1: '1', k2: '1', k3: '1', k4: '1' });
    });
  });
});
