import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { Broker } from '#src/broker/port.js';
import {
  aggregate,
  dedupe,
  groupBy,
  joinGlobalTable,
  serdes,
  type Topology,
  to,
  topology,
  toStream,
} from '#src/index.js';
import {
  applyReset,
  planReset,
  type RebuildOptions,
  type RebuildReport,
  type RebuildStep,
  rebuildStore,
} from '#src/replay/index.js';
import { framePast, withPast } from '#src/replay/past/past.js';
import { systemClock } from '#src/runtime/config/system.js';
import { start } from '#src/runtime/start.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { isError } from '../../support/errors.js';
import { overlaid } from '../../support/overlaid.js';
import { temporaryDirectory } from '../../support/project.js';
import { append, type Told } from '../support.js';

const json = { key: serdes.string, value: serdes.json<any>() };
const ALL = { added: 0, changed: 0, removed: 0, unreadable: 0, behind: false, finished: false };

/** An application over runs, losses and rebuilds: sums by key, and by group behind a repartition. Its code can change. */
class Life {
  stateDirectory = temporaryDirectory();
  readonly broker: Broker = new MemoryBroker({ clock: systemClock });
  /** What each record is worth: the code of the topology. */
  worth = 1;
  #time = 0;

  static async begin(keys: string, config: Readonly<Record<string, Record<string, string>>> = {}): Promise<Life> {
    const life = new Life();
    const topics = ['in', 'out', 'names'];
    await life.broker.admin.createTopics(
      topics.map((name) => ({
        name,
        partitions: name === 'in' ? 2 : 1,
        config: config[name] ?? { 'retention.ms': '-1' },
      })),
    );
    await append(life.broker, [{ topic: 'names', key: 'g', value: 'G', timestamp: 0 }]);
    await life.tell(keys);
    await life.run();
    return life;
  }

  get target(): Topology {
    return topology('shop', (t) => {
      const names = t.globalTable('names', { key: serdes.string, value: serdes.json<string>(), store: 'names' });
      const add = (sum: number) => sum + this.worth;
      const input = t.stream('in', json);
      input
        .pipe(aggregate({ store: 'sums', value: serdes.json<number>(), initial: () => 0, add }), toStream())
        .pipe(to('out', { key: serdes.string, value: serdes.json() }));
      input.pipe(
        groupBy(() => 'g', { key: serdes.string, name: 'by-group' }),
        joinGlobalTable(names, { key: (record) => record.key, join: (_value, name) => name }),
        aggregate({
          store: 'groups',
          value: serdes.json<any>(),
          initial: () => ({ sum: 0 }),
          add: ({ sum }, { value }) => ({ sum: sum + this.worth, name: value }),
        }),
      );
    });
  }

  tell(keys: string): Promise<void> {
    const records = [...keys].map((key): Told => ({ topic: 'in', key, value: 1, timestamp: ++this.#time }));
    return append(this.broker, records, 2);
  }

  async run(): Promise<void> {
    await this.#running(async () => undefined);
  }

  /** All rows, as the application sees them. */
  async rows(): Promise<{ sums: unknown; groups: unknown }> {
    const found: Record<string, unknown> = {};
    await this.#running(async (streams) => {
      for (const store of ['sums', 'groups'])
        found[store] = Object.fromEntries(await streams.store<string, unknown>(store).entries());
    });
    return found as { sums: unknown; groups: unknown };
  }

  /** Another machine: without state, from the changelogs. */
  async rowsElsewhere(): Promise<{ sums: unknown; groups: unknown }> {
    const here = this.stateDirectory;
    this.stateDirectory = temporaryDirectory();
    const rows = await this.rows();
    this.stateDirectory = here;
    return rows;
  }

  rebuild(options: Partial<RebuildOptions> = {}): Promise<RebuildReport> {
    const { broker, stateDirectory } = this;
    return rebuildStore(this.target, { broker, stateDirectory, store: 'sums', ...options });
  }

  /** Writes to the rows of a task's only store on disk, as nobody should. */
  async damage(task: string, value: Buffer | null): Promise<void> {
    const database = await openRocksDatabase(join(this.stateDirectory, 'shop', task, 'db'));
    // Everything but what is the task's own.
    for await (const chunk of database.scan({ gte: Buffer.from([0, 1]) }))
      await database.write(chunk.map(([key]) => ({ key, value })));
    await database.close();
  }

  get rebuildDirectory(): string {
    return join(this.stateDirectory, 'rebuild', 'shop');
  }

  identity(task: string): string {
    return readFileSync(join(this.stateDirectory, 'shop', task, 'identity.json'), 'utf8');
  }

  /** Leaves what a rebuild from sources leaves that is killed when it has replayed some of them. */
  async keepReplay(version: string): Promise<void> {
    const directory = join(this.rebuildDirectory, 'snapshots');
    const frame = await framePast(this.target, {
      broker: this.broker,
      unregistered: 'fail',
      snapshots: { directory, version, every: { records: 2 } },
    });
    await withPast(frame, {}, (past) => past.toEnd());
    assert.ok(existsSync(directory));
  }

  async #running(use: (streams: Awaited<ReturnType<typeof start>>) => Promise<void>): Promise<void> {
    const { broker, stateDirectory } = this;
    const streams = await start(this.target, { broker, stateDirectory });
    await streams.untilIdle();
    await use(streams);
    await streams.stop();
  }
}

