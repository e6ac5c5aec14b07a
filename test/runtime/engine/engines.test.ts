import assert from 'node:assert/strict';
import fc from 'fast-check';
import { count } from '#src/dsl/operators/aggregate.js';
import { groupBy } from '#src/dsl/operators/group-by.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { serdes } from '#src/serdes/serdes.js';
import {
  createTopics,
  decoded,
  type Machine,
  memoryMachine,
  readTopic,
  type TextRecord,
  writeTopic,
} from '../../support/application.js';
import { Cluster } from '../../support/cluster.js';
import { byKey } from '../../support/crashes.js';

const counts = topology('counts', (t) => {
  t.stream('words', { key: serdes.string, value: serdes.string }).pipe(
    count({ store: 'per-key' }),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

const grouped = topology('grouped', (t) => {
  t.stream('words', { key: serdes.string, value: serdes.string }).pipe(
    groupBy((record) => record.value, { key: serdes.string, value: serdes.string, name: 'by-value', partitions: 3 }),
    count({ store: 'per-value' }),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

let now = 0;
const words = (keys: number, each: number): TextRecord[] =>
  Array.from({ length: keys * each }, (_, i) => ({ key: `k${i % keys}`, value: `v${i % 7}`, timestamp: ++now }));

/** Counts of every key, in order: 1, 2, 3, … if nothing is lost or doubled. */
async function assertCounts(cluster: Cluster, groups: number, each: number): Promise<void> {
  const found = byKey((await readTopic(cluster.broker, 'out')).map(decoded));
  assert.equal(found.size, groups);
  for (const [key, records] of found) {
    assert.deepEqual(
      records.map(({ value }) => Number(value)),
      Array.from({ length: each }, (_, i) => i + 1),
      `counts of ${key}`,
    );
  }
}

describe('several engines of one application', () => {
  let cluster: Cluster;

  async function open(target = counts, partitions = 4): Promise<void> {
    cluster = new Cluster(target);
    await createTopics(cluster.broker, { words: partitions, out: 2 });
  }

  afterEach(() => cluster.close());

  it('share the tasks evenly, and those that stay keep theirs', async () => {
    await open(counts, 6);
    await cluster.join();
    await cluster.join();
    await cluster.settled();
    const before = cluster.taskIds;
    assert.deepEqual(
      before.map((tasks) => tasks.length),
      [3, 3],
    );
    await cluster.join();
    await cluster.settled();
    const after = cluster.taskIds;
    assert.deepEqual(
      after.map((tasks) => tasks.length),
      [2, 2, 2],
    );
    for (const i of [0, 1]) assert.ok(after[i]!.every((task) => before[i]!.includes(task)));
    await cluster.leave(cluster.nodes[2]!);
    await cluster.settled();
    assert.deepEqual(cluster.taskIds.flat().toSorted(), before.flat().toSorted());
  });

  it('hand the state over: it is rebuilt from the changelog on another machine', async () => {
    await open();
    const first = await cluster.join();
    await writeTopic(cluster.broker, 'words', words(20, 2));
    await cluster.idle();
    const second = await cluster.join();
    await cluster.settled();
    assert.ok(second.streams.progress().metrics.restoredRecords > 0);
    await writeTopic(cluster.broker, 'words', words(20, 1));
    await cluster.idle();
    await cluster.leave(first);
    await writeTopic(cluster.broker, 'words', words(20, 1));
    await cluster.idle();
    await assertCounts(cluster, 20, 4);
  });

  it('hand the state over within one state directory: nothing is restored', async () => {
    await open();
    const machine = memoryMachine();
    await cluster.join(machine);
    await writeTopic(cluster.broker, 'words', words(20, 2));
    await cluster.idle();
    const second = await cluster.join(machine);
    await cluster.settled();
    assert.deepEqual(
      cluster.taskIds.map((tasks) => tasks.length),
      [2, 2],
    );
    assert.equal(second.streams.progress().metrics.restoredRecords, 0);
    await writeTopic(cluster.broker, 'words', words(20, 1));
    await cluster.idle();
    await assertCounts(cluster, 20, 3);
  });

  it('one dies: the other goes on with all tasks', async () => {
    await open(grouped);
    await cluster.join();
    const second = await cluster.join();
    await writeTopic(cluster.broker, 'words', words(7, 10));
    await cluster.kill(second);
    await cluster.idle();
    assert.equal(cluster.taskIds[0]!.length, 7);
    await assertCounts(cluster, 7, 10);
  });

  it('an engine without a task waits for one', async () => {
    await open(counts, 1);
    const first = await cluster.join();
    await cluster.join();
    await cluster.settled();
    assert.deepEqual(
      cluster.taskIds.map((tasks) => tasks.length),
      [1, 0],
    );
    await writeTopic(cluster.broker, 'words', words(3, 1));
    await cluster.idle();
    await cluster.leave(first);
    await writeTopic(cluster.broker, 'words', words(3, 1));
    await cluster.idle();
    assert.deepEqual(cluster.taskIds, [['words-0']]);
    await assertCounts(cluster, 3, 2);
  });

  for (const shared of [true, false]) {
    it(`come and go and die at any moment: no loss, no duplicate (${shared ? 'one state directory' : 'a state directory each'})`, async () => {
      const action = fc.constantFrom('join', 'join', 'joining', 'joining', 'leave', 'kill', 'write', 'write', 'idle');
      await fc.assert(
        fc.asyncProperty(fc.array(action, { minLength: 4, maxLength: 14 }), async (actions) => {
          cluster = new Cluster(grouped, { batchRecords: 3, commitRecords: 5 });
          await createTopics(cluster.broker, { words: 4, out: 2 });
          const one = memoryMachine();
          const machine = (): Machine => (shared ? one : memoryMachine());
          await cluster.join(machine());
          const joining: Promise<unknown>[] = [];
          let writes = 0;
          for (const act of actions) {
            const node = cluster.nodes[0]!;
            if (act === 'join' && cluster.nodes.length < 4) await cluster.join(machine());
            // The next thing happens while it opens and restores its tasks.
            if (act === 'joining') joining.push(cluster.join(machine()));
            if (act === 'leave' && cluster.nodes.length > 1) await cluster.leave(node);
            if (act === 'kill' && cluster.nodes.length > 1) await cluster.kill(node);
            if (act === 'write' && ++writes) await writeTopic(cluster.broker, 'words', words(7, 2));
            if (act === 'idle') await cluster.idle();
          }
          await Promise.all(joining);
          await writeTopic(cluster.broker, 'words', words(7, 2));
          await cluster.idle();
          await assertCounts(cluster, 7, 2 * (writes + 1));
          await cluster.close();
        }),
        { numRuns: 40 },
      );
    });
  }

  it('come and go and die at any moment, at_least_once: no loss, in order, whatever comes twice', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('join', 'leave', 'kill', 'write', 'write', 'idle'), { minLength: 4, maxLength: 14 }),
        async (actions) => {
          cluster = new Cluster(counts, { guarantee: 'at_least_once', batchRecords: 3, commitRecords: 5 });
          await createTopics(cluster.broker, { words: 4, out: 2 });
          await cluster.join();
          let writes = 0;
          for (const act of actions) {
            const node = cluster.nodes[0]!;
            if (act === 'join' && cluster.nodes.length < 4) await cluster.join();
            if (act === 'leave' && cluster.nodes.length > 1) await cluster.leave(node);
            if (act === 'kill' && cluster.nodes.length > 1) await cluster.kill(node);
            if (act === 'write' && ++writes) await writeTopic(cluster.broker, 'words', words(7, 2));
            if (act === 'idle') await cluster.idle();
          }
          await writeTopic(cluster.broker, 'words', words(7, 2));
          await cluster.idle();
          for (const [key, records] of byKey((await readTopic(cluster.broker, 'out')).map(decoded))) {
            const values = records.map(({ value }) => Number(value));
            assert.deepEqual(
              [...new Set(values)],
              Array.from({ length: 2 * (writes + 1) }, (_, i) => i + 1),
              `counts of ${key}`,
            );
            assert.equal(values.at(-1), 2 * (writes + 1));
          }
          await cluster.close();
        },
      ),
      { numRuns: 40 },
    );
  });
});
