import assert from 'node:assert/strict';
import { Headers } from '#src/model/headers.js';
import { type Bench, fails, numbered, openTransaction, record, unique, valueText } from './contract.support.js';

const offsetsOf = (records: readonly { readonly offset: number }[]): readonly number[] =>
  records.map(({ offset }) => offset);

/** Batches from given partitions and offsets. */
export function readerContract(bench: Bench): void {
  describe('a reader', () => {
    it('gets each record as it was written: key, value, timestamp, headers; null is not empty', async () => {
      const topic = await bench.topic();
      const headers = new Headers([
        ['a', Buffer.from('1')],
        ['b', null],
        ['a', Buffer.alloc(0)],
        ['ü', Buffer.from([0, 255])],
      ]);
      await bench.write([
        record(topic, 'x', { timestamp: bench.factory.maxTimestamp, headers }),
        record(topic, 'x', { timestamp: 0, key: null, value: Buffer.alloc(0) }),
        record(topic, 'x', { key: Buffer.alloc(0), value: null }),
      ]);
      const [first, second, third] = await bench.contents(topic);
      assert.ok(first && second && third);
      assert.deepEqual(
        [first.topic, first.partition, first.offset, first.timestamp],
        [topic, 0, 0, bench.factory.maxTimestamp],
      );
      assert.deepEqual([first.key?.toString(), first.value?.toString()], ['x', 'x']);
      assert.deepEqual(
        first.headers.entries.map(([name, value]) => [name, value && [...value]]),
        headers.entries.map(([name, value]) => [name, value && [...value]]),
      );
      assert.deepEqual([second.timestamp, second.key, second.value?.length, second.headers.size], [0, null, 0, 0]);
      assert.deepEqual([third.key?.length, third.value], [0, null]);
    });

    it('begins at the offset it was given and says where it stands and where the log ends', async () => {
      const topic = await bench.topic();
      await bench.write(numbered(topic, 5));
      const [batch, ...others] = await bench.next(await bench.reader(topic, 2));
      assert.deepEqual(offsetsOf(batch?.records ?? []), [2, 3, 4]);
      assert.deepEqual([batch?.topic, batch?.partition, batch?.nextOffset, batch?.latestOffset], [topic, 0, 5, 5]);
      assert.deepEqual(others, []);
    });

    it('gets the records of a partition in offset order and each once, however many a poll asks for', async () => {
      const topic = await bench.topic();
      for (let from = 0; from < 1_000; from += 100) await bench.write(numbered(topic, 100, from));
      const reader = await bench.reader(topic, 0);
      const seen: string[] = [];
      for (let poll = 0, position = 0; position < 1_000; poll++) {
        const max = [1, 7, 99, 100, 101, 350][poll % 6] ?? 1;
        const [batch] = await bench.next(reader, max);
        assert.ok(batch && batch.records.length <= max);
        assert.equal(batch.nextOffset, position + batch.records.length);
        position = batch.nextOffset;
        seen.push(...batch.records.map(valueText));
      }
      assert.deepEqual(
        seen,
        numbered(topic, 1_000).map(({ value }) => value?.toString()),
      );
    });

    it('shares a poll fairly among partitions, one batch each', async () => {
      const topic = await bench.topic(4);
      for (let partition = 0; partition < 4; partition++) await bench.write(numbered(topic, 500, 0, { partition }));
      const reader = await bench.reader(topic, 0, 0, 0, 0);
      const read = [0, 0, 0, 0];
      while (read.some((count) => count < 500)) {
        const batches = await bench.next(reader, 40);
        assert.ok(batches.reduce((sum, batch) => sum + batch.records.length, 0) <= 40);
        assert.equal(new Set(batches.map((batch) => batch.partition)).size, batches.length);
        for (const batch of batches) read[batch.partition] = batch.nextOffset;
        // Nobody is ahead by more than what a few polls give: no partition is read to its end before another begins.
        assert.ok(Math.max(...read) - Math.min(...read) <= 200, `read so far: ${read}`);
      }
      assert.deepEqual(read, [500, 500, 500, 500]);
    });

    it('gives what one partition leaves of its share to the others', async () => {
      const topic = await bench.topic(2);
      await bench.write(numbered(topic, 3, 0, { partition: 0 }));
      await bench.write(numbered(topic, 200, 0, { partition: 1 }));
      const reader = await bench.reader(topic, 0, 0);
      const positions = [0, 0];
      while ((positions[0] ?? 0) < 3 || (positions[1] ?? 0) < 97)
        for (const batch of await bench.next(reader, 100)) positions[batch.partition] = batch.nextOffset;
      assert.equal(positions[0], 3);
    });

    it('gives no more once a poll has its bytes, one record however large, and 16 MiB by default', async () => {
      const topic = await bench.topic(2);
      const large = Buffer.alloc(900_000, 'x');
      for (let partition = 0; partition < 2; partition++)
        for (let n = 0; n < 12; n++) await bench.write([record(topic, `${n}`, { partition, value: large })]);
      for (const [maxBytes, most] of [
        [1, 1],
        [2_000_000, 4],
        [undefined, 20],
      ] as const) {
        const reader = await bench.reader(topic, 0, 0);
        const seen: string[][] = [[], []];
        while (seen.flat().length < 24) {
          const batches = await reader.poll({ maxRecords: 100, maxWaitMs: 10_000, ...(maxBytes && { maxBytes }) });
          const records = batches.flatMap((batch) => batch.records);
          assert.ok(records.length <= most, `${records.length} records for ${maxBytes} bytes`);
          for (const { partition, key } of records) seen[partition]?.push(String(key));
        }
        const each = Array.from({ length: 12 }, (_, n) => `${n}`);
        assert.deepEqual(seen, [each, each]);
        await reader.close();
      }
    });

    it('waits for the first record', async () => {
      const topic = await bench.topic();
      const polled = (await bench.reader(topic, 0)).poll({ maxRecords: 10, maxWaitMs: 60_000 });
      await bench.write(numbered(topic, 1));
      assert.deepEqual(
        (await polled).flatMap((batch) => batch.records.map(valueText)),
        ['0'],
      );
    });

    it('comes to the end that is named, from any offset, and reports moves past what it does not show', async () => {
      const topic = await bench.topic();
      await bench.write(numbered(topic, 3));
      const writer = await bench.broker.createWriter({ transactionalId: unique('id') });
      await openTransaction(writer, numbered(topic, 2, 3));
      await writer.abort();
      await openTransaction(writer, numbered(topic, 1, 5));
      await writer.commit();
      await openTransaction(writer, numbered(topic, 2, 6));
      await writer.abort();
      // Where markers and aborted records have offsets, they are the end.
      const [end] = await bench.eventually(async () => {
        const ends = await bench.broker.admin.latestOffsets([{ topic, partition: 0 }]);
        assert.ok([4, 11].includes(ends[0]?.offset ?? 0));
        return ends;
      });
      const contents = await bench.contents(topic);
      for (let from = 0; from < (end?.offset ?? 0); from++) {
        const reader = await bench.reader(topic, from);
        const seen: string[] = [];
        for (let position = from; position < (end?.offset ?? 0); ) {
          for (const { records, nextOffset, latestOffset } of await bench.next(reader, 2)) {
            assert.ok(nextOffset > position, `from ${position} to ${nextOffset}`);
            assert.equal(latestOffset, end?.offset);
            seen.push(...records.map(valueText));
            position = nextOffset;
          }
        }
        assert.deepEqual(seen, contents.filter(({ offset }) => offset >= from).map(valueText));
        await reader.close();
      }
    });

    it('has nothing when the wait is over', async () => {
      await bench.nothing(await bench.reader(await bench.topic(), 0));
    });

    it('ends its wait when woken', async () => {
      const reader = await bench.reader(await bench.topic(), 0);
      const polled = reader.poll({ maxRecords: 10, maxWaitMs: 60_000 });
      reader.wakeup();
      assert.deepEqual(await polled, []);
    });

    it('goes on elsewhere after a seek, and what was fetched for the old position is thrown away', async () => {
      const topic = await bench.topic();
      await bench.write(numbered(topic, 100));
      const reader = await bench.reader(topic, 0);
      await bench.next(reader, 10);
      reader.seek({ topic, partition: 0, offset: 95 });
      assert.deepEqual(offsetsOf((await bench.next(reader))[0]?.records ?? []), [95, 96, 97, 98, 99]);
      reader.seek({ topic, partition: 0, offset: 3 });
      assert.deepEqual(offsetsOf((await bench.next(reader, 2))[0]?.records ?? []), [3, 4]);
    });

    it('is moved by a seek while it waits', async () => {
      const topic = await bench.topic();
      await bench.write(numbered(topic, 2));
      const reader = await bench.reader(topic, 2);
      const polled = reader.poll({ maxRecords: 10, maxWaitMs: 60_000 });
      reader.seek({ topic, partition: 0, offset: 1 });
      assert.deepEqual(
        (await polled).flatMap((batch) => offsetsOf(batch.records)),
        [1],
      );
    });

    it('leaves out a paused partition, which keeps its position', async () => {
      const topic = await bench.topic(2);
      await bench.write([...numbered(topic, 4), ...numbered(topic, 4, 10, { partition: 1 })]);
      const reader = await bench.reader(topic, 0, 0);
      reader.pause([{ topic, partition: 0 }]);
      assert.deepEqual(
        (await bench.next(reader)).map((batch) => [batch.partition, batch.records.length]),
        [[1, 4]],
      );
      await bench.nothing(reader);
      reader.resume([{ topic, partition: 0 }]);
      assert.deepEqual(
        (await bench.next(reader)).map((batch) => [batch.partition, ...offsetsOf(batch.records)]),
        [[0, 0, 1, 2, 3]],
      );
    });

    it('wakes up for a partition that is resumed while it waits', async () => {
      const topic = await bench.topic();
      await bench.write(numbered(topic, 1));
      const reader = await bench.reader(topic, 0);
      reader.pause([{ topic, partition: 0 }]);
      const polled = reader.poll({ maxRecords: 10, maxWaitMs: 60_000 });
      reader.resume([{ topic, partition: 0 }]);
      assert.deepEqual(
        (await polled).flatMap((batch) => offsetsOf(batch.records)),
        [0],
      );
    });

    it('does not read a removed partition any more', async () => {
      const topic = await bench.topic(2);
      await bench.write([...numbered(topic, 1), ...numbered(topic, 1, 1, { partition: 1 })]);
      const reader = await bench.reader(topic, 0, 0);
      reader.remove([{ topic, partition: 0 }]);
      assert.deepEqual(
        (await bench.next(reader)).map((batch) => batch.partition),
        [1],
      );
      await bench.nothing(reader);
    });

    // The error names the partition, its offset and the offsets that there are.
    it('outside the log gets OFFSET_OUT_OF_RANGE, goes on after a seek, and keeps its other positions', async () => {
      const topic = await bench.topic(2);
      await bench.write([...numbered(topic, 3), ...numbered(topic, 3, 0, { partition: 1 })]);
      const reader = await bench.reader(topic, 9, 1);
      const failed = bench.eventually(async () => {
        await reader.poll({ maxRecords: 10, maxWaitMs: bench.factory.pollMs });
        assert.fail('the poll did not fail yet');
      });
      await assert.rejects(failed, fails('OFFSET_OUT_OF_RANGE', `${topic}[0]`, '9', '0', '3'));
      reader.seek({ topic, partition: 0, offset: 2 });
      reader.seek({ topic, partition: 1, offset: 2 });
      const seen = new Set<number>();
      while (seen.size < 2)
        for (const batch of await bench.next(reader)) if (batch.nextOffset === 3) seen.add(batch.partition);
      assert.deepEqual([...seen].sort(), [0, 1]);
    });

    it('of a deleted topic gets TOPIC_UNKNOWN, also while it waits', async () => {
      const topic = await bench.topic();
      const reader = await bench.reader(topic, 0);
      const polled = reader.poll({ maxRecords: 1, maxWaitMs: 60_000 });
      const rejected = assert.rejects(polled, fails('TOPIC_UNKNOWN', topic));
      await bench.broker.admin.deleteTopics([topic]);
      await rejected;
    });

    it('that is closed ends its wait, and polls no more: BROKER_CLOSED', async () => {
      const reader = await bench.reader(await bench.topic(), 0);
      const polled = reader.poll({ maxRecords: 1, maxWaitMs: 60_000 });
      await reader.close();
      assert.deepEqual(await polled, []);
      await assert.rejects(reader.poll({ maxRecords: 1, maxWaitMs: 0 }), fails('BROKER_CLOSED'));
    });
  });
}