const FROM = ['changelog', 'sources'] as const;

/** With how the rows of all tasks compare. */
const total = ({ tasks }: RebuildReport, field: 'equal' | 'added' | 'changed' | 'removed' | 'unreadable'): number =>
  tasks.reduce((sum, task) => sum + task[field], 0);

describe('a rebuild', () => {
  for (const from of FROM) {
    it(`from ${from} makes the store that is there, of every task that has it, and leaves nothing behind`, async () => {
      const life = await Life.begin('abcdab');
      const report = await life.rebuild({ from });
      assert.equal(report.swapped, true);
      assert.deepEqual(
        report.tasks.map(({ equal: _, ...task }) => task),
        [
          { task: 'in-0', ...ALL },
          { task: 'in-1', ...ALL },
        ],
      );
      assert.equal(total(report, 'equal'), 4);
      assert.ok(!existsSync(life.rebuildDirectory));
      await life.tell('ae');
      assert.deepEqual(await life.rows(), {
        sums: { a: 3, b: 2, c: 1, d: 1, e: 1 },
        groups: { g: { sum: 8, name: 'G' } },
      });
    });

    it(`from ${from} mends rows that were lost, changed or made up on the disk, and says how many`, async () => {
      const life = await Life.begin('aaaa');
      const [task = ''] = (await life.rebuild({ from })).tasks
        .filter(({ equal }) => equal > 0)
        .map((each) => each.task);
      await life.damage(task, Buffer.from('no row of ours'));
      const report = await life.rebuild({ from });
      assert.deepEqual([total(report, 'changed'), total(report, 'unreadable')], [1, 1]);
      await life.damage(task, null);
      assert.equal(total(await life.rebuild({ from }), 'added'), 1);
      assert.deepEqual((await life.rows()).sums, { a: 4 });
    });

    it(`from ${from} changes nothing without consent, and keeps nothing`, async () => {
      const life = await Life.begin('aab');
      life.worth = 2;
      const seen: unknown[] = [];
      const report = await life.rebuild({
        from,
        confirm: (tasks) => {
          seen.push(...tasks);
          return false;
        },
      });
      assert.deepEqual(report, { swapped: false, tasks: seen, gaps: [] });
      assert.equal(total(report, 'changed'), from === 'sources' ? 2 : 0);
      assert.ok(!existsSync(life.rebuildDirectory));
      const before = { sums: { a: 2, b: 1 }, groups: { g: { sum: 3, name: 'G' } } };
      assert.deepEqual([await life.rows(), await life.rowsElsewhere()], [before, before]);
    });

    for (const step of ['1 built', '2 verified', '3 logged', '4 copied', '5 swapped', '6 cleaned'] as const) {
      if (from === 'changelog' && step === '3 logged') continue;
      it(`from ${from}, killed behind step ${step}: the application goes on, and a second run is whole`, async () => {
        const life = await Life.begin('abcab');
        let crashes = 1;
        const afterStep = (at: RebuildStep): void => {
          if (at === step && crashes-- > 0) throw new Error('crashed');
        };
        await assert.rejects(life.rebuild({ from, afterStep }), /crashed/);
        await life.tell('ad');
        const rows = { sums: { a: 3, b: 2, c: 1, d: 1 }, groups: { g: { sum: 7, name: 'G' } } };
        assert.deepEqual(await life.rows(), rows);
        const report = await life.rebuild({ from });
        assert.equal(report.swapped, true);
        assert.equal(report.tasks.filter(({ finished }) => finished).length, step === '5 swapped' ? 1 : 0);
        assert.ok(!existsSync(life.rebuildDirectory));
        assert.deepEqual(await life.rows(), rows);
        assert.deepEqual(await life.rowsElsewhere(), rows);
      });
    }
  }

  // "Everywhere": here and on every machine. Other stores stay as they are.
  it('from sources gives one store what the present code makes, everywhere, also behind a repartition', async () => {
    const life = await Life.begin('aab');
    life.worth = 10;
    const report = await life.rebuild({ from: 'sources' });
    assert.equal(total(report, 'changed'), 2);
    assert.deepEqual(await life.rows(), { sums: { a: 20, b: 10 }, groups: { g: { sum: 3, name: 'G' } } });
    const [groups] = (await life.rebuild({ from: 'sources', store: 'groups' })).tasks.filter(
      ({ changed }) => changed > 0,
    );
    assert.deepEqual(groups, { ...ALL, task: groups?.task, equal: 0, changed: 1 });
    const rows = { sums: { a: 20, b: 10 }, groups: { g: { sum: 30, name: 'G' } } };
    assert.deepEqual([await life.rows(), await life.rowsElsewhere()], [rows, rows]);
    // The second task of the group has another key: only what is on this machine is rebuilt, once.
    assert.equal(total(await life.rebuild({ from: 'sources', store: 'groups' }), 'changed'), 0);
  });

  it('from sources writes no output', async () => {
    const life = await Life.begin('aab');
    const ends = () => life.broker.admin.latestOffsets([{ topic: 'out', partition: 0 }]);
    const before = await ends();
    life.worth = 3;
    await life.rebuild({ from: 'sources' });
    assert.deepEqual(await ends(), before);
  });

  for (const [looks, outcome] of [
    [3, 'waits until it can read what it has logged'],
    [Number.POSITIVE_INFINITY, 'is BROKER_UNAVAILABLE if it cannot read what it has logged, and changes nothing here'],
  ] as const) {
    it(`from sources ${outcome}`, async () => {
      const life = await Life.begin('aab');
      life.worth = 2;
      const { broker } = life;
      let hidden = 0;
      const admin = overlaid(broker.admin, {
        latestOffsets: async (partitions: Parameters<Broker['admin']['latestOffsets']>[0]) => {
          const ends = await broker.admin.latestOffsets(partitions);
          if (hidden-- <= 0) return ends;
          return ends.map((end) => ({ ...end, offset: end.offset - 1 }));
        },
      });
      let time = 0;
      const rebuilt = life.rebuild({
        from: 'sources',
        broker: overlaid(broker, { admin }),
        clock: { ...systemClock, monotonic: () => (time += 10_000) },
        onProgress: ({ doing }) => {
          if (doing === 'logging') hidden = looks;
        },
      });
      if (looks === 3) assert.equal(total(await rebuilt, 'changed'), 2);
      else await assert.rejects(rebuilt, isError('BROKER_UNAVAILABLE', /shop-sums-changelog/));
      // In both cases: the application reads on from the changelog.
      assert.deepEqual((await life.rows()).sums, looks === 3 ? { a: 4, b: 2 } : (await life.rowsElsewhere()).sums);
      if (looks !== 3) assert.equal(total(await life.rebuild({ from: 'sources' }), 'unreadable'), 0);
      assert.deepEqual((await life.rows()).sums, { a: 4, b: 2 });
    });
  }

  it('says of a store that a crash has left behind that it is, and brings it to what is committed', async () => {
    const life = await Life.begin('ab');
    const copy = temporaryDirectory();
    cpSync(life.stateDirectory, copy, { recursive: true });
    await life.tell('abc');
    await life.run();
    life.stateDirectory = copy;
    const report = await life.rebuild();
    assert.ok(report.tasks.some(({ behind }) => behind));
    assert.deepEqual([total(report, 'changed'), total(report, 'added')], [2, 1]);
    assert.deepEqual((await life.rows()).sums, { a: 2, b: 2, c: 1 });
  });

  it('goes on where it was stopped, and from nothing where what it had made does not fit any more', async () => {
    const life = await Life.begin('abc');
    const stop = new AbortController();
    const stopAt = (doing: string) => (progress: { doing: string }) => {
      if (progress.doing === doing) stop.abort();
    };
    await assert.rejects(
      life.rebuild({ signal: stop.signal, onProgress: stopAt('comparing') }),
      isError('STOPPED', /the rebuild was stopped/),
    );
    assert.ok(existsSync(life.rebuildDirectory));
    // Its identity is that of somebody else, as far as anybody can tell.
    for (const task of ['in-0', 'in-1']) rmSync(join(life.rebuildDirectory, task, 'identity.json'), { force: true });
    assert.equal(total(await life.rebuild(), 'equal'), 3);
    assert.deepEqual((await life.rows()).sums, { a: 1, b: 1, c: 1 });
  });

  it('changes nothing without consent, nor what an earlier one that was killed has left', async () => {
    const life = await Life.begin('aab');
    const crash = (at: RebuildStep): void => {
      if (at === '5 swapped') throw new Error('crashed');
    };
    await assert.rejects(life.rebuild({ afterStep: crash }), /crashed/);
    const [task = ''] = ['in-0', 'in-1'].filter((name) => life.identity(name).includes('sums~old'));
    // The other task is on another machine.
    rmSync(join(life.stateDirectory, 'shop', task === 'in-0' ? 'in-1' : 'in-0'), { recursive: true });
    const before = life.identity(task);
    const report = await life.rebuild({ confirm: () => false });
    assert.equal(report.swapped, false);
    assert.deepEqual(
      report.tasks.map(({ task: name, finished }) => [name, finished]),
      [[task, true]],
    );
    assert.equal(life.identity(task), before);
    assert.equal((await life.rebuild()).tasks[0]?.finished, true);
    assert.ok(!life.identity(task).includes('~old'));
  });

  it('from sources uses nothing of an interrupted one unless the version says that the code is the same', async () => {
    const life = await Life.begin('aab');
    await life.keepReplay('');
    life.worth = 10;
    await life.rebuild({ from: 'sources' });
    assert.deepEqual((await life.rows()).sums, { a: 20, b: 10 });
  });

  it('from sources begins again where what an interrupted one has kept is damaged', async () => {
    const life = await Life.begin('aab');
    await life.keepReplay('1');
    const snapshots = join(life.rebuildDirectory, 'snapshots');
    for (const name of readdirSync(snapshots, { recursive: true, encoding: 'utf8' }))
      if (/MANIFEST/.test(name)) rmSync(join(snapshots, name));
    assert.equal(total(await life.rebuild({ from: 'sources', version: '1' }), 'equal'), 2);
    assert.ok(!existsSync(life.rebuildDirectory));
  });

  it('is forgotten by a reset', async () => {
    const life = await Life.begin('ab');
    const afterStep = (at: RebuildStep): void => {
      if (at === '2 verified') throw new Error('crashed');
    };
    await assert.rejects(life.rebuild({ afterStep }), /crashed/);
    assert.ok(existsSync(life.rebuildDirectory));
    const { broker, stateDirectory } = life;
    const plan = await planReset(life.target, { broker, stateDirectory, to: { kind: 'earliest' }, now: 0 });
    await applyReset(plan, { broker, stateDirectory, clock: systemClock });
    assert.ok(!existsSync(life.rebuildDirectory));
    assert.deepEqual((await life.rows()).sums, { a: 1, b: 1 });
    assert.equal(total(await life.rebuild(), 'equal'), 2);
  });

  it('STORE_UNKNOWN, STATE_MISMATCH: no such store, that of a global table, no state here', async () => {
    const life = await Life.begin('a');
    await assert.rejects(life.rebuild({ store: 'nothing' }), isError('STORE_UNKNOWN', /no store "nothing"/));
    await assert.rejects(life.rebuild({ store: 'names' }), isError('STORE_UNKNOWN', /global table/));
    life.stateDirectory = temporaryDirectory();
    await assert.rejects(life.rebuild(), isError('STATE_MISMATCH', /no state of store sums on this machine/));
  });

  it('TOPIC_UNKNOWN: the store is new in the code, and the application has not run since', async () => {
    const life = await Life.begin('a');
    const { broker, stateDirectory } = life;
    const target = topology('shop', (t) => {
      const input = t.stream('in', json);
      input.pipe(aggregate({ store: 'sums', value: serdes.json<number>(), initial: () => 0, add: (sum) => sum + 1 }));
      input.pipe(dedupe({ store: 'new', id: ({ value }) => value, within: '1s' }));
    });
    const before = life.identity('in-0');
    for (const from of FROM)
      await assert.rejects(
        rebuildStore(target, { broker, stateDirectory, store: 'new', from }),
        isError('TOPIC_UNKNOWN', /shop-new-changelog/, /Run the application once/),
      );
    assert.equal(life.identity('in-0'), before);
  });

  it('STATE_LOCKED, APPLICATION_RUNNING: the application runs here, or anywhere', async () => {
    const life = await Life.begin('a');
    const { broker, stateDirectory } = life;
    const streams = await start(life.target, { broker, stateDirectory });
    await assert.rejects(life.rebuild(), isError('STATE_LOCKED', /in-0/));
    await assert.rejects(life.rebuild({ from: 'sources' }), isError('APPLICATION_RUNNING', /group shop/));
    await streams.stop();
  });

  it('OFFSET_OUT_OF_RANGE: the sources do not begin at their beginning any more', async () => {
    const life = await Life.begin('ab');
    const [at] = (await life.broker.admin.groupOffsets('shop')).filter(
      ({ topic, offset }) => topic === 'in' && offset > 0,
    );
    await life.broker.admin.deleteRecords([{ topic: 'in', partition: at?.partition ?? 0, offset: 1 }]);
    await assert.rejects(life.rebuild({ from: 'sources' }), isError('OFFSET_OUT_OF_RANGE', /--from changelog/));
    assert.equal(total(await life.rebuild(), 'equal'), 2);
  });

  it('says of sources which are compacted that what followed from earlier values is missing', async () => {
    const life = await Life.begin('aab', { in: { 'cleanup.policy': 'compact' } });
    const told: unknown[] = [];
    const { gaps } = await life.rebuild({ from: 'sources', confirm: (_tasks, found) => told.push(...found) > 0 });
    assert.deepEqual(told, gaps);
    assert.deepEqual(
      gaps.map(({ topic, partition, compacted }) => [topic, partition, compacted]),
      [
        ['in', 0, true],
        ['in', 1, true],
      ],
    );
    assert.deepEqual((await life.rebuild()).gaps, []);
  });

  it('STATE_MISMATCH: records are on their way through a repartition topic', async () => {
    const life = await Life.begin('ab');
    await append(life.broker, [{ topic: 'shop-by-group-repartition', key: 'g', value: 1, timestamp: 9 }], 2);
    await assert.rejects(life.rebuild({ from: 'sources' }), isError('STATE_MISMATCH', /--until-idle/));
    assert.equal(total(await life.rebuild(), 'equal'), 2);
  });

  it('STATE_MISMATCH: the state is further than the group, or a reset has kept the stores', async () => {
    const life = await Life.begin('aabb');
    const { broker, stateDirectory } = life;
    const plan = await planReset(life.target, {
      broker,
      stateDirectory,
      to: { kind: 'earliest' },
      now: 0,
      stores: 'keep',
    });
    await applyReset(plan, { broker, stateDirectory, clock: systemClock });
    await assert.rejects(life.rebuild({ from: 'sources' }), isError('STATE_MISMATCH', /a reset kept them/));
    assert.equal(total(await life.rebuild(), 'equal'), 2);
    const back = (await broker.admin.groupOffsets('shop')).map(({ topic, partition }) => ({
      topic,
      partition,
      offset: 0,
    }));
    await broker.admin.setGroupOffsets('shop', back);
    await assert.rejects(life.rebuild(), isError('STATE_MISMATCH', /the group has committed less/));
  });
});

