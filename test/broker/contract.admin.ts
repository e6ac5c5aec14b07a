import assert from 'node:assert/strict';
import { type Bench, fails, join, numbered, record, unique } from './contract.support.js';

/** Topics, log offsets, group offsets. */
export function adminContract(bench: Bench): void {
  describe('topics', () => {
    it('are described as they were created', async () => {
      const name = unique('topic');
      await bench.broker.admin.createTopics([
        { name, partitions: 3, config: { 'cleanup.policy': 'compact', 'retention.ms': '1000' } },
      ]);
      const [topic, ...others] = await bench.broker.admin.describeTopics([name]);
      assert.equal(topic?.name, name);
      assert.equal(topic.partitions, 3);
      assert.equal(topic.config?.['cleanup.policy'], 'compact');
      assert.equal(topic.config?.['retention.ms'], '1000');
      assert.deepEqual(others, []);
    });

    it('have an id of their own, which another of the same name does not have', async () => {
      const { admin } = bench.broker;
      const [first, second] = [await bench.topic(), await bench.topic()];
      const idOf = async (name: string): Promise<string | undefined> => (await admin.describeTopics([name]))[0]?.id;
      const before = await idOf(first);
      assert.ok(before);
      assert.equal(await idOf(first), before);
      assert.notEqual(await idOf(second), before);
      await admin.deleteTopics([first]);
      await admin.createTopics([{ name: first, partitions: 1 }]);
      assert.notEqual(await idOf(first), before);
    });

    it('say how long deletions can be read in them, if they are compacted', async () => {
      const { admin } = bench.broker;
      const names = [unique('plain'), unique('compacted'), unique('set')] as const;
      const compact = { 'cleanup.policy': 'compact' };
      await admin.createTopics([
        { name: names[0], partitions: 1 },
        { name: names[1], partitions: 1, config: compact },
        {
          name: names[2],
          partitions: 1,
          config: { ...compact, 'delete.retention.ms': '5000', 'min.compaction.lag.ms': '7000' },
        },
      ]);
      const described = new Map((await admin.describeTopics(names)).map((topic) => [topic.name, topic.compaction]));
      assert.deepEqual(
        names.map((name) => described.get(name)),
        [undefined, { deleteRetentionMs: 86_400_000, minLagMs: 0 }, { deleteRetentionMs: 5_000, minLagMs: 7_000 }],
      );
    });

    it('are configured in what is named and nothing else; the largest record they take is always known', async () => {
      const name = unique('topic');
      const { admin } = bench.broker;
      await admin.createTopics([{ name, partitions: 2, config: { 'cleanup.policy': 'compact' } }]);
      const [before] = await admin.describeTopics([name]);
      assert.equal(before?.maxMessageBytes, 1_048_588);
      await admin.configureTopics([{ name, config: { 'max.message.bytes': '3000000' } }]);
      const config = { 'cleanup.policy': 'compact', 'max.message.bytes': '3000000' };
      // Kafka's brokers learn of it one after the other.
      for (;;) {
        const [after] = await admin.describeTopics([name]);
        if (after?.maxMessageBytes === 1_048_588) continue;
        assert.deepEqual(after?.config, config);
        assert.equal(after?.maxMessageBytes, 3_000_000);
        break;
      }
      const writer = await bench.broker.createWriter();
      await writer.write([record(name, 'k', { value: Buffer.alloc(2_000_000) })]);
      await writer.flush();
      await writer.close();
    });

    it('that do not exist, or that the broker refuses, are not configured, with the topic in the error', async () => {
      const [known, none] = [await bench.topic(), unique('none')];
      const { admin } = bench.broker;
      const config = { 'max.message.bytes': '2000000' };
      await assert.rejects(admin.configureTopics([{ name: none, config }]), fails('TOPIC_UNKNOWN', none));
      const wrong = { 'max.message.bytes': 'many' };
      await assert.rejects(admin.configureTopics([{ name: known, config: wrong }]), fails('CONFIG_INVALID', known));
      await admin.configureTopics([]);
    });

    it('that are only to be validated are not created, and refused as if they were', async () => {
      const [existing, fresh] = [await bench.topic(), unique('topic')];
      const { admin } = bench.broker;
      await admin.createTopics([{ name: fresh, partitions: 2 }], { validateOnly: true });
      assert.deepEqual(await admin.describeTopics([fresh]), []);
      const again = admin.createTopics([{ name: existing, partitions: 1 }], { validateOnly: true });
      await assert.rejects(again, fails('TOPIC_EXISTS', existing));
      const bad = admin.createTopics([{ name: fresh, partitions: 0 }], { validateOnly: true });
      await assert.rejects(bad, fails('CONFIG_INVALID', fresh));
    });

    it('that do not exist are left out of the description, and without names all are described', async () => {
      const [first, second] = [await bench.topic(), await bench.topic()];
      assert.deepEqual(
        (await bench.broker.admin.describeTopics([first, unique('none')])).map((topic) => topic.name),
        [first],
      );
      const all = (await bench.broker.admin.describeTopics()).map((topic) => topic.name);
      assert.ok(all.includes(first) && all.includes(second));
    });

    it('are created all or none: TOPIC_EXISTS names those that are there', async () => {
      const [existing, fresh] = [await bench.topic(), unique('topic')];
      const creating = bench.broker.admin.createTopics([
        { name: fresh, partitions: 1 },
        { name: existing, partitions: 1 },
      ]);
      await assert.rejects(creating, fails('TOPIC_EXISTS', existing));
      assert.deepEqual(await bench.broker.admin.describeTopics([fresh]), []);
    });

    const invalid: readonly [string, { name: string; partitions: number; config?: Record<string, string> }][] = [
      ['an empty name', { name: '', partitions: 1 }],
      ['a name with a slash', { name: 'a/b', partitions: 1 }],
      ['a name with a colon', { name: 'a:b', partitions: 1 }],
      ['the name "."', { name: '.', partitions: 1 }],
      ['the name ".."', { name: '..', partitions: 1 }],
      ['a name of 250 characters', { name: 'a'.repeat(250), partitions: 1 }],
      ['no partitions', { name: 'a', partitions: 0 }],
      ['half a partition', { name: 'a', partitions: 1.5 }],
      ['an unknown cleanup policy', { name: 'a', partitions: 1, config: { 'cleanup.policy': 'shred' } }],
      ['a retention that is no number', { name: 'a', partitions: 1, config: { 'retention.ms': 'long' } }],
      ['an unknown configuration', { name: 'a', partitions: 1, config: { 'retention.hours': '1' } }],
    ];
    for (const [what, spec] of invalid) {
      it(`with ${what} are refused with CONFIG_INVALID, and none of the call is created`, async () => {
        const good = unique('topic');
        const bad = spec.name === 'a' ? { ...spec, name: unique('topic') } : spec;
        await assert.rejects(
          bench.broker.admin.createTopics([{ name: good, partitions: 1 }, bad]),
          fails('CONFIG_INVALID'),
        );
        assert.deepEqual(await bench.broker.admin.describeTopics([good]), []);
      });
    }

    it('with a name of 249 characters of every allowed kind are created', async () => {
      const name = `${unique('A.b_c-')}${'x'.repeat(249)}`.slice(0, 249);
      await bench.broker.admin.createTopics([{ name, partitions: 1 }]);
      assert.equal((await bench.broker.admin.describeTopics([name])).length, 1);
    });

    it('are deleted with their records: one made again under the name is empty', async () => {
      const topic = await bench.topic();
      await bench.write(numbered(topic, 3));
      await bench.broker.admin.deleteTopics([topic]);
      assert.deepEqual(await bench.broker.admin.describeTopics([topic]), []);
      await bench.broker.admin.createTopics([{ name: topic, partitions: 1 }]);
      await bench.write(numbered(topic, 1, 7));
      const [only, ...more] = await bench.contents(topic);
      assert.equal(only?.offset, 0);
      assert.equal(only.value?.toString(), '7');
      assert.deepEqual(more, []);
    });

    it('that exist are deleted even if others do not: TOPIC_UNKNOWN names those', async () => {
      const [topic, missing] = [await bench.topic(), unique('none')];
      await assert.rejects(bench.broker.admin.deleteTopics([missing, topic]), fails('TOPIC_UNKNOWN', missing));
      assert.deepEqual(await bench.broker.admin.describeTopics([topic]), []);
    });
  });

  describe('log offsets', () => {
    it('of an empty partition are 0, and the latest is one past the last record', async () => {
      const topic = await bench.topic(2);
      await bench.write(numbered(topic, 3, 0, { partition: 1 }));
      const partitions = [
        { topic, partition: 1 },
        { topic, partition: 0 },
      ];
      assert.deepEqual(await bench.broker.admin.earliestOffsets(partitions), [
        { topic, partition: 1, offset: 0 },
        { topic, partition: 0, offset: 0 },
      ]);
      assert.deepEqual(await bench.broker.admin.latestOffsets(partitions), [
        { topic, partition: 1, offset: 3 },
        { topic, partition: 0, offset: 0 },
      ]);
    });

    it('of an unknown topic or partition fail with TOPIC_UNKNOWN naming it', async () => {
      const [topic, missing] = [await bench.topic(), unique('none')];
      const { admin } = bench.broker;
      await assert.rejects(admin.earliestOffsets([{ topic: missing, partition: 0 }]), fails('TOPIC_UNKNOWN', missing));
      await assert.rejects(admin.latestOffsets([{ topic: missing, partition: 0 }]), fails('TOPIC_UNKNOWN', missing));
      await assert.rejects(admin.latestOffsets([{ topic, partition: 1 }]), fails('TOPIC_UNKNOWN', topic));
      await assert.rejects(admin.offsetsAt([{ topic: missing, partition: 0 }], 0), fails('TOPIC_UNKNOWN', missing));
    });

    it('at a time are those of the first record at or after it, also where times are out of order', async () => {
      const topic = await bench.topic();
      const timestamps = [1_000, 3_000, 2_000, 2_500, 5_000, 4_000, 4_500, 6_000];
      // Two flushes: the times lie in several batches.
      const records = timestamps.map((timestamp, i) => record(topic, `${i}`, { timestamp }));
      await bench.write(records.slice(0, 3));
      await bench.write(records.slice(3));
      for (const time of [0, 1_000, 1_001, 2_000, 3_000, 3_001, 4_000, 4_500, 5_000, 5_001, 6_000]) {
        const expected = timestamps.findIndex((timestamp) => timestamp >= time);
        assert.deepEqual(
          await bench.broker.admin.offsetsAt([{ topic, partition: 0 }], time),
          [{ topic, partition: 0, offset: expected }],
          `at ${time}`,
        );
      }
    });

    it('at a time after all records, or of an empty partition, are the latest', async () => {
      const topic = await bench.topic(2);
      await bench.write([record(topic, 'a', { timestamp: 1_000 }), record(topic, 'b', { timestamp: 2_000 })]);
      const found = await bench.broker.admin.offsetsAt(
        [
          { topic, partition: 0 },
          { topic, partition: 1 },
        ],
        2_001,
      );
      assert.deepEqual(
        found.map(({ offset }) => offset),
        [2, 0],
      );
    });
  });

  describe('the oldest records of a partition', () => {
    it('are deleted before an offset: readers begin there, offsets do not change', async () => {
      const topic = await bench.topic();
      const { admin } = bench.broker;
      await bench.write(numbered(topic, 10));
      await bench.write(numbered(topic, 10, 10));
      const at = { topic, partition: 0 };
      await admin.deleteRecords([{ ...at, offset: 13 }]);
      await admin.deleteRecords([{ ...at, offset: 4 }]);
      assert.deepEqual(await admin.earliestOffsets([at]), [{ ...at, offset: 13 }]);
      assert.deepEqual(await bench.values(topic), ['13', '14', '15', '16', '17', '18', '19']);
      await admin.deleteRecords([{ ...at, offset: 20 }]);
      assert.deepEqual(await bench.values(topic), []);
      await bench.write(numbered(topic, 1, 20));
      assert.deepEqual(await bench.values(topic), ['20']);
      assert.deepEqual(await admin.latestOffsets([at]), [{ ...at, offset: 21 }]);
    });

    it('are not deleted beyond the end: OFFSET_OUT_OF_RANGE', async () => {
      const topic = await bench.topic();
      await bench.write(numbered(topic, 2));
      const deleting = bench.broker.admin.deleteRecords([{ topic, partition: 0, offset: 3 }]);
      await assert.rejects(deleting, fails('OFFSET_OUT_OF_RANGE', topic, '3'));
      assert.deepEqual(await bench.values(topic), ['0', '1']);
    });
  });

  describe('group offsets', () => {
    it('of an unknown group are none, and it has no members', async () => {
      assert.deepEqual(await bench.broker.admin.groupOffsets(unique('group')), []);
      assert.deepEqual(await bench.broker.admin.groupMembers(unique('group')), []);
    });

    it('that were set are read back, and setting some leaves the others', async () => {
      const [topic, groupId] = [await bench.topic(2), unique('group')];
      const { admin } = bench.broker;
      await admin.setGroupOffsets(groupId, [
        { topic, partition: 0, offset: 5 },
        { topic, partition: 1, offset: 2 ** 40 },
      ]);
      await admin.setGroupOffsets(groupId, [{ topic, partition: 0, offset: 3 }]);
      const offsets = [...(await admin.groupOffsets(groupId))].sort((a, b) => a.partition - b.partition);
      assert.deepEqual(offsets, [
        { topic, partition: 0, offset: 3 },
        { topic, partition: 1, offset: 2 ** 40 },
      ]);
    });

    it('cannot be set and the group not deleted while it has members: GROUP_FENCED', async () => {
      const [topic, groupId] = [await bench.topic(), unique('group')];
      const { admin } = bench.broker;
      const { membership } = await join(bench.broker, groupId, [topic]);
      assert.deepEqual(await admin.groupMembers(groupId), [membership.memberId]);
      await assert.rejects(
        admin.setGroupOffsets(groupId, [{ topic, partition: 0, offset: 1 }]),
        fails('GROUP_FENCED', groupId),
      );
      await assert.rejects(admin.deleteGroup(groupId), fails('GROUP_FENCED', groupId));
      await membership.leave();
      await admin.setGroupOffsets(groupId, [{ topic, partition: 0, offset: 1 }]);
      assert.deepEqual(await admin.groupOffsets(groupId), [{ topic, partition: 0, offset: 1 }]);
    });

    it('are forgotten with the group, and deleting an unknown group does nothing', async () => {
      const [topic, groupId] = [await bench.topic(), unique('group')];
      const { admin } = bench.broker;
      await admin.setGroupOffsets(groupId, [{ topic, partition: 0, offset: 1 }]);
      await admin.deleteGroup(groupId);
      assert.deepEqual(await admin.groupOffsets(groupId), []);
      await assert.doesNotReject(admin.deleteGroup(groupId));
    });

    it('of a deleted topic are gone when it is created again', async () => {
      const [topic, groupId] = [await bench.topic(), unique('group')];
      const { admin } = bench.broker;
      await admin.setGroupOffsets(groupId, [{ topic, partition: 0, offset: 1 }]);
      await admin.deleteTopics([topic]);
      await admin.createTopics([{ name: topic, partitions: 1 }]);
      assert.deepEqual(await admin.groupOffsets(groupId), []);
    });
  });
}
