import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { LocalBroker } from '#src/broker/local/broker.js';
import type { BrokerRecord, TopicSpec } from '#src/broker/port.js';
import { Bench, fails, numbered, record, unique, valueText } from './contract.support.js';
import { type LocalUnderTest, type ManualClock, pass } from './local.support.js';

const DAY = 86_400_000;

/** Retention and compaction, which only the local brokers do by themselves. */
export function maintenanceContract(name: string, start: () => Promise<LocalUnderTest>): void {
  describe(`${name}: retention and compaction`, () => {
    let broker: LocalBroker;
    let clock: ManualClock;
    let stop: () => Promise<void>;
    let bench: Bench;
    beforeEach(async () => {
      ({ broker, clock, stop } = await start());
      bench = new Bench({
        pollMs: 0,
        maxTimestamp: 8_640_000_000_000_000,
        durable: false,
        start: async () => ({ open: async () => broker, pass: (ms) => pass(clock, ms), stop }),
      });
      await bench.start();
    });
    afterEach(() => stop());

    const topicOf = (config: TopicSpec['config'], partitions = 1): Promise<string> => bench.topic(partitions, config);
    const at = (
      topic: string,
      text: string,
      ageMs: number,
      more: Partial<BrokerRecord> = {},
    ): ReturnType<typeof record> => record(topic, text, { timestamp: clock.now() - ageMs, ...more });
    const keyed = (topic: string, key: string, value: string | null, ageMs = 0): ReturnType<typeof record> =>
      at(topic, key, ageMs, { value: value === null ? null : Buffer.from(value) });
    const offsets = async (topic: string): Promise<readonly number[]> =>
      (await bench.contents(topic)).map(({ offset }) => offset);
    const bounds = async (topic: string): Promise<readonly (number | undefined)[]> => {
      const partition = [{ topic, partition: 0 }];
      return [
        (await broker.admin.earliestOffsets(partition))[0]?.offset,
        (await broker.admin.latestOffsets(partition))[0]?.offset,
      ];
    };

    it('keeps everything of a topic that says nothing about retention', async () => {
      const topic = await topicOf(undefined);
      await bench.write(numbered(topic, 3, 0, { timestamp: 0 }));
      assert.deepEqual(await broker.maintain(), { removedRecords: 0 });
      assert.deepEqual(await bench.values(topic), ['0', '1', '2']);
    });

    it('removes the oldest records past retention.ms, up to the first younger one; offsets do not change', async () => {
      const topic = await topicOf({ 'retention.ms': '1000' });
      await bench.write([at(topic, 'a', 5_000), at(topic, 'b', 4_000)]);
      await bench.write([at(topic, 'c', 3_000), at(topic, 'd', 500), at(topic, 'e', 2_000), at(topic, 'f', 0)]);
      assert.deepEqual(await broker.maintain(), { removedRecords: 3 });
      assert.deepEqual(await bounds(topic), [3, 6]);
      assert.deepEqual(
        (await bench.contents(topic)).map((each) => [each.offset, valueText(each)]),
        [
          [3, 'd'],
          [4, 'e'],
          [5, 'f'],
        ],
      );
      assert.deepEqual(await broker.maintain(), { removedRecords: 0 });
    });

    it('never removes the newest record, and the next one gets the next offset', async () => {
      const topic = await topicOf({ 'retention.ms': '1000' });
      await bench.write([at(topic, 'a', DAY), at(topic, 'b', DAY)]);
      await bench.write([at(topic, 'c', DAY)]);
      assert.deepEqual(await broker.maintain(), { removedRecords: 2 });
      assert.deepEqual(await bounds(topic), [2, 3]);
      await bench.write([at(topic, 'd', 0)]);
      assert.deepEqual(await bounds(topic), [2, 4]);
    });

    it('removes the oldest batches past retention.bytes, and never below it', async () => {
      const topic = await topicOf({ 'retention.bytes': '3000' });
      for (let i = 0; i < 6; i++) await bench.write([at(topic, `${i}`, 0, { value: Buffer.alloc(900, i) })]);
      assert.deepEqual(await broker.maintain(), { removedRecords: 2 });
      assert.deepEqual(await offsets(topic), [2, 3, 4, 5]);
    });

    it('tells a reader that stands before what was removed: OFFSET_OUT_OF_RANGE with what exists', async () => {
      const topic = await topicOf({ 'retention.ms': '1000' });
      await bench.write([at(topic, 'a', 5_000)]);
      await bench.write([at(topic, 'b', 0)]);
      await broker.maintain();
      const reader = await bench.reader(topic, 0);
      await assert.rejects(
        reader.poll({ maxRecords: 1, maxWaitMs: 0 }),
        fails('OFFSET_OUT_OF_RANGE', `${topic}[0]@0`, '1 to 2'),
      );
    });

    it('finds times in what is left', async () => {
      const topic = await topicOf({ 'retention.ms': '2500' });
      for (const age of [9_000, 1_000, 8_000, 2_000, 0]) await bench.write([at(topic, `${age}`, age)]);
      await broker.maintain();
      const find = async (age: number): Promise<number | undefined> =>
        (await broker.admin.offsetsAt([{ topic, partition: 0 }], clock.now() - age))[0]?.offset;
      assert.deepEqual([await find(10_000), await find(1_000), await find(500), await find(-1)], [1, 1, 4, 5]);
    });

    it('keeps the last record of each key, with its offset, headers and time', async () => {
      const topic = await topicOf({ 'cleanup.policy': 'compact' });
      await bench.write([keyed(topic, 'a', '1'), keyed(topic, 'b', '2', 70), keyed(topic, 'a', '3')]);
      await bench.write([keyed(topic, 'c', '4'), keyed(topic, 'a', '5')]);
      await bench.write([keyed(topic, 'c', '6')]);
      assert.deepEqual(await broker.maintain(), { removedRecords: 3 });
      assert.deepEqual(
        (await bench.contents(topic)).map((each) => [each.offset, valueText(each)]),
        [
          [1, '2'],
          [4, '5'],
          [5, '6'],
        ],
      );
      assert.equal((await bench.contents(topic))[0]?.timestamp, clock.now() - 70);
      assert.deepEqual(await bounds(topic), [0, 6]);
      assert.deepEqual(await broker.maintain(), { removedRecords: 0 });
    });

    it('goes on compacting what is appended later, against what was compacted before', async () => {
      const topic = await topicOf({ 'cleanup.policy': 'compact' });
      for (let round = 0; round < 4; round++) {
        await bench.write(['a', 'b', `own ${round}`].map((key) => keyed(topic, key, `${round}`)));
        await broker.maintain();
      }
      assert.deepEqual(await bench.values(topic), ['0', '1', '2', '3', '3', '3']);
    });

    it('drops a tombstone delete.retention.ms after it was compacted first, not before', async () => {
      const topic = await topicOf({ 'cleanup.policy': 'compact', 'delete.retention.ms': '1000' });
      await bench.write([keyed(topic, 'a', '1'), keyed(topic, 'a', null, 5 * DAY)]);
      await bench.write([keyed(topic, 'z', 'newest')]);
      assert.deepEqual(await broker.maintain(), { removedRecords: 1 });
      clock.advance(999);
      assert.deepEqual(await broker.maintain(), { removedRecords: 0 });
      assert.deepEqual(await bench.values(topic), ['null', 'newest']);
      clock.advance(1);
      assert.deepEqual(await broker.maintain(), { removedRecords: 1 });
      assert.deepEqual(await bench.values(topic), ['newest']);
    });

    it('keeps a tombstone that is the newest record', async () => {
      const topic = await topicOf({ 'cleanup.policy': 'compact', 'delete.retention.ms': '0' });
      await bench.write([keyed(topic, 'a', '1'), keyed(topic, 'a', null)]);
      await broker.maintain();
      clock.advance(DAY);
      await broker.maintain();
      assert.deepEqual(await bench.values(topic), ['null']);
      assert.deepEqual(await bounds(topic), [0, 2]);
    });

    it('leaves alone what is younger than min.compaction.lag.ms: it neither goes nor replaces', async () => {
      const topic = await topicOf({ 'cleanup.policy': 'compact', 'min.compaction.lag.ms': '1000' });
      await bench.write([
        keyed(topic, 'a', '1', 3_000),
        keyed(topic, 'a', '2', 2_000),
        keyed(topic, 'a', '3', 500),
        keyed(topic, 'a', '4', 400),
      ]);
      assert.deepEqual(await broker.maintain(), { removedRecords: 1 });
      assert.deepEqual(await bench.values(topic), ['2', '3', '4']);
      clock.advance(600);
      assert.deepEqual(await broker.maintain(), { removedRecords: 2 });
      assert.deepEqual(await bench.values(topic), ['4']);
    });

    it('does both with "compact,delete"', async () => {
      const topic = await topicOf({ 'cleanup.policy': 'compact,delete', 'retention.ms': '1000' });
      await bench.write([
        keyed(topic, 'old', '1', 5_000),
        keyed(topic, 'a', '2'),
        keyed(topic, 'a', '3'),
        keyed(topic, 'b', '4'),
      ]);
      assert.deepEqual(await broker.maintain(), { removedRecords: 2 });
      assert.deepEqual(await bench.values(topic), ['3', '4']);
      assert.deepEqual(await bounds(topic), [1, 4]);
    });

    it('does not disturb a reader in the middle, which gets what is left', async () => {
      const topic = await topicOf({ 'cleanup.policy': 'compact' });
      for (let i = 0; i < 50; i++)
        await bench.write([keyed(topic, `${i % 5}`, `${i}`), keyed(topic, `own ${i}`, `${i}`)]);
      const reader = await bench.reader(topic, 0);
      const first = (await bench.next(reader, 10))[0];
      await broker.maintain();
      const seen = new Set(first?.records.map(({ offset }) => offset));
      for (let position = first?.nextOffset ?? 0; position < 100; ) {
        for (const batch of await bench.next(reader, 10)) {
          for (const { offset } of batch.records)
            assert.ok(offset >= position && !seen.has(offset) && seen.add(offset));
          position = batch.nextOffset;
        }
      }
      for (const offset of await offsets(topic)) assert.ok(seen.has(offset), `offset ${offset} was not read`);
    });

    it('leaves holes, and a reader that stands in one comes to the end', async () => {
      const topic = await topicOf({ 'cleanup.policy': 'compact' });
      await bench.write([keyed(topic, 'own', '0'), keyed(topic, 'a', '1')]);
      await bench.write([keyed(topic, 'a', '2'), keyed(topic, 'b', '3')]);
      await bench.write([keyed(topic, 'a', '4'), keyed(topic, 'b', '5')]);
      await broker.maintain();
      for (let from = 0; from < 6; from++) {
        const reader = await bench.reader(topic, from);
        const seen: string[] = [];
        for (let position = from; position < 6; ) {
          for (const { records, nextOffset } of await bench.next(reader, 1)) {
            assert.ok(nextOffset > position);
            seen.push(...records.map(valueText));
            position = nextOffset;
          }
        }
        assert.deepEqual(seen, from === 0 ? ['0', '4', '5'] : from < 5 ? ['4', '5'] : ['5']);
      }
    });

    it('never loses the last value of a key, in any order of writes, deletions, time and runs', async () => {
      const step = fc.oneof(
        {
          weight: 5,
          arbitrary: fc.record({
            kind: fc.constant('write' as const),
            key: fc.nat(5),
            tombstone: fc.boolean(),
            size: fc.nat(3),
          }),
        },
        {
          weight: 2,
          arbitrary: fc.record({
            kind: fc.constant('maintain' as const),
            key: fc.constant(0),
            tombstone: fc.constant(false),
            size: fc.nat(2_000),
          }),
        },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const topic = await topicOf({
            'cleanup.policy': 'compact',
            'delete.retention.ms': '1000',
            'min.compaction.lag.ms': '500',
          });
          const last = new Map<string, { offset: number; value: string }>();
          let next = 0;
          for (const { kind, key, tombstone, size } of steps) {
            if (kind === 'maintain') {
              clock.advance(size);
              await broker.maintain();
              continue;
            }
            const records = Array.from({ length: size + 1 }, (_, i) =>
              keyed(topic, `${(key + i * i) % 6}`, tombstone && i % 2 === 0 ? null : `${next + i}`),
            );
            for (const each of records)
              last.set(each.key?.toString() ?? '', { offset: next++, value: each.value?.toString() ?? 'null' });
            await bench.write(records);
          }
          clock.advance(500);
          await broker.maintain();
          const left = new Map(
            (await bench.contents(topic)).map((each) => [
              each.key?.toString() ?? '',
              { offset: each.offset, value: valueText(each) },
            ]),
          );
          assert.equal(left.size, (await bench.contents(topic)).length, 'a key is there twice');
          for (const [key, each] of last)
            assert.deepEqual(left.get(key) ?? (each.value === 'null' ? each : undefined), each, `key ${key}`);
          for (const [key, each] of left) assert.deepEqual(each, last.get(key));
          assert.deepEqual(await bounds(topic), [0, next]);
        }),
        { numRuns: 25 },
      );
    });

    it('leaves topics alone that are deleted while it runs', async () => {
      const topic = await topicOf({ 'cleanup.policy': 'compact' }, 3);
      for (let i = 0; i < 20; i++) await bench.write([keyed(topic, 'a', `${i}`)]);
      const [, result] = await Promise.all([broker.admin.deleteTopics([topic]), broker.maintain()]);
      assert.ok(result.removedRecords >= 0);
      await broker.admin.createTopics([{ name: topic, partitions: 1 }]);
      assert.deepEqual(await bench.values(topic), []);
      assert.deepEqual(await broker.admin.groupOffsets(unique('group')), []);
    });
  });
}
