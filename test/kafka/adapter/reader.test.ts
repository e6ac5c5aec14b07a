import assert from 'node:assert/strict';
import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKafkaBroker } from '#src/broker/kafkajs/broker.js';
import type { Broker, BrokerRecord } from '#src/broker/port.js';
import { FIELD } from '#src/broker/record-batch/format.js';
import { systemClock } from '#src/runtime/config/system.js';
import { fails, numbered, record, valueText } from '../../broker/contract.support.js';
import { type JarsBroker, startFromJars } from '../support/jars.js';
import { describeWithKafka, describeWithKafkaJars } from '../support/suites.js';
import { newTopic } from '../support/topics.js';

async function write(broker: Broker, topic: string, count: number, from = 0): Promise<void> {
  const writer = await broker.createWriter();
  await writer.write(numbered(topic, count, from));
  await writer.flush();
}

describeWithKafka('a reader', (kafka) => {
  it('whose next records were deleted gets OFFSET_OUT_OF_RANGE, and goes on where the log begins', async () => {
    const broker = await kafka.open();
    const topic = await newTopic(broker);
    await write(broker, topic, 10);
    const reader = await broker.createReader();
    reader.seek({ topic, partition: 0, offset: 2 });
    await broker.admin.deleteRecords([{ topic, partition: 0, offset: 7 }]);
    const polled = reader.poll({ maxRecords: 10, maxWaitMs: 10_000 });
    await assert.rejects(polled, fails('OFFSET_OUT_OF_RANGE', `${topic}[0]@2`, '7 to 10'));
    const [earliest] = await broker.admin.earliestOffsets([{ topic, partition: 0 }]);
    assert.equal(earliest?.offset, 7);
    reader.seek({ topic, partition: 0, offset: 7 });
    const [batch] = await reader.poll({ maxRecords: 10, maxWaitMs: 10_000 });
    assert.deepEqual(batch?.records.map(valueText), ['7', '8', '9']);
  });

  it('of a partition whose batches are larger than what it reads ahead reads them all', async () => {
    const broker = await kafka.open({ batchBytes: 4_000_000 });
    const topic = await newTopic(broker, { 'max.message.bytes': '5000000' });
    const writer = await broker.createWriter();
    const value = Buffer.alloc(1_500_000, 1);
    await writer.write([0, 1, 2, 3, 4].map((i) => record(topic, `${i}`, { value })));
    await writer.flush();
    const reader = await broker.createReader();
    reader.seek({ topic, partition: 0, offset: 0 });
    const lengths: (number | undefined)[] = [];
    while (lengths.length < 5)
      for (const batch of await reader.poll({ maxRecords: 10, maxWaitMs: 10_000 }))
        lengths.push(...batch.records.map((read) => read.value?.length));
    assert.deepEqual(lengths, Array(5).fill(1_500_000));
  });
});

describeWithKafkaJars('a log with a damaged batch', () => {
  let directory: string;
  let cluster: JarsBroker | undefined;
  let broker: Broker | undefined;
  const connect = async (): Promise<Broker> => {
    broker = await openKafkaBroker({ brokers: cluster?.brokers ?? [], clock: systemClock });
    return broker;
  };
  before(async function () {
    this.timeout(200_000);
    directory = await mkdtemp(join(tmpdir(), 'millrace-damaged-'));
    cluster = await startFromJars({ dataDirectory: directory });
  });
  after(async () => {
    await cluster?.stop();
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  afterEach(() => broker?.close());

  /** Three batches of two records; then the broker is stopped, `damage` gets the second, and the broker is started again. */
  async function damaged(damage: (batch: Buffer) => void): Promise<string> {
    const before = await connect();
    const topic = await newTopic(before);
    for (const from of [0, 2, 4]) await write(before, topic, 2, from);
    await before.close();
    await cluster?.shutDown();
    const folder = join(directory, 'node-1', `${topic}-0`);
    const segment = (await readdir(folder)).find((name) => name.endsWith('.log'));
    const file = await open(join(folder, `${segment}`), 'r+');
    const content = await file.readFile();
    const second = content.readInt32BE(FIELD.batchLength) + 12;
    damage(content.subarray(second, second + content.readInt32BE(second + FIELD.batchLength) + 12));
    await file.write(content, 0, content.length, 0);
    await file.close();
    await cluster?.start();
    return topic;
  }

  async function readUntilError(
    topic: string,
  ): Promise<{ readonly read: readonly string[]; readonly errors: readonly unknown[] }> {
    const reader = await (await connect()).createReader();
    reader.seek({ topic, partition: 0, offset: 0 });
    const records: BrokerRecord[] = [];
    const errors: unknown[] = [];
    // Polled again after each error: what was before it still comes, what is behind it does not.
    while (errors.length < 3) {
      try {
        for (const batch of await reader.poll({ maxRecords: 10, maxWaitMs: 10_000 })) records.push(...batch.records);
      } catch (error) {
        errors.push(error);
      }
    }
    return { read: records.map(valueText), errors };
  }

  it('is LOG_CORRUPT with topic, partition and offset; batches before it can be read, and none is skipped', async () => {
    const topic = await damaged((batch) => {
      batch[batch.length - 3] = (batch[batch.length - 3] as number) ^ 1;
    });
    const { read, errors } = await readUntilError(topic);
    for (const error of errors) fails('LOG_CORRUPT', `${topic}[0]@2`, 'checksum')(error);
    assert.deepEqual(read, ['0', '1']);
    const reader = await (broker as Broker).createReader();
    reader.seek({ topic, partition: 0, offset: 4 });
    const [batch] = await reader.poll({ maxRecords: 10, maxWaitMs: 10_000 });
    assert.deepEqual(batch?.records.map(valueText), ['4', '5']);
  });
});
