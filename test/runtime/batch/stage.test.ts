import assert from 'node:assert/strict';
import type { AnyRecord, Lookups, Processor } from '#src/dsl/contract/processor.js';
import { Headers } from '#src/model/headers.js';
import { PlainRecord } from '#src/model/record.js';
import { Item, Stage, type StageHost, type StageNode } from '#src/runtime/batch/stage.js';
import { type Batch, BY_RECORD, Place } from '#src/runtime/record/place.js';
import { serdes } from '#src/serdes/serdes.js';
import { CacheBudget } from '#src/state/cache/cache-budget.js';
import { memoryDatabases } from '#src/state/database/memory.js';
import { CachedStore } from '#src/state/store/cached-store.js';

const record = (key: string, timestamp = 0): AnyRecord => new PlainRecord(key, key, timestamp, Headers.none);

/** Runs what a stage asks for, and notes it. */
class Host implements StageHost {
  readonly log: string[] = [];
  index = 0;
  enterTimer(index: number): void {
    this.index = index;
  }
  process(item: Item): void | Promise<void> {
    this.index = item.place.index;
    this.log.push(`${item.node.id} ${item.record.key} at ${this.index}`);
    if (item.failed) throw item.prepared;
    return item.node.processor.process(item.record, item.port, item.prepared);
  }
  async runTimer(run: () => void | Promise<void>): Promise<void> {
    await run();
  }
}

const batchOf = (times: readonly number[]): Batch => {
  let highest = Number.NEGATIVE_INFINITY;
  const streamTimes = times.map((time) => (highest = Math.max(highest, time)));
  return { records: times.map(() => undefined as never), streamTimes, firstSequence: 0 };
};

