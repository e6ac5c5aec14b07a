import assert from 'node:assert/strict';
import type { Topology } from '#src/dsl/contract/processor.js';
import { count } from '#src/dsl/operators/aggregate.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { isStreamsError, type StreamsError } from '#src/model/errors.js';
import { serdes } from '#src/serdes/serdes.js';
import { createTopics, decoded, memoryMachine, readTopic, writeTopic } from '../../support/application.js';
import { Cluster, type Node } from '../../support/cluster.js';
import { byKey } from '../../support/crashes.js';

const text = { key: serdes.string, value: serdes.string };

const counts = topology('counts', (t) => {
  t.stream('words', text).pipe(count({ store: 'totals' }), to('out', { key: serdes.string, value: serdes.json() }));
});
const passing = topology('counts', (t) => {
  t.stream('words', text).pipe(to('out', text));
});
const words = (keys: number) =>
  Array.from({ length: keys }, (_, i) => ({ key: `k${i}`, value: 'x', timestamp: 1_000 + i }));

describe('the place of an engine in its group', () => {
  let cluster: Cluster;
  const open = async (target: Topology = counts): Promise<void> => {
    cluster = new Cluster(target, { commitRecords: 5 });
    await createTopics(cluster.broker, { words: 4, out: 1, more: 2 });
  };
  afterEach(() => cluster.close());

  const end = (node: Node): Promise<unknown> =>
    cluster.pumped(
      node.streams.done.then(
        () => 'stopped',
        (error: unknown) => error,
      ),
    );
  const failure = (error: unknown): StreamsError => {
    assert.ok(isStreamsError(error), String(error));
    return error;
  };

  /** Counts of every key, in order: 1, 2, … if nothing is lost or doubled. */
  const assertCounted = async (keys: number, times: number): Promise<void> => {
    const found = byKey((await readTopic(cluster.broker, 'out')).map(decoded));
    assert.equal(found.size, keys);
    for (const records of found.values())
      assert.deepEqual(
        records.map(({ value }) => Number(value)),
        Array.from({ length: times }, (_, i) => i + 1),
      );
  };

  it('is taken again by a member that was put out: nothing is lost or doubled', async () => {
    await open();
    const first = await cluster.join();
    await cluster.join();
    await cluster.settled();
    for (let round = 1; round <= 4; round++) {
      await writeTopic(cluster.broker, 'words', words(20));
      const members = await cluster.broker.admin.groupMembers('counts');
      cluster.broker.evict(members[round % 2] as string);
      // What it had processed and not committed is done again by whoever has the task then.
      await cluster.idle();
    }
    await assertCounted(20, 4);
    await cluster.leave(first);
    await cluster.settled();
    assert.equal((await cluster.broker.admin.groupMembers('counts')).length, 1);
    assert.deepEqual(
      cluster.taskIds.map((tasks) => tasks.length),
      [4],
    );
  });

  it('is found by processes that start at the same moment, and create the same topics', async () => {
    await open();
    await Promise.all([cluster.join(), cluster.join(), cluster.join()]);
    await cluster.settled();
    assert.deepEqual(cluster.taskIds.map((tasks) => tasks.length).toSorted(), [1, 1, 2]);
  });

  it('is not idle while it has none, though it has no tasks with anything to do', async () => {
    await open();
    const { streams } = await cluster.join();
    for (const member of await cluster.broker.admin.groupMembers('counts')) cluster.broker.evict(member);
    await writeTopic(cluster.broker, 'words', words(3));
    await cluster.pumped(streams.untilIdle());
    await assertCounted(3, 1);
  });

  it('is refused to a topology that contradicts the running one, which goes on', async () => {
    await open();
    await cluster.join();
    await writeTopic(cluster.broker, 'words', words(3));
    await cluster.idle();
    const error = failure(await cluster.join(memoryMachine(), undefined, passing).catch((thrown: unknown) => thrown));
    assert.equal(error.code, 'TOPOLOGY_MISMATCH');
    assert.match(error.message, /words has store totals: string to int64 there, and has no stores here|store totals/);
    await writeTopic(cluster.broker, 'words', words(3));
    await cluster.idle();
    await assertCounted(3, 2);
    assert.deepEqual(await cluster.broker.admin.groupMembers('counts'), ['counts-1']);
  });

  it('is given to a topology that only adds, and both share the rest', async () => {
    await open();
    const added = topology('counts', (t) => {
      t.stream('words', text).pipe(count({ store: 'totals' }), to('out', { key: serdes.string, value: serdes.json() }));
      t.stream('more', text).pipe(to('out', { ...text, name: 'more' }));
    });
    const old = await cluster.join();
    await cluster.join(memoryMachine(), undefined, added);
    await cluster.settled();
    assert.deepEqual(cluster.taskIds.flat().toSorted(), [
      'more-0',
      'more-1',
      ...[0, 1, 2, 3].map((partition) => `words-${partition}`),
    ]);
    assert.ok(cluster.taskIds[0]?.every((task) => task.startsWith('words')));
    await cluster.leave(old);
    await cluster.settled();
    assert.equal(cluster.taskIds[0]?.length, 6);
  });

  it('is taken over by a process of the same instance id, and the one before ends with INSTANCE_FENCED', async () => {
    cluster = new Cluster(counts, { instanceId: 'one' });
    await createTopics(cluster.broker, { words: 2, out: 1 });
    const first = await cluster.join();
    const second = await cluster.join();
    cluster.nodes.splice(0, 1);
    assert.equal(failure(await end(first)).code, 'INSTANCE_FENCED');
    await cluster.settled();
    assert.equal(second.streams.progress().tasks, 2);
  });
});
