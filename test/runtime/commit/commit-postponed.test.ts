// Promise: rows that change with every commit are not written to the disk with every commit, and nothing of them is missed, whenever the application is stopped or dies.
import assert from 'node:assert/strict';
import { tap } from 'rxjs';
import type { Topology } from '#src/dsl/contract/processor.js';
import { count } from '#src/dsl/operators/aggregate.js';
import { dedupe } from '#src/dsl/operators/dedupe.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import type { EngineOptions, Guarantee } from '#src/runtime/config/config.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { serdes } from '#src/serdes/serdes.js';
import {
  createTopics,
  decoded,
  type Machine,
  memoryMachine,
  readTopic,
  writeTopic,
  writingBy,
} from '../../support/application.js';
import { Cluster, type Node } from '../../support/cluster.js';

const text = { key: serdes.string, value: serdes.string };
const counts = topology('counts', (t) => {
  t.stream('words', text).pipe(count({ store: 'totals' }), to('out', { key: serdes.string, value: serdes.json() }));
});
const distinct = topology('counts', (t) => {
  t.stream('words', text).pipe(dedupe({ store: 'seen', id: ({ value }) => value, within: '1d' }), to('out', text));
});

/** The keys a to d in turns. */
const words = (from: number, end: number) =>
  Array.from({ length: end - from }, (_, i) => ({
    key: 'abcd'[(from + i) % 4] as string,
    value: `${from + i}`,
    timestamp: from + i,
  }));
const counted = (end: number): string[] =>
  words(0, end).map(({ key, timestamp }) => `${key}${Math.floor(timestamp / 4) + 1}`);

/** A commit has eight records of four keys. */
const options = { batchRecords: 8, commitRecords: 8 } as const;

describe('rows that change with every commit', () => {
  let cluster: Cluster;
  let machine: Machine;
  let written: number;

  async function started(more: EngineOptions = {}, what: Topology = counts): Promise<Node> {
    cluster = new Cluster(what, { ...options, ...more });
    written = 0;
    machine = writingBy(memoryMachine(), (write) => {
      written++;
      return write();
    });
    await createTopics(cluster.broker, { words: 1, out: 1 });
    await writeTopic(cluster.broker, 'words', words(0, 8));
    const node = await cluster.join(machine);
    await cluster.idle();
    return node;
  }

  async function outputs(): Promise<string[]> {
    return (await readTopic(cluster.broker, 'out')).map(decoded).map(({ key, value }) => `${key}${value}`);
  }

  /** Writes and commits of a hundred commits more. */
  async function hundred(node: Node): Promise<{ readonly writes: number; readonly commits: number }> {
    const { commits } = node.streams.progress().metrics;
    const before = written;
    await writeTopic(cluster.broker, 'words', words(8, 808));
    await cluster.idle();
    return { writes: written - before, commits: node.streams.progress().metrics.commits - commits };
  }

  afterEach(() => cluster.close());

  it('are written once for many commits, and when all is read', async () => {
    const node = await started();
    // The first one after a pause is written at once.
    assert.deepEqual(await hundred(node), { writes: 2, commits: 100 });
    assert.deepEqual(await outputs(), counted(808));
    await cluster.leave(node);

    const { streams } = await cluster.join(machine);
    await cluster.idle();
    assert.equal(streams.progress().metrics.restoredRecords, 0);
  });

  it('are written when they are as many as the records of a commit', async () => {
    const node = await started({ commitRecords: 4, batchRecords: 4 });
    assert.deepEqual(await hundred(node), { writes: 200, commits: 200 });
  });

  it('are written when the cache is full of them', async () => {
    const node = await started({ cacheBytes: 1 });
    assert.deepEqual(await hundred(node), { writes: 100, commits: 100 });
  });

  it('are written each time where rows expire: those are looked for on the disk', async () => {
    const node = await started({}, distinct);
    assert.deepEqual(await hundred(node), { writes: 100, commits: 100 });
  });

  it('are written within a second', async () => {
    // Each batch takes a quarter of a second, so that every fifth commit is due.
    const slow = topology('counts', (t) => {
      t.stream('words', text).pipe(
        count({ store: 'totals' }),
        to('out', {
          key: serdes.string,
          value: {
            ...serdes.json(),
            encode: (value: unknown) => {
              cluster.clock.advance(31.25);
              return serdes.json().encode(value);
            },
          },
        }),
      );
    });
    const node = await started({}, slow);
    const { writes, commits } = await hundred(node);
    assert.equal(commits, 100);
    assert.ok(writes >= 20 && writes <= 34, `${writes} writes in 25 seconds`);
  });
});

for (const guarantee of ['exactly_once', 'at_least_once'] as const satisfies Guarantee[]) {
  describe(`an application that ends while rows wait for the disk, ${guarantee}`, () => {
    /** Ends with that record in hand, and goes on from there. Says how much of the changelog that took. */
    async function interrupted(record: number, how: 'leave' | 'kill'): Promise<number> {
      const machine = memoryMachine();
      let ending: Promise<void> | undefined;
      const interruptible = topology('counts', (t) => {
        t.stream('words', text).pipe(
          tap(({ timestamp }) => {
            if (timestamp === record) ending ??= cluster[how](cluster.nodes[0] as Node);
          }),
          count({ store: 'totals' }),
          to('out', { key: serdes.string, value: serdes.json() }),
        );
      });
      const cluster = new Cluster(interruptible, { ...options, guarantee });
      try {
        await createTopics(cluster.broker, { words: 1, out: 1 });
        await cluster.join(machine);
        await cluster.settled();
        await writeTopic(cluster.broker, 'words', words(0, 400));
        for (let turn = 0; turn < 50 || ending === undefined; turn++) {
          await nextTurn();
          if (cluster.clock.waiting) cluster.clock.fireNext();
        }
        await ending;

        const { streams } = await cluster.join(machine);
        await cluster.idle();
        const all = (await readTopic(cluster.broker, 'out')).map(decoded).map(({ key, value }) => `${key}${value}`);
        const once = guarantee === 'at_least_once' && how === 'kill' ? [...new Set(all)] : all;
        assert.deepEqual(once, counted(400), `ended at record ${record}`);
        return streams.progress().metrics.restoredRecords;
      } finally {
        await cluster.close();
      }
    }
    const ends = Array.from({ length: 50 }, (_, i) => 8 * i + (i % 8));

    it('has everything on disk when it was stopped, whenever that was', async () => {
      for (const record of ends) assert.equal(await interrupted(record, 'leave'), 0, `stopped at record ${record}`);
    });

    it('goes on from the changelog when it was killed, whenever that was', async () => {
      const restored: number[] = [];
      for (const record of ends) restored.push(await interrupted(record, 'kill'));
      assert.ok(Math.max(...restored) > 40, `of how many commits rows were restored: ${restored.join(', ')}`);
    });
  });
}
