// Promise: on Kafka, windows behind a groupBy take in all of a backlog, under both guarantees, as a replay of it does.
import assert from 'node:assert/strict';
import type { Broker } from '#src/broker/port.js';
import { count, groupBy, serdes, start, to, topology, tumbling } from '#src/index.js';
import { Headers } from '#src/model/headers.js';
import { type ReplayedRecord, replay } from '#src/replay/index.js';
import { temporaryDirectory } from '../support/project.js';
import { forget, write } from './support/applications.js';
import { describeWithKafka } from './support/suites.js';

const MINUTES = 12;
const FIRST = Date.UTC(2026, 0, 1);

const perMinute = (name: string) =>
  topology(name, (t) => {
    t.stream(`${name}-in`, { key: serdes.string, value: serdes.string }).pipe(
      groupBy(({ value }) => value, { key: serdes.string, name: 'by-value', partitions: 1 }),
      count({ store: 'counts', window: tumbling('1m', { grace: '10s' }), emit: 'onClose' }),
      to(`${name}-out`, { key: serdes.windowed(serdes.string), value: serdes.json() }),
    );
  });

/** A record a second in each of two partitions: the same seconds, so that either may be read first. */
async function deliver(broker: Broker, name: string): Promise<void> {
  const config = { 'retention.ms': '-1' };
  await broker.admin.createTopics([
    { name: `${name}-in`, partitions: 2, config },
    { name: `${name}-out`, partitions: 1, config },
  ]);
  const records = Array.from({ length: MINUTES * 60 }, (_, i) => i).flatMap((i) =>
    [0, 1].map((partition) => ({
      topic: `${name}-in`,
      partition,
      key: Buffer.from(`p${partition}`),
      value: Buffer.from('v'),
      timestamp: FIRST + i * 1_000,
      headers: Headers.none,
    })),
  );
  await write(broker, records);
}

describeWithKafka('windows behind a groupBy, over a backlog', (kafka) => {
  for (const guarantee of ['exactly_once', 'at_least_once'] as const) {
    it(`take all of it in, ${guarantee}`, async function () {
      // Nothing in it is measured, and a busy machine needs more than the minute that tests have.
      this.timeout(180_000);
      const broker = await kafka.open();
      const name = `aligned-${guarantee.replaceAll('_', '-')}`;
      const target = perMinute(name);
      await forget(broker, target);
      await deliver(broker, name);
      const streams = await start(target, { broker, stateDirectory: temporaryDirectory(), guarantee });
      await streams.untilIdle();
      const { nodes } = streams.progress().metrics;
      await streams.stop();
      assert.deepEqual(
        Object.values(nodes).map(({ late = 0 }) => late),
        Object.values(nodes).map(() => 0),
      );

      const captured: ReplayedRecord[] = [];
      await replay(target, { broker, onOutput: (some) => void captured.push(...some) });
      const expected = captured.map(({ key, value }) => `${key?.toString('hex')} ${value}`);
      assert.equal(expected.length, MINUTES - 1);
      assert.deepEqual(await written(broker, `${name}-out`), expected);
      await forget(broker, target);
    });
  }
});

async function written(broker: Broker, topic: string): Promise<string[]> {
  const at = { topic, partition: 0 };
  const end = (await broker.admin.latestOffsets([at]))[0]?.offset ?? 0;
  const reader = await broker.createReader();
  reader.seek({ ...at, offset: 0 });
  const found: string[] = [];
  for (let position = 0; position < end; ) {
    for (const { records, nextOffset } of await reader.poll({ maxRecords: 10_000, maxWaitMs: 500 })) {
      found.push(...records.map(({ key, value }) => `${key?.toString('hex')} ${value}`));
      position = nextOffset;
    }
  }
  await reader.close();
  return found;
}