describe('a stage', () => {
  let stage: Stage;
  let host: Host;
  let push: number;

  beforeEach(() => {
    stage = new Stage();
    host = new Host();
    push = 0;
  });

  const node = (id: string, processor: Partial<Processor> = {}): StageNode => ({
    id,
    processor: { process: () => undefined, ...processor },
  });
  const item = (target: StageNode, key: string, index: number, push: number): Item =>
    new Item(target, 0, record(key), new Place(index, BY_RECORD, undefined, push), push);
  const add = (target: StageNode, key: string, index: number): void => stage.add(item(target, key, index, ++push));

  it('takes items in the order of the records that caused them, and of arrival for one record', async () => {
    const a = node('a');
    const b = node('b');
    for (const [target, key, index] of [
      [a, 'x', 2],
      [b, 'y', 0],
      [a, 'z', 1],
      [b, 'u', 1],
      [a, 'v', 0],
    ] as const)
      add(target, key, index);
    await stage.run(host, batchOf([0, 0, 0]));
    assert.deepEqual(host.log, ['b y at 0', 'a v at 0', 'a z at 1', 'b u at 1', 'a x at 2']);
  });

  it('finishes what it emits to itself before the next item, depth first', async () => {
    const leaf = node('leaf');
    const inner: StageNode = node('inner', { process: (r) => add(leaf, `${r.key}.`, host.index) });
    const outer: StageNode = node('outer', {
      process: (r) => {
        add(inner, `${r.key}1`, host.index);
        add(inner, `${r.key}2`, host.index);
      },
    });
    add(outer, 'a', 0);
    add(outer, 'b', 1);
    await stage.run(host, batchOf([0, 0]));
    assert.deepEqual(host.log, [
      'outer a at 0',
      'inner a1 at 0',
      'leaf a1. at 0',
      'inner a2 at 0',
      'leaf a2. at 0',
      'outer b at 1',
      'inner b1 at 1',
      'leaf b1. at 1',
      'inner b2 at 1',
      'leaf b2. at 1',
    ]);
  });

  it('waits for an asynchronous processor before the next item', async () => {
    const slow = node('slow', {
      process: async (r) => {
        await Promise.resolve();
        host.log.push(`done ${r.key}`);
      },
    });
    add(slow, 'a', 0);
    add(slow, 'b', 1);
    await stage.run(host, batchOf([0, 0]));
    assert.deepEqual(host.log, ['slow a at 0', 'done a', 'slow b at 1', 'done b']);
  });

  it('reads the keys of all items in one round trip a store', async () => {
    const database = await memoryDatabases()('db');
    const asked: number[] = [];
    const counting = {
      ...database,
      getMany: (keys: readonly Buffer[]) => {
        asked.push(keys.length);
        return database.getMany(keys);
      },
    };
    const store = new CachedStore<string, string>({
      spec: { name: 's', kind: 'keyValue', key: serdes.string, value: serdes.string },
      storeId: 1,
      database: counting as typeof database,
      budget: new CacheBudget(1e6),
      cause: { topic: '', offset: 0, timestamp: 0 },
    });
    await store.open(0);
    const reader = node('reader', {
      prepare: (r: AnyRecord, _port: number, reads: Lookups) => reads.add(store, r.key as string),
      process: (r) => void host.log.push(`${store.get(r.key as string)}`),
    });
    for (const [i, key] of ['a', 'b', 'a', 'c'].entries()) add(reader, key, i);
    await stage.run(host, batchOf([0, 0, 0, 0]));
    assert.deepEqual(asked, [3]);
    await database.close();
  });

  it('hands what reads returned to process, and what it threw to the host', async () => {
    const prepared: unknown[] = [];
    const reading = node('reading', {
      prepare: (r) => {
        if (r.key === 'bad') throw new Error('no reads');
        return `prepared ${r.key}`;
      },
      process: (_r, _port, given) => void prepared.push(given),
    });
    add(reading, 'good', 0);
    await stage.run(host, batchOf([0]));
    assert.deepEqual(prepared, ['prepared good']);
    add(reading, 'bad', 0);
    await assert.rejects(stage.run(host, batchOf([0])), /no reads/);
  });

  it('takes back what one push brought to one node, and nothing else', async () => {
    const a = node('a');
    const b = node('b');
    stage.add(item(a, 'one', 0, 1));
    stage.add(item(b, 'one', 0, 1));
    stage.add(item(a, 'two', 1, 2));
    stage.takeBack('a', 1);
    await stage.run(host, batchOf([0, 0]));
    assert.deepEqual(host.log, ['b one at 0', 'a two at 1']);
  });

  it('takes back a push inside what it emits to itself; the rest comes once, and so does what follows', async () => {
    const leaf = node('leaf');
    const other = node('other');
    const inner: StageNode = node('inner', {
      process: (r) => {
        add(leaf, `${r.key} before`, host.index);
        add(other, `${r.key} gone`, host.index);
        stage.takeBack('other', push);
        add(leaf, `${r.key} after`, host.index);
      },
    });
    const outer: StageNode = node('outer', { process: (r) => add(inner, r.key as string, host.index) });
    add(outer, 'a', 0);
    add(outer, 'b', 1);
    await stage.run(host, batchOf([0, 0]));
    assert.deepEqual(host.log, [
      'outer a at 0',
      'inner a at 0',
      'leaf a before at 0',
      'leaf a after at 0',
      'outer b at 1',
      'inner b at 1',
      'leaf b before at 1',
      'leaf b after at 1',
    ]);
  });

  describe('with timers on stream time', () => {
    const times = [3, 8, 12, 11, 25, 25, 31];

    /** Runs the records in batches of that size; each record is also an item, so that the log shows the order. */
    async function run(size: number, setUp: (stage: Stage) => void, target = node('n')): Promise<string[]> {
      stage = new Stage();
      host = new Host();
      const log: string[] = [];
      setUp(stage);
      let highest = Number.NEGATIVE_INFINITY;
      for (let from = 0; from < times.length; from += size) {
        const part = times.slice(from, from + size);
        const streamTimes = part.map((time) => (highest = Math.max(highest, time)));
        part.forEach((time, i) => add(target, `t${time}`, i));
        await stage.run(host, { records: part.map(() => undefined as never), streamTimes, firstSequence: from });
        // The index of a batch as that of all records.
        log.push(
          ...host.log.splice(0).map((line) => line.replace(/ at (\d+)$/, (_, index) => ` at ${from + Number(index)}`)),
        );
      }
      return log;
    }

    const every10 = (target: Stage): void =>
      void target.timers.schedule(10, 0, (now) => void host.log.push(`timer ${now} at ${host.index}`));

    it('fires after the record that made them due, and before the next', async () => {
      assert.deepEqual(await run(1_000, every10), [
        'n t3 at 0',
        'n t8 at 1',
        'n t12 at 2',
        'timer 12 at 2',
        'n t11 at 3',
        'n t25 at 4',
        'timer 25 at 4',
        'n t25 at 5',
        'n t31 at 6',
        'timer 31 at 6',
      ]);
    });

    for (const size of [1, 2, 3, 7]) {
      it(`fires at the same places in batches of ${size}`, async () => {
        assert.deepEqual(await run(size, every10), await run(1_000, every10));
      });

      it(`fires one that was scheduled on the way at the same places in batches of ${size}`, async () => {
        const scheduling = (): StageNode => {
          let scheduled = false;
          return node('n', {
            process: () => {
              if (scheduled) return;
              scheduled = true;
              stage.timers.schedule(
                10,
                times[0] as number,
                (now) => void host.log.push(`timer ${now} at ${host.index}`),
              );
            },
          });
        };
        assert.deepEqual(await run(size, () => undefined, scheduling()), await run(1, () => undefined, scheduling()));
      });
    }

    it('fires although nothing arrived at the stage: what moved stream time was filtered out', async () => {
      every10(stage);
      await stage.run(host, batchOf([3, 12]));
      assert.deepEqual(host.log, ['timer 12 at 1']);
    });

    it('finishes what a timer emits before the next item', async () => {
      const target = node('n');
      stage.timers.schedule(10, 0, () => add(target, 'emitted', host.index));
      add(target, 'a', 0);
      add(target, 'b', 1);
      await stage.run(host, batchOf([10, 11]));
      assert.deepEqual(host.log, ['n a at 0', 'n emitted at 0', 'n b at 1']);
    });
  });
});
