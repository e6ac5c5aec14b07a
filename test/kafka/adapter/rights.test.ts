import assert from 'node:assert/strict';
import { openKafkaBroker } from '#src/broker/kafkajs/broker.js';
import type { Broker, Membership, Writer } from '#src/broker/port.js';
import { count } from '#src/dsl/operators/aggregate.js';
import { groupBy } from '#src/dsl/operators/group-by.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { isStreamsError } from '#src/model/errors.js';
import type { StreamRecord } from '#src/model/record.js';
import { systemClock } from '#src/runtime/config/system.js';
import { start } from '#src/runtime/start.js';
import { serdes } from '#src/serdes/serdes.js';
import { join, numbered, record, unique } from '../../broker/contract.support.js';
import { temporaryDirectory } from '../../support/project.js';
import { password, type Right, type SecureKafka, startSecureKafka } from '../support/secure-cluster.js';
import { describeWithKafkaJars } from '../support/suites.js';

describeWithKafkaJars('a cluster with access control lists', () => {
  let kafka: SecureKafka;
  /** May do everything. */
  let alice: Broker;
  /** May do what a test allows. */
  let bob: Broker;
  before(async function () {
    this.timeout(200_000);
    kafka = await startSecureKafka();
    const login = (username: string) =>
      openKafkaBroker({
        brokers: [kafka.saslTls],
        clock: systemClock,
        tls: { ca: { file: kafka.certificates.authority } },
        sasl: { mechanism: 'scram-sha-256', username, password: password(username) },
      });
    [alice, bob] = await Promise.all([login('alice'), login('bob')]);
  });
  after(async () => {
    await alice?.close();
    await bob?.close();
    await kafka?.stop();
  });

  async function topicFor(...operations: readonly string[]): Promise<string> {
    const topic = unique('topic');
    await alice.admin.createTopics([{ name: topic, partitions: 1 }]);
    await kafka.allow(
      'bob',
      operations.map((operation): Right => [operation, 'topic', topic]),
    );
    return topic;
  }

  async function lacks(work: Promise<unknown>, ...rights: readonly string[]): Promise<void> {
    await assert.rejects(work, (error: unknown) => {
      assert.ok(isStreamsError(error), String(error));
      assert.equal(error.code, 'BROKER_UNAUTHORIZED', error.message);
      assert.equal(error.retryable, false);
      for (const right of rights) assert.ok(error.message.includes(right), `${right} is not in: ${error.message}`);
      return true;
    });
  }

  // First of all: who may write to any topic may do that, too.
  it('names what is missing to write at all', async () => {
    await lacks(bob.createWriter(), 'IdempotentWrite on cluster');
  });

  it('names all topics that may not be described, whether they exist or not', async () => {
    const [hidden, missing] = [await topicFor(), unique('missing')];
    await lacks(
      bob.admin.describeTopics([hidden, missing]),
      `Describe on topic ${hidden}`,
      `Describe on topic ${missing}`,
    );
    await lacks(bob.admin.latestOffsets([{ topic: hidden, partition: 0 }]), `Describe on topic ${hidden}`);
    assert.ok((await bob.admin.describeTopics()).every(({ name }) => name !== hidden));
  });

  it('describes a topic without the settings that may not be read, and says what may not be done with it', async () => {
    const topic = await topicFor('Describe');
    const description = { name: topic, partitions: 1, config: null, denied: ['Read', 'Write'] };
    const described = async () => (await bob.admin.describeTopics([topic])).map(({ id: _, ...rest }) => rest);
    assert.deepEqual(await described(), [description]);
    await kafka.allow('bob', [
      ['DescribeConfigs', 'topic', topic],
      ['Write', 'topic', topic],
    ]);
    assert.deepEqual(await described(), [{ ...description, config: {}, maxMessageBytes: 1_048_588, denied: ['Read'] }]);
  });

  it('names what is missing to create and to delete topics', async () => {
    const topic = unique('created');
    const spec = { name: topic, partitions: 1 };
    await lacks(bob.admin.createTopics([spec]), `Create on cluster, or on topic ${topic}`);
    await kafka.allow('bob', [
      ['Create', 'topic', topic],
      ['Describe', 'topic', topic],
    ]);
    await bob.admin.createTopics([spec]);
    await lacks(bob.admin.deleteTopics([topic]), `Delete on topic ${topic}`);
  });

  it('names what is missing to configure a topic', async () => {
    const topic = await topicFor('Describe');
    const change = { name: topic, config: { 'max.message.bytes': '2000000' } };
    await lacks(bob.admin.configureTopics([change]), `AlterConfigs on topic ${topic}`);
    await kafka.allow('bob', [['AlterConfigs', 'topic', topic]]);
    await bob.admin.configureTopics([change]);
  });

  it('names what is missing to read a topic', async () => {
    const topic = await topicFor('Describe');
    const reader = await bob.createReader();
    reader.seek({ topic, partition: 0, offset: 0 });
    await lacks(reader.poll({ maxRecords: 1, maxWaitMs: 10_000 }), `Read on topic ${topic}`);
    await reader.close();
  });

  it('names what is missing to write to a topic, with a transaction and without', async () => {
    const topic = await topicFor('Describe');
    await topicFor('Write');
    const writing = async (writer: Writer): Promise<void> => {
      await writer.write([record(topic, 'v')]);
      await writer.flush();
    };
    const plain = await bob.createWriter();
    await lacks(writing(plain), `Write on topic ${topic}`);
    await plain.close();

    const transactionalId = unique('id');
    await lacks(bob.createWriter({ transactionalId }), `Write on transactional id ${transactionalId}`);
    await kafka.allow('bob', [['Describe', 'transactional id', transactionalId]]);
    await lacks(bob.createWriter({ transactionalId }), `Write on transactional id ${transactionalId}`);
    await kafka.allow('bob', [['Write', 'transactional id', transactionalId]]);
    const writer = await bob.createWriter({ transactionalId });
    await writer.begin();
    await lacks(writing(writer), `Write on topic ${topic}`);
    await writer.abort();
    await writer.close();
  });

  it('names what is missing to be in a group, and to commit in it', async () => {
    const [groupId, hidden, topic, transactionalId] = [
      unique('group'),
      await topicFor('Describe'),
      await topicFor('Read'),
      unique('id'),
    ];
    const offsets = [{ topic: hidden, partition: 0, offset: 0 }];
    await lacks(join(bob, groupId, [topic]), `Read on group ${groupId}`);
    await lacks(bob.admin.groupOffsets(groupId), `Describe on group ${groupId}`);
    await lacks(bob.admin.groupMembers(groupId), `Describe on group ${groupId}`);
    await lacks(bob.admin.setGroupOffsets(groupId, offsets), `Describe on group ${groupId}`);
    await kafka.allow('bob', [
      ['Read', 'group', groupId],
      ['Write', 'transactional id', transactionalId],
    ]);
    const { membership } = await join(bob, groupId, [topic]);
    await lacks(membership.commit(offsets), `Read on topic ${hidden}`);
    await membership.commit([{ topic, partition: 0, offset: 0 }]);
    const writer = await bob.createWriter({ transactionalId });
    await writer.begin();
    await lacks(writer.sendOffsets(membership, offsets), `Read on topic ${hidden}`);
    await writer.close();

    const { memberId, generation } = membership;
    const other = Object.assign(Object.create(membership) as Membership, {});
    Object.defineProperties(other, {
      groupId: { value: unique('group') },
      memberId: { value: memberId },
      generation: { value: generation },
    });
    const next = await bob.createWriter({ transactionalId });
    await next.begin();
    await lacks(next.sendOffsets(other, [{ topic, partition: 0, offset: 0 }]), `Read on group ${other.groupId}`);
    await next.close();
    await membership.leave();
    await lacks(bob.admin.deleteGroup(groupId), `Delete on group ${groupId}`);
  });

  it('tells an application all rights on topics at once, and runs it when it has what it needs', async () => {
    const app = unique('app');
    const [words, totals] = [unique('words'), unique('totals')];
    const text = { key: serdes.string, value: serdes.string };
    const counting = topology(app, (t) => {
      t.stream(words, text).pipe(
        groupBy((word: StreamRecord<string, string>) => word.value, { ...text, name: 'by-word' }),
        count({ store: 'totals' }),
        to(totals, { key: serdes.string, value: serdes.json<number>() }),
      );
    });
    await alice.admin.createTopics([
      { name: words, partitions: 2 },
      { name: totals, partitions: 1 },
    ]);
    const starting = () => start(counting, { broker: bob, stateDirectory: temporaryDirectory() });
    await lacks(starting(), `Read on topic ${words}`, `Write on topic ${totals}`, `${app}-totals-changelog`);
    await kafka.allow('bob', [
      ['Read', 'topic', words],
      ['Write', 'topic', totals],
      ['Read', 'topic', `${app}-*`],
      ['Write', 'topic', `${app}-*`],
    ]);
    await lacks(starting(), 'Create on cluster', `${app}-by-word-repartition`, `${app}-totals-changelog`);
    await kafka.allow('bob', [['Create', 'topic', `${app}-*`]]);
    await lacks(starting(), `Read on group ${app}`);
    await kafka.allow('bob', [['Read', 'group', app]]);
    await lacks(starting(), `Write on transactional id ${app}`);
    await kafka.allow('bob', [['Write', 'transactional id', `${app}:*`]]);

    const writer = await alice.createWriter();
    await writer.write(
      numbered(words, 100).map((each, i) => ({ ...each, partition: i % 2, value: Buffer.from(`word-${i % 10}`) })),
    );
    await writer.close();
    const streams = await starting();
    await streams.untilIdle();
    await streams.stop();
    const last = new Map<string, string>();
    const reader = await alice.createReader();
    reader.seek({ topic: totals, partition: 0, offset: 0 });
    for (;;) {
      const [batch] = await reader.poll({ maxRecords: 1_000, maxWaitMs: 5_000 });
      for (const { key, value } of batch?.records ?? []) last.set(`${key}`, `${value}`);
      if (!batch || batch.nextOffset >= batch.latestOffset) break;
    }
    assert.deepEqual(
      Object.fromEntries(last),
      Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`word-${i}`, '10'])),
    );
  });
});
