// Promise: what a replay reconstructs is what the application had, on every broker.
import { join } from 'node:path';
import fc from 'fast-check';
import { openEmbeddedBroker } from '#src/broker/embedded/broker.js';
import { systemClock } from '#src/runtime/system.js';
import { openRocksDatabase } from '#src/state/rocksdb.js';
import { describeWithKafka } from '../support/kafka.js';
import { temporaryDirectory } from '../support/project.js';
import { payments, replayEqualsLive } from './brokers.js';

describe('a replay up to a cut equals the state that the application had there', () => {
  it('on the embedded broker, whatever the cut', async () => {
    const directory = join(temporaryDirectory(), 'broker');
    const broker = await openEmbeddedBroker({ directory, openDatabase: openRocksDatabase, clock: systemClock });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(payments, fc.nat({ max: 60 }), fc.constantFrom(1, 3), async (all, cut, partitions) => {
        const topic = `payments-${run++}`;
        await replayEqualsLive(broker, all, Math.max(1, Math.min(cut, all.length)), { partitions, topic });
      }),
      { numRuns: 5 },
    );
    await broker.close();
  }).timeout(60_000);
});

describeWithKafka('a replay', (kafka) => {
  it('up to a cut equals the state that the application had there', async () => {
    const broker = await kafka.open();
    const [all] = fc.sample(payments, { numRuns: 1, seed: 7 });
    const topic = `replayed-payments-${process.pid}`;
    await replayEqualsLive(broker, all ?? [], 5, { partitions: 3, topic });
    const made = (await broker.admin.describeTopics()).map(({ name }) => name);
    await broker.admin.deleteTopics(made.filter((name) => name === topic || name.startsWith(`${topic}-bank`)));
    await broker.admin.deleteGroup(`${topic}-bank`);
  });
});
