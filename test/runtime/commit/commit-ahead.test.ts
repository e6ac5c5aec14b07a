// Promise: a task goes on while the disk takes what it has committed, and nothing of it is missed meanwhile, whatever becomes of the disk.
import assert from 'node:assert/strict';
import { count } from '#src/dsl/operators/aggregate.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { isStreamsError, StreamsError } from '#src/model/errors.js';
import type { Guarantee } from '#src/runtime/config/config.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { serdes } from '#src/serdes/serdes.js';
import { createTopics, decoded, memoryMachine, readTopic, writeTopic, writingBy } from '../../support/application.js';
import { Cluster, type Node } from '../../support/cluster.js';

const counts = topology('counts', (t) => {
  t.stream('words', { key: serdes.string, value: serdes.string }).pipe(
    count({ store: 'totals' }),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

/** A disk that takes nothing while it is held, and in the end takes it, loses it or fails. */
class SlowDisk {
  readonly machine = writingBy(memoryMachine(), (write) => this.#write(write));
  held = 0;
  #hold: Promise<'take' | 'lose' | 'fail'> | undefined;
  #let: (end: 'take' | 'lose' | 'fail') => void = () => undefined;

  hold(): void {
    this.#hold = new Promise((resolve) => {
      this.#let = resolve;
    });
  }

  let(end: 'take' | 'lose' | 'fail'): void {
    this.#let(end);
    this.#hold = undefined;
  }

  async #write(write: () => Promise<void>): Promise<void> {
    this.held++;
    const end = (await this.#hold) ?? 'take';
    this.held--;
    if (end === 'fail') throw new StreamsError('STATE_IO', { what: 'the disk is broken', action: 'Mend it.' });
    if (end === 'take') await write();
  }
}

/** Batches of two, each committed; rows leave the cache as soon as they may. */
const options = (guarantee: Guarantee) => ({ guarantee, batchRecords: 2, commitRecords: 2, cacheBytes: 1 });

for (const guarantee of ['exactly_once', 'at_least_once'] as const) {
  describe(`a task whose disk is slow, ${guarantee}`, () => {
    let cluster: Cluster;
    let disk: SlowDisk;

    /** Both keys eight times: of the four commits the first is with the disk, and the batch behind it is done. */
    async function held(): Promise<Node> {
      cluster = new Cluster(counts, options(guarantee));
      disk = new SlowDisk();
      await createTopics(cluster.broker, { words: 1, out: 1 });
      const node = await cluster.join(disk.machine);
      await cluster.settled();
      disk.hold();
      const words = ['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b'];
      await writeTopic(
        cluster.broker,
        'words',
        words.map((key, timestamp) => ({ key, value: 'x', timestamp })),
      );
      for (let turn = 0; turn < 200; turn++) {
        await nextTurn();
        if (cluster.clock.waiting) cluster.clock.fireNext();
      }
      return node;
    }
    const outputs = async (): Promise<string[]> =>
      (await readTopic(cluster.broker, 'out')).map(decoded).map(({ key, value }) => `${key}${value}`);
    const once = ['a1', 'b1', 'a2', 'b2', 'a3', 'b3', 'a4', 'b4'];

    afterEach(() => cluster.close());

    it('goes on with the next batch, which sees rows not yet on disk, and waits before the next commit', async () => {
      const { streams } = await held();
      assert.equal(disk.held, 1);
      const { recordsIn, commits } = streams.progress().metrics;
      assert.deepEqual([recordsIn, commits], [4, 1]);
      assert.deepEqual((await outputs()).slice(0, 2), ['a1', 'b1']);

      disk.let('take');
      await cluster.idle();
      assert.deepEqual(await outputs(), once);
      assert.equal(streams.progress().metrics.commits, 4);
    });

    it('that dies with the machine goes on from the changelog', async () => {
      const node = await held();
      const killed = cluster.kill(node);
      disk.let('lose');
      await killed;

      const { streams } = await cluster.join(disk.machine);
      await cluster.idle();
      assert.equal(streams.progress().metrics.restoredRecords, 2);
      assert.deepEqual(await outputs(), once);
    });

    it('STATE_IO: ends when the disk fails, and the next start goes on from the changelog', async () => {
      const node = await held();
      const { done } = node.streams;
      done.catch(() => undefined);
      disk.let('fail');
      await assert.rejects(cluster.pumped(done), (error) => isStreamsError(error) && error.code === 'STATE_IO');
      await cluster.leave(node).catch(() => undefined);

      await cluster.join(disk.machine);
      await cluster.idle();
      // What was not committed is done again: at least once.
      assert.deepEqual(guarantee === 'exactly_once' ? await outputs() : [...new Set(await outputs())], once);
    });

    it('is stopped when the disk has everything', async () => {
      const node = await held();
      let stopped = false;
      // The clock stands: a stop has a limit.
      const stopping = node.streams.stop().then(() => {
        stopped = true;
      });
      for (let turn = 0; turn < 50; turn++) await nextTurn();
      assert.equal(stopped, false);
      disk.let('take');
      await cluster.pumped(stopping);
      await cluster.leave(node);

      const { streams } = await cluster.join(disk.machine);
      await cluster.idle();
      assert.equal(streams.progress().metrics.restoredRecords, 0);
      assert.deepEqual(await outputs(), once);
    });

    it('is stopped in its time, and its broker closed, when the disk takes nothing', async () => {
      const node = await held();
      const began = cluster.clock.now();
      await cluster.leave(node);
      await cluster.pumped(node.connection.close());
      assert.ok(cluster.clock.now() - began <= 20_000);
    });
  });
}
