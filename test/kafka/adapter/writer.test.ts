import assert from 'node:assert/strict';
import { Client } from '#src/broker/kafkajs/connection/client.js';
import type { Connections } from '#src/broker/kafkajs/connection/connections.js';
import { writerSettings } from '#src/broker/kafkajs/login/writer-options.js';
import { KafkaWriter } from '#src/broker/kafkajs/writing/writer.js';
import { sleep } from '#src/model/ports.js';
import { systemClock } from '#src/runtime/config/system.js';
import { fails, numbered, openTransaction, record, unique, valueText } from '../../broker/contract.support.js';
import { connect, createPartitions } from '../support/raw-requests.js';
import { describeWithKafka } from '../support/suites.js';
import { contents, newTopic } from '../support/topics.js';

describeWithKafka('a writer', (kafka) => {
  it('writes to partitions that were added after it began', async () => {
    const broker = await kafka.open();
    const topic = await newTopic(broker);
    const writer = await broker.createWriter();
    await writer.write(numbered(topic, 1));
    await writer.flush();
    await createPartitions(kafka.brokers, topic, 3);
    await writer.write([...numbered(topic, 2, 10, { partition: 2 }), ...numbered(topic, 1, 20, { partition: 1 })]);
    await writer.flush();
    assert.deepEqual((await contents(broker, topic, 2)).map(valueText), ['10', '11']);
    assert.deepEqual((await contents(broker, topic, 1)).map(valueText), ['20']);
  });

  it('names the record that a broker refuses, and the others of its batch can be written without it', async () => {
    const broker = await kafka.open();
    const topic = await newTopic(broker, { 'cleanup.policy': 'compact' });
    const writer = await broker.createWriter();
    const good = numbered(topic, 2);
    // A compacted topic takes no records without a key.
    await writer.write([...good, record(topic, 'of nobody', { key: null })]);
    await assert.rejects(writer.flush(), fails('PRODUCE_FAILED', topic, 'record 3 of the batch, key none', 'key'));
    await writer.write(good);
    await writer.flush();
    assert.deepEqual((await contents(broker, topic)).map(valueText), ['0', '1']);
  });

  it('takes plain byte arrays for bytes, as a serde may make them', async () => {
    const broker = await kafka.open();
    const topic = await newTopic(broker);
    const writer = await broker.createWriter();
    const [key, value] = [new TextEncoder().encode('key'), new TextEncoder().encode('a value that is not short')];
    await writer.write([record(topic, '', { key: key as Buffer, value: value as Buffer })]);
    await writer.flush();
    const [read] = await contents(broker, topic);
    assert.deepEqual([read?.key?.toString(), read?.value?.toString()], ['key', 'a value that is not short']);
  });

  for (const transactionalId of [undefined, unique('id')]) {
    const when = transactionalId === undefined ? '' : ' in a transaction';
    it(`whose answers are lost${when} asks again, and each record is in the log once and in order`, async () => {
      const broker = await kafka.open();
      const topic = await newTopic(broker);
      const connections = await connect(kafka.brokers);
      let answers = 0;
      const lost = new Set<string>();
      // The broker has done what it was asked; the connection breaks before it can say so.
      const flaky: Pick<Connections, 'ask' | 'askAny'> = {
        ask: async (node, request) => {
          const answer = await connections.ask(node, request);
          if (answers++ % 2 !== 0) return answer;
          lost.add(request.apiName);
          throw Object.assign(new Error('the connection was reset'), { code: 'ECONNRESET' });
        },
        askAny: (request) => connections.askAny(request),
      };
      const writer = await KafkaWriter.open({
        client: new Client(flaky as Connections, systemClock),
        transactionalId,
        settings: await writerSettings({ batchBytes: 1_024 }),
        unsentBytes: () => 16 * 1024 * 1024,
        onClose: () => undefined,
      });
      const records = numbered(topic, 2_000);
      for (let i = 0; i < records.length; i += 500) {
        if (transactionalId !== undefined) await writer.begin();
        await writer.write(records.slice(i, i + 500));
        await (transactionalId === undefined ? writer.flush() : writer.commit());
      }
      await writer.close();
      await connections.close();
      const inTransaction = ['AddPartitionsToTxn', 'DescribeProducers', 'EndTxn', 'InitProducerId', 'Produce'];
      assert.deepEqual([...lost].sort(), transactionalId === undefined ? ['Produce'] : inTransaction);
      assert.deepEqual(
        (await contents(broker, topic)).map(valueText),
        records.map(({ value }) => `${value}`),
      );
    });
  }

  it('asks to wait when many partitions have a little each, before it holds more than it may', async () => {
    const broker = await kafka.open();
    const topic = unique('topic');
    await broker.admin.createTopics([{ name: topic, partitions: 60 }]);
    const writer = await broker.createWriter();
    // No batch is full (512 KiB), and all of them are 24 MB.
    const value = Buffer.alloc(400_000, 1);
    const waits = Array.from({ length: 60 }, (_, partition) =>
      writer.write([record(topic, 'k', { partition, value })]),
    );
    assert.ok(waits.some((wait) => wait !== undefined));
    await writer.flush();
    const partitions = Array.from({ length: 60 }, (_, partition) => ({ topic, partition }));
    const ends = await broker.admin.latestOffsets(partitions);
    assert.deepEqual(
      ends.map(({ offset }) => offset),
      partitions.map(() => 1),
    );
  });

  it('sends what no single request may hold as several', async () => {
    const broker = await kafka.open();
    const topic = unique('topic');
    await broker.admin.createTopics([{ name: topic, partitions: 110 }]);
    const writer = await broker.createWriter();
    // 110 MB at once; a broker drops the connection of a request above 100 MiB.
    const value = Buffer.alloc(1_000_000, 1);
    await writer.write(Array.from({ length: 110 }, (_, partition) => record(topic, 'k', { partition, value })));
    await writer.flush();
    const last = { topic, partition: 109 };
    assert.deepEqual(await broker.admin.latestOffsets([last]), [{ ...last, offset: 1 }]);
  });

  it('with linger sends a record that waits for others in vain', async () => {
    const broker = await kafka.open({ linger: '5ms' });
    const topic = await newTopic(broker);
    const writer = await broker.createWriter();
    const reader = await broker.createReader();
    reader.seek({ topic, partition: 0, offset: 0 });
    for (const value of ['first', 'second']) {
      const polled = reader.poll({ maxRecords: 10, maxWaitMs: 30_000 });
      await writer.write([record(topic, value)]);
      assert.deepEqual(
        (await polled).flatMap(({ records }) => records.map(valueText)),
        [value],
      );
    }
  });

  it('with a long linger keeps a record until it is flushed', async () => {
    const broker = await kafka.open({ linger: '1h' });
    const topic = await newTopic(broker);
    const writer = await broker.createWriter();
    const reader = await broker.createReader();
    reader.seek({ topic, partition: 0, offset: 0 });
    await writer.write([record(topic, 'a')]);
    assert.deepEqual(
      (await reader.poll({ maxRecords: 10, maxWaitMs: 300 })).flatMap(({ records }) => records),
      [],
    );
    await writer.flush();
    assert.equal((await contents(broker, topic)).length, 1);
  });

  it('whose transaction was open for too long is PRODUCER_FENCED, and nothing of it is seen', async () => {
    const broker = await kafka.open({ transactionTimeout: '1s' });
    const topic = await newTopic(broker);
    const id = unique('id');
    const writer = await broker.createWriter({ transactionalId: id });
    await openTransaction(writer, numbered(topic, 3));
    // By the broker's clock, which nobody can turn. An operator's default is a look every ten seconds.
    const aborted = async (): Promise<boolean> => {
      const [latest] = await broker.admin.latestOffsets([{ topic, partition: 0 }]);
      return (latest?.offset ?? 0) > 3;
    };
    while (!(await aborted())) await sleep(systemClock, 100);
    await assert.rejects(writer.commit(), fails('PRODUCER_FENCED', id));
    await writer.close();
    const next = await broker.createWriter({ transactionalId: id });
    await openTransaction(next, numbered(topic, 1, 10));
    await next.commit();
    assert.deepEqual((await contents(broker, topic)).map(valueText), ['10']);
  });

  it('with a transaction time-out that the brokers do not allow is CONFIG_INVALID and names theirs', async () => {
    const broker = await kafka.open({ transactionTimeout: '1h' });
    const opened = broker.createWriter({ transactionalId: unique('id') });
    await assert.rejects(opened, fails('CONFIG_INVALID', '3600000ms', 'transaction.max.timeout.ms'));
  });

  it('is refused a record larger than the topic takes, learns its size and the limit, and goes on', async () => {
    const broker = await kafka.open();
    const topic = await newTopic(broker);
    const writer = await broker.createWriter();
    // The default limit is 1,048,588 bytes for a batch; the record's own head and the batch's take 75 here.
    await writer.write([
      record(topic, 'a'),
      record(topic, 'k', { value: Buffer.alloc(2_000_000) }),
      record(topic, 'b'),
    ]);
    const told = ['1 record', `${topic}[0]`, '2000075 bytes', 'max.message.bytes', 'message.max.bytes'];
    await assert.rejects(writer.flush(), fails('PRODUCE_FAILED', ...told));
    await writer.write([record(topic, 'c')]);
    await writer.flush();
    assert.deepEqual((await contents(broker, topic)).map(valueText), ['a', 'b', 'c']);
  });

  it('refuses a record with an invalid time at once, and keeps those before it, also of full batches', async () => {
    const broker = await kafka.open({ batchBytes: 1_024 });
    const topic = await newTopic(broker);
    const writer = await broker.createWriter();
    // The refused one would have been the first of a new batch.
    const large = record(topic, 'large', { value: Buffer.alloc(900) });
    const refused = async () => writer.write([large, { ...large, timestamp: 1.5 }]);
    await assert.rejects(refused, fails('PRODUCE_FAILED', '1.5'));
    await writer.write(numbered(topic, 1));
    await writer.flush();
    assert.deepEqual(
      (await contents(broker, topic)).map(({ key }) => key?.toString()),
      ['large', '0'],
    );
  });

  it('in a transaction can only abort after a refused record, and the next transaction is whole', async () => {
    const broker = await kafka.open();
    const topic = await newTopic(broker);
    const writer = await broker.createWriter({ transactionalId: unique('id') });
    await writer.begin();
    await writer.write([record(topic, 'a'), record(topic, 'k', { value: Buffer.alloc(2_000_000) })]);
    await assert.rejects(writer.commit(), fails('PRODUCE_FAILED', `${topic}[0]`, '2000075 bytes'));
    await assert.rejects(writer.commit(), fails('PRODUCE_FAILED'));
    await writer.abort();
    await openTransaction(writer, numbered(topic, 2));
    await writer.commit();
    assert.deepEqual((await contents(broker, topic)).map(valueText), ['0', '1']);
  });
});