describe('a rebuild of a store with a time to live', () => {
  for (const from of FROM) {
    it(`from ${from} keeps live rows apart from expired ones: duplicates are dropped, and old rows go`, async () => {
      const target = topology('ids', (t) => {
        t.stream('in', json).pipe(dedupe({ store: 'seen', id: ({ value }) => value, within: '1s' }), to('out', json));
      });
      const broker = new MemoryBroker({ clock: systemClock });
      await broker.admin.createTopics(
        ['in', 'out'].map((name) => ({ name, partitions: 1, config: { 'retention.ms': '-1' } })),
      );
      const stateDirectory = temporaryDirectory();
      const send = async (ids: string, timestamp: number) => {
        await append(
          broker,
          [...ids].map((id) => ({ topic: 'in', key: 'k', value: id, timestamp })),
        );
        const streams = await start(target, { broker, stateDirectory });
        await streams.untilIdle();
        await streams.stop();
      };
      await send('abc', 0);
      await send('de', 900);
      await send('f', 1_500);
      const report = await rebuildStore(target, { broker, stateDirectory, store: 'seen', from });
      assert.deepEqual(report.tasks, [{ ...ALL, task: 'in-0', equal: 3 }]);
      // d and e are duplicates, a is long forgotten.
      await send('adef', 1_600);
      const [end] = await broker.admin.latestOffsets([{ topic: 'out', partition: 0 }]);
      const reader = await broker.createReader();
      reader.seek({ topic: 'out', partition: 0, offset: 0 });
      const [batch] = await reader.poll({ maxRecords: 100, maxWaitMs: 0 });
      await reader.close();
      assert.equal(batch?.nextOffset, end?.offset);
      assert.deepEqual(batch?.records.map(({ value }) => JSON.parse(String(value))).join(''), 'abcdefa');
      const again = await rebuildStore(target, { broker, stateDirectory, store: 'seen', from });
      assert.deepEqual(again.tasks, [{ ...ALL, task: 'in-0', equal: 4 }]);
      await broker.close();
    });
  }
});
