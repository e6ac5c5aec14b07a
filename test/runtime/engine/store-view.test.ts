import assert from 'node:assert/strict';
import { count } from '#src/dsl/operators/aggregate.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import type { OpenDatabase } from '#src/model/database.js';
import { viewStore } from '#src/runtime/store-view.js';
import { serdes } from '#src/serdes/serdes.js';
import { createTopics, memoryMachine, writeTopic } from '../../support/application.js';
import { Cluster } from '../../support/cluster.js';

const counts = topology('counts', (t) => {
  t.stream('words', { key: serdes.string, value: serdes.string }).pipe(
    count({ store: 'totals' }),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

describe('a look at a store', () => {
  let cluster: Cluster;
  afterEach(() => cluster.close());

  it('leaves out a task that is given away while it looks', async () => {
    let reading: (() => Promise<void>) | undefined;
    const memory = memoryMachine();
    const openDatabase: OpenDatabase = async (directory) => {
      const database = await memory.openDatabase(directory);
      return {
        getMany: async (keys) => {
          await reading?.();
          return database.getMany(keys);
        },
        scan: async function* (range) {
          await reading?.();
          yield* database.scan(range);
        },
        write: (writes, options) => database.write(writes, options),
        close: () => database.close(),
      };
    };
    // Rows are in no cache, so that every look reads them.
    cluster = new Cluster(counts, { cacheBytes: 1 });
    await createTopics(cluster.broker, { words: 2, out: 1 });
    const { streams } = await cluster.join({ ...memory, openDatabase });
    const words = ['a', 'b'].map((key, partition) => ({ key, value: 'x', timestamp: 1, partition }));
    await writeTopic(cluster.broker, 'words', words);
    await cluster.idle();
    const view = viewStore<string, number>(counts.graph, () => streams, 'totals');
    assert.deepEqual((await view.entries()).map(([key]) => key).toSorted(), ['a', 'b']);

    // The first look of each waits until another process has joined.
    let joined: Promise<unknown> | undefined;
    reading = async () => {
      joined ??= cluster.join().then(() => cluster.settled());
      await joined;
    };
    const rows = await cluster.pumped(view.entries());
    const kept = streams.tasks.map((task) => (task.partition === 0 ? 'a' : 'b'));
    assert.equal(kept.length, 1);
    assert.deepEqual(
      rows.map(([key, value]) => [key, Number(value)]),
      [[kept[0], 1]],
    );
  });

  it('fails with what failed if the tasks are the same', async () => {
    cluster = new Cluster(counts, { cacheBytes: 1 });
    await createTopics(cluster.broker, { words: 1, out: 1 });
    const memory = memoryMachine();
    let broken = false;
    const openDatabase: OpenDatabase = async (directory) => {
      const database = await memory.openDatabase(directory);
      return {
        getMany: async (keys) => {
          if (broken) throw new Error('the disk is broken');
          return database.getMany(keys);
        },
        scan: (range) => database.scan(range),
        write: (writes, options) => database.write(writes, options),
        close: () => database.close(),
      };
    };
    const { streams } = await cluster.join({ ...memory, openDatabase });
    await cluster.settled();
    broken = true;
    await assert.rejects(viewStore(counts.graph, () => streams, 'totals').get('a'), /the disk is broken/);
  });
});
