import assert from 'node:assert/strict';
import { Headers } from '#src/model/headers.js';
import { type Bench, join, numbered, openTransaction, record, unique } from './contract.support.js';

/** What is still there after the cluster was stopped and started again. */
export function durabilityContract(bench: Bench): void {
  describe('after a restart', () => {
    const restart = async (): Promise<void> => {
      assert.ok(bench.cluster.restart);
      await bench.cluster.restart();
      bench.broker = await bench.cluster.open();
    };

    it('topics, records, their times and headers, and the next offsets are as they were', async () => {
      const topic = await bench.topic(2, { 'cleanup.policy': 'compact' });
      await bench.broker.admin.configureTopics([{ name: topic, config: { 'max.message.bytes': '2000000' } }]);
      await bench.write([record(topic, 'a', { headers: Headers.of({ id: '1' }), timestamp: 5 }), record(topic, 'b')]);
      const [before] = await bench.broker.admin.describeTopics([topic]);
      await restart();
      assert.deepEqual((await bench.broker.admin.describeTopics([topic]))[0], before);
      await bench.write([record(topic, 'c')]);
      const contents = await bench.contents(topic);
      assert.deepEqual(
        contents.map(({ offset, value }) => [offset, value?.toString()]),
        [
          [0, 'a'],
          [1, 'b'],
          [2, 'c'],
        ],
      );
      assert.deepEqual([contents[0]?.timestamp, contents[0]?.headers.text('id')], [5, '1']);
    });

    it('offsets of groups are as they were, without their members', async () => {
      const [topic, groupId] = [await bench.topic(2), unique('group')];
      const { membership } = await join(bench.broker, groupId, [topic]);
      await membership.commit([{ topic, partition: 1, offset: 2 ** 35 + 1, metadata: 'kept' }]);
      await restart();
      assert.deepEqual(await bench.broker.admin.groupOffsets(groupId), [
        { topic, partition: 1, offset: 2 ** 35 + 1, metadata: 'kept' },
      ]);
      assert.deepEqual(await bench.broker.admin.groupMembers(groupId), []);
    });

    it('committed transactions are whole and open ones are gone', async () => {
      const topic = await bench.topic();
      const writer = await bench.broker.createWriter({ transactionalId: unique('id') });
      await openTransaction(writer, numbered(topic, 3));
      await writer.commit();
      await openTransaction(writer, numbered(topic, 3, 10));
      await restart();
      assert.deepEqual(await bench.values(topic), ['0', '1', '2']);
    });

    it('deleted topics and groups are gone, and a topic made again is empty, and known for another', async () => {
      const [topic, groupId] = [await bench.topic(), unique('group')];
      const [before] = await bench.broker.admin.describeTopics([topic]);
      await bench.write(numbered(topic, 3));
      await bench.broker.admin.setGroupOffsets(groupId, [{ topic, partition: 0, offset: 1 }]);
      await bench.broker.admin.deleteTopics([topic]);
      await restart();
      assert.deepEqual(await bench.broker.admin.describeTopics([topic]), []);
      await bench.broker.admin.createTopics([{ name: topic, partitions: 1 }]);
      assert.deepEqual(await bench.values(topic), []);
      assert.deepEqual(await bench.broker.admin.groupOffsets(groupId), []);
      assert.notEqual((await bench.broker.admin.describeTopics([topic]))[0]?.id, before?.id);
    });

    it('times are found as before', async () => {
      const topic = await bench.topic();
      for (const timestamp of [10, 30, 20, 40]) await bench.write([record(topic, `${timestamp}`, { timestamp })]);
      await restart();
      await bench.write([record(topic, 'later', { timestamp: 35 }), record(topic, 'last', { timestamp: 50 })]);
      const find = async (time: number): Promise<number | undefined> =>
        (await bench.broker.admin.offsetsAt([{ topic, partition: 0 }], time))[0]?.offset;
      assert.deepEqual(
        [await find(0), await find(15), await find(31), await find(41), await find(51)],
        [0, 1, 3, 5, 6],
      );
    });
  });
}
