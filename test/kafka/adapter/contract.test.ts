import assert from 'node:assert/strict';
import { openKafkaBroker } from '#src/broker/kafkajs/broker.js';
import type { Broker, BrokerRecord } from '#src/broker/port.js';
import { sleep } from '#src/model/ports.js';
import { systemClock } from '#src/runtime/config/system.js';
import { brokerContract } from '../../broker/contract.js';
import { fails, numbered, openTransaction, unique, valueText } from '../../broker/contract.support.js';
import { describeWithKafka } from '../support/suites.js';

describeWithKafka('a cluster', (kafka) => {
  brokerContract('Kafka', {
    pollMs: 500,
    // A broker refuses what is more than an hour ahead of its own clock (`message.timestamp.after.max.ms`).
    maxTimestamp: Date.now(),
    durable: false,
    start: async () => {
      const opened: Broker[] = [];
      return {
        open: async () => {
          const broker = await openKafkaBroker({ brokers: kafka.brokers, clock: systemClock });
          opened.push(broker);
          return broker;
        },
        pass: (ms) => sleep(systemClock, ms),
        stop: async () => {
          await Promise.all(opened.map((broker) => broker.close()));
        },
      };
    },
  });

  it('shows no record of an aborted transaction and all of the others, from whatever offset it is read', async () => {
    const broker = await kafka.open();
    const topic = unique('topic');
    await broker.admin.createTopics([{ name: topic, partitions: 1 }]);
    const writers = await Promise.all([0, 1, 2, 3].map(() => broker.createWriter({ transactionalId: unique('id') })));
    const committed: string[] = [];
    for (let round = 0; round < 12; round++) {
      // All are open at once, and end in another order than they began, some one way and some the other.
      for (const [i, writer] of writers.entries())
        await openTransaction(writer, numbered(topic, 2, round * 100 + i * 10));
      for (const i of [2, 0, 3, 1]) {
        if ((round + i) % 3 === 0) await writers[i]?.abort();
        else {
          await writers[i]?.commit();
          committed.push(...numbered(topic, 2, round * 100 + i * 10).map((record) => `${record.value}`));
        }
      }
    }
    const at = { topic, partition: 0 };
    const end = (await broker.admin.latestOffsets([at]))[0]?.offset ?? 0;
    const reader = await broker.createReader();
    const readFrom = async (offset: number): Promise<readonly BrokerRecord[]> => {
      reader.seek({ ...at, offset });
      const records: BrokerRecord[] = [];
      for (let position = offset; position < end; ) {
        for (const batch of await reader.poll({ maxRecords: 3, maxWaitMs: 500 })) {
          records.push(...batch.records);
          position = batch.nextOffset;
        }
      }
      return records;
    };
    const all = await readFrom(0);
    assert.deepEqual(all.map(valueText).sort(), committed.sort());
    for (let offset = 1; offset < end; offset += 7)
      assert.deepEqual(
        (await readFrom(offset)).map(valueText),
        all.filter((record) => record.offset >= offset).map(valueText),
      );
  });

  it('has records soon after they are written, whether or not anybody flushes', async () => {
    const broker = await kafka.open();
    const topic = unique('topic');
    await broker.admin.createTopics([{ name: topic, partitions: 1 }]);
    const writer = await broker.createWriter();
    const reader = await broker.createReader();
    reader.seek({ topic, partition: 0, offset: 0 });
    await writer.write(numbered(topic, 2));
    const [batch] = await reader.poll({ maxRecords: 10, maxWaitMs: 10_000 });
    assert.deepEqual(batch?.records.map(valueText), ['0', '1']);
  });

  it('that cannot be reached is BROKER_UNAVAILABLE and names its address', async () => {
    // A port that nobody listens on.
    await assert.rejects(kafka.open({ brokers: ['127.0.0.1:1'] }), fails('BROKER_UNAVAILABLE', '127.0.0.1:1'));
  });
});
