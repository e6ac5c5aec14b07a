import assert from 'node:assert/strict';
import { openKafkaBroker } from '#src/broker/kafkajs/broker.js';
import type { Broker } from '#src/broker/port.js';
import { type Clock, sleep } from '#src/model/ports.js';
import { type Kafka, startKafka } from '../support/kafka.js';
import { brokerContract } from './contract.js';
import { fails } from './contract.support.js';

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, Math.min(ms, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
};

describe('a Kafka cluster', function () {
  this.timeout(60_000);
  let kafka: Kafka;
  before(async function () {
    this.timeout(200_000);
    kafka = await startKafka();
  });
  after(() => kafka?.stop());

  brokerContract('Kafka', {
    pollMs: 500,
    durable: false,
    start: async () => {
      const opened: Broker[] = [];
      return {
        open: async () => {
          const broker = await openKafkaBroker({ brokers: kafka.brokers, clock });
          opened.push(broker);
          return broker;
        },
        pass: (ms) => sleep(clock, ms),
        stop: async () => {
          await Promise.all(opened.map((broker) => broker.close()));
        },
      };
    },
  });

  it('that cannot be reached is BROKER_UNAVAILABLE and names its address', async () => {
    // A port that nobody listens on.
    await assert.rejects(
      openKafkaBroker({ brokers: ['127.0.0.1:1'], clock }),
      fails('BROKER_UNAVAILABLE', '127.0.0.1:1'),
    );
  });
});
