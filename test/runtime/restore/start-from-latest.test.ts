import assert from 'node:assert/strict';
import type { LocalBroker } from '#src/broker/local/broker.js';
import { count, groupBy, serdes, to, topology, toStream } from '#src/index.js';
import type { Guarantee } from '#src/runtime/config/config.js';
import { createTopics, decoded, memoryMachine, readTopic, writeTopic } from '../../support/application.js';
import { Cluster } from '../../support/cluster.js';

const text = { key: serdes.string, value: serdes.string };
const passing = topology('latest', (t) => {
  t.stream('in', text).pipe(to('out', text));
});
const record = (value: string, partition: number) => ({ key: 'k', value, timestamp: 1, partition });
const values = async (broker: LocalBroker, topic = 'out') =>
  (await readTopic(broker, topic)).map((each) => `${decoded(each).value}`);

describe("an application that starts from 'latest'", () => {
  let cluster: Cluster;
  afterEach(() => cluster.close());

  const begin = async (guarantee: Guarantee, target = passing, partitions = 3): Promise<void> => {
    cluster = new Cluster(target, { guarantee, startFrom: 'latest' });
    await createTopics(cluster.broker, { in: partitions, out: 1 });
  };
  const committed = async (topic = 'in'): Promise<Record<string, number>> =>
    Object.fromEntries(
      (await cluster.broker.admin.groupOffsets('latest'))
        .filter((at) => at.topic === topic)
        .map(({ partition, offset }) => [partition, offset]),
    );

  for (const guarantee of ['exactly_once', 'at_least_once'] as const) {
    it(`resumes where it began, also in quiet partitions, and skips nothing meanwhile (${guarantee})`, async () => {
      await begin(guarantee);
      await writeTopic(cluster.broker, 'in', [record('old', 0), record('old', 1)]);
      const machine = memoryMachine();
      const first = await cluster.join(machine);
      assert.deepEqual(await committed(), { 0: 1, 1: 1, 2: 0 });
      await writeTopic(cluster.broker, 'in', [record('busy', 0)]);
      await cluster.idle();
      await cluster.leave(first);
      await writeTopic(cluster.broker, 'in', [record('busy again', 0), record('quiet', 1), record('quiet, too', 2)]);
      await cluster.join(machine);
      await cluster.idle();
      assert.deepEqual((await values(cluster.broker)).sort(), ['busy', 'busy again', 'quiet', 'quiet, too']);
    });

    it(`is killed as soon as it has begun: the next start goes on there (${guarantee})`, async () => {
      await begin(guarantee);
      await writeTopic(cluster.broker, 'in', [record('old', 2)]);
      await cluster.kill(await cluster.join());
      await writeTopic(cluster.broker, 'in', [record('new', 2)]);
      await cluster.join();
      await cluster.idle();
      assert.deepEqual(await values(cluster.broker), ['new']);
    });

    it(`reads partitions that appear later from their start (${guarantee})`, async () => {
      await begin(guarantee);
      await cluster.kill(await cluster.join());
      // As if the topic had had two partitions then.
      const offsets = (await cluster.broker.admin.groupOffsets('latest')).filter(({ partition }) => partition < 2);
      await cluster.broker.admin.deleteGroup('latest');
      await cluster.broker.admin.setGroupOffsets('latest', offsets);
      await writeTopic(cluster.broker, 'in', [record('before it was noticed', 2)]);
      await cluster.join();
      await cluster.idle();
      assert.deepEqual(await values(cluster.broker), ['before it was noticed']);
    });
  }

  // It makes no difference which of them is first.
  it('begins in all partitions of a topic together, however many processes share them', async () => {
    await begin('exactly_once', passing, 6);
    await writeTopic(
      cluster.broker,
      'in',
      [0, 1, 2, 3, 4, 5].map((partition) => record('old', partition)),
    );
    const nodes = [await cluster.join(), await cluster.join(), await cluster.join()];
    await writeTopic(
      cluster.broker,
      'in',
      [0, 1, 2, 3, 4, 5].map((partition) => record(`new ${partition}`, partition)),
    );
    for (const node of nodes) await cluster.kill(node);
    await cluster.join();
    await cluster.idle();
    assert.deepEqual(
      (await values(cluster.broker)).sort(),
      [0, 1, 2, 3, 4, 5].map((partition) => `new ${partition}`),
    );
  });

  it('reads its own internal topics from their start', async () => {
    const target = topology('latest', (t) => {
      t.stream('in', text).pipe(
        groupBy(({ value }) => value, { ...text, name: 'by-value' }),
        count({ store: 'counts' }),
        toStream(),
        to('out', { key: serdes.string, value: serdes.json() }),
      );
    });
    await begin('exactly_once', target);
    const node = await cluster.join();
    await cluster.settled();
    // What a task has repartitioned while the one behind it was not open yet.
    await cluster.kill(node);
    await writeTopic(cluster.broker, 'latest-by-value-repartition', [{ ...record('x', 1), key: 'x' }]);
    await cluster.join();
    await cluster.idle();
    assert.deepEqual(await values(cluster.broker), ['1']);
  });
});
