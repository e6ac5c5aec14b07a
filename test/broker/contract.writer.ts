import assert from 'node:assert/strict';
import type { WriteResult } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { type Bench, fails, numbered, record, unique } from './contract.support.js';

/** More than any writer holds before it asks to wait. */
const MUCH_BYTES = 200 * 1024 * 1024;

/** Records without a transaction. */
export function writerContract(bench: Bench): void {
  describe('a writer', () => {
    it('keeps the order within each partition, and flush makes everything readable', async () => {
      const topic = await bench.topic(2);
      const writer = await bench.broker.createWriter();
      for (let i = 0; i < 50; i++)
        await writer.write([record(topic, `${i}`, { partition: i % 2 }), record(topic, `${i}'`, { partition: i % 2 })]);
      await writer.flush();
      for (const partition of [0, 1]) {
        const expected = Array.from({ length: 25 }, (_, i) => i * 2 + partition).flatMap((i) => [`${i}`, `${i}'`]);
        assert.deepEqual(await bench.values(topic, partition), expected);
      }
    });

    it('takes records larger than a batch, and no records at all', async () => {
      const topic = await bench.topic();
      const large = Buffer.alloc(700_000, 7);
      await bench.write([
        record(topic, 'a', { value: large }),
        record(topic, 'b'),
        record(topic, 'c', { value: large }),
      ]);
      await bench.write([]);
      assert.deepEqual(
        (await bench.contents(topic)).map(({ value }) => value?.length),
        [700_000, 1, 700_000],
      );
    });

    it('asks to wait when its memory bound is reached, and loses nothing', async () => {
      const topic = await bench.topic();
      const writer = await bench.broker.createWriter();
      const value = Buffer.alloc(100_000, 1);
      const chunk = Array.from({ length: 20 }, () => record(topic, 'k', { value }));
      let written = 0;
      let waited = false;
      while (!waited && written * value.length < MUCH_BYTES) {
        const wait = writer.write(chunk);
        written += chunk.length;
        if (wait) {
          waited = true;
          await wait;
        }
      }
      await writer.flush();
      assert.ok(waited, `no wait after ${written} records`);
      assert.deepEqual(await bench.broker.admin.latestOffsets([{ topic, partition: 0 }]), [
        { topic, partition: 0, offset: written },
      ]);
    });

    it('needs the bytes only until flush', async () => {
      const topic = await bench.topic();
      const writer = await bench.broker.createWriter();
      const value = Buffer.from('before');
      await writer.write([record(topic, 'k', { value })]);
      await writer.flush();
      value.write('after!');
      assert.deepEqual(await bench.values(topic), ['before']);
    });

    it('flushes again and again, with nothing to flush as well', async () => {
      const topic = await bench.topic();
      const writer = await bench.broker.createWriter();
      await writer.flush();
      await writer.write(numbered(topic, 1));
      await Promise.all([writer.flush(), writer.flush()]);
      await writer.flush();
      assert.deepEqual(await bench.values(topic), ['0']);
    });

    // The error names the first record that was refused, and says how many were.
    it('fails the flush with PRODUCE_FAILED for refused records, writes the others, and goes on', async () => {
      const [topic, missing] = [await bench.topic(), unique('none')];
      const writer = await bench.broker.createWriter();
      await writer.write([
        record(topic, 'a'),
        record(missing, 'b'),
        record(missing, 'c', { partition: 4 }),
        record(topic, 'd'),
      ]);
      await assert.rejects(writer.flush(), fails('PRODUCE_FAILED', `${missing}[0]`, '2 records'));
      await writer.write([record(topic, 'e')]);
      await writer.flush();
      assert.deepEqual(await bench.values(topic), ['a', 'd', 'e']);
    });

    it('is refused a record for a partition that the topic does not have', async () => {
      const topic = await bench.topic(2);
      const writer = await bench.broker.createWriter();
      await writer.write([record(topic, 'a', { partition: 2 })]);
      await assert.rejects(writer.flush(), fails('PRODUCE_FAILED', `${topic}[2]`));
    });

    it('is refused a record larger than the topic takes', async () => {
      const topic = await bench.topic(1, { 'max.message.bytes': '1000' });
      const writer = await bench.broker.createWriter();
      await writer.write([record(topic, 'a', { value: Buffer.alloc(2_000) })]);
      await assert.rejects(writer.flush(), fails('PRODUCE_FAILED', `${topic}[0]`));
      assert.deepEqual(await bench.values(topic), []);
    });

    it('is refused a record without key for a compacted topic', async () => {
      const topic = await bench.topic(1, { 'cleanup.policy': 'compact' });
      const writer = await bench.broker.createWriter();
      await writer.write([record(topic, 'a', { key: null })]);
      await assert.rejects(writer.flush(), fails('PRODUCE_FAILED', `${topic}[0]`));
    });

    it('is refused a record whose timestamp is further from the clock than the topic allows', async () => {
      const topic = await bench.topic(1, { 'message.timestamp.after.max.ms': '1000' });
      const writer = await bench.broker.createWriter();
      await writer.write([record(topic, 'a', { timestamp: 4_000_000_000_000 })]);
      await assert.rejects(writer.flush(), fails('PRODUCE_FAILED', `${topic}[0]`));
    });

    it('takes a record that is just as large as its topic takes, and not one byte more', async () => {
      const topic = await bench.topic(1, { 'max.message.bytes': '1000' });
      const sizes: number[] = [];
      for (const length of [900, 915, 916, 917, 918, 919, 920, 921, 922, 923, 924, 925, 930]) {
        const writer = await bench.broker.createWriter();
        await writer.write([
          record(topic, 'a', { key: null, value: Buffer.alloc(length), headers: Headers.of({ h: 'xyz' }) }),
        ]);
        await writer.flush().then(
          () => sizes.push(length),
          () => undefined,
        );
      }
      // Besides the value: 61 bytes of the batch, 2 of the record's length, 4 of its head, 2 of the value's
      // length, 7 of headers.
      assert.deepEqual(sizes, [900, 915, 916, 917, 918, 919, 920, 921, 922, 923, 924]);
    });

    for (const transactional of [false, true]) {
      it(`${transactional ? 'in a transaction ' : ''}leaves out and reports a refused record that has an origin; others keep their order`, async () => {
        const topic = await bench.topic(2, { 'max.message.bytes': '2000' });
        const dated = await bench.topic(1, { 'message.timestamp.after.max.ms': '1000' });
        const keyed = await bench.topic(1, { 'cleanup.policy': 'compact' });
        const told: [unknown, string, number, string][] = [];
        const writer = await bench.broker.createWriter({
          ...(transactional && { transactionalId: unique('refusing') }),
          onRefused: ({ origin, topic: of, partition, error }) => void told.push([origin, of, partition, error.code]),
        });
        if (transactional) await writer.begin();
        const large = Buffer.alloc(5_000);
        for (let i = 0; i < 3; i++) {
          await writer.write([
            record(topic, `a${i}`, { origin: `a${i}` }),
            record(topic, 'large', { value: large, origin: `large ${i}` }),
            record(topic, `b${i}`),
            record(topic, `c${i}`, { partition: 1, origin: `c${i}` }),
            record(dated, `d${i}`, { timestamp: 4_000_000_000_000, origin: `late ${i}` }),
            record(dated, `d${i}`, { timestamp: 1, origin: `d${i}` }),
            record(keyed, `k${i}`, { key: null, origin: `no key ${i}` }),
            record(keyed, `k${i}`, { origin: `k${i}` }),
          ]);
          await writer.flush();
          // What a refusal leads to is written by the same writer.
          await writer.write([record(topic, `letter ${i}`, { partition: 1 })]);
        }
        await writer.write([record(topic, 'large', { value: large, partition: 1, origin: 'alone' })]);
        if (transactional) await writer.commit();
        else await writer.flush();
        assert.deepEqual(await bench.values(topic), ['a0', 'b0', 'a1', 'b1', 'a2', 'b2']);
        assert.deepEqual(await bench.values(topic, 1), ['c0', 'letter 0', 'c1', 'letter 1', 'c2', 'letter 2']);
        assert.deepEqual(await bench.values(dated), ['d0', 'd1', 'd2']);
        assert.deepEqual(await bench.values(keyed), ['k0', 'k1', 'k2']);
        const expected = [
          ...[0, 1, 2].map((i) => [`large ${i}`, topic, 0, 'PRODUCE_FAILED']),
          ...[0, 1, 2].map((i) => [`late ${i}`, dated, 0, 'PRODUCE_FAILED']),
          ...[0, 1, 2].map((i) => [`no key ${i}`, keyed, 0, 'PRODUCE_FAILED']),
          ['alone', topic, 1, 'PRODUCE_FAILED'],
        ];
        assert.deepEqual(new Set(told.map(String)), new Set(expected.map(String)));
        assert.equal(told.length, expected.length);
      });
    }

    it('reports an invalid timestamp, and writes what is beside it', async () => {
      const topic = await bench.topic();
      const told: unknown[] = [];
      const writer = await bench.broker.createWriter({ onRefused: ({ origin }) => void told.push(origin) });
      await writer.write([
        record(topic, 'a', { origin: 1 }),
        record(topic, 'b', { timestamp: 0.5, origin: 2 }),
        record(topic, 'c', { origin: 3 }),
      ]);
      await writer.flush();
      assert.deepEqual([await bench.values(topic), told], [['a', 'c'], [2]]);
    });

    it('knows where its own records end in each partition', async () => {
      const topic = await bench.topic(2);
      await bench.write(numbered(topic, 3));
      const writer = await bench.broker.createWriter();
      assert.equal(writer.acknowledged(topic, 0), undefined);
      await writer.write(numbered(topic, 2));
      await writer.flush();
      await bench.write(numbered(topic, 1));
      assert.equal(writer.acknowledged(topic, 0), 5);
      assert.equal(writer.acknowledged(topic, 1), undefined);
    });

    /** What is told of each record that a writer is given for a partition, by its place: offset or error. Each is told once. */
    const told = (topic: string, partition: number, results: readonly WriteResult[]): (number | string)[] => {
      const found: (number | string)[] = [];
      for (const { from, count, offset = -1, error, ...at } of results) {
        if (at.topic !== topic || at.partition !== partition) continue;
        for (let i = 0; i < count; i++) {
          assert.equal(found[from + i], undefined, `record ${from + i} is told twice`);
          found[from + i] = error ? `${error.code} ${error.message}` : offset + i;
        }
      }
      return found;
    };

    it('reports the offset of each record, if asked', async () => {
      const topic = await bench.topic(2);
      await bench.write(numbered(topic, 3));
      const results: WriteResult[] = [];
      const writer = await bench.broker.createWriter({ onResult: (result) => results.push(result) });
      const value = Buffer.alloc(2_000, 1);
      for (let round = 0; round < 3; round++) {
        // Some of them fill a batch.
        await writer.write(numbered(topic, 500).map((one) => ({ ...one, value })));
        await writer.write(numbered(topic, 2, 0, { partition: 1 }));
        await writer.flush();
      }
      const counting = (count: number, from: number): number[] => Array.from({ length: count }, (_, i) => from + i);
      assert.deepEqual(told(topic, 0, results), counting(1_500, 3));
      assert.deepEqual(told(topic, 1, results), counting(6, 0));
    });

    it('reports the error of each record that was not taken, and which of the others were', async () => {
      const [topic, missing] = [await bench.topic(1, { 'cleanup.policy': 'compact' }), unique('none')];
      const results: WriteResult[] = [];
      const writer = await bench.broker.createWriter({ onResult: (result) => results.push(result) });
      await writer.write([record(topic, 'a'), record(topic, 'b', { key: null }), record(topic, 'c')]);
      await writer.write([record(missing, 'd'), record(missing, 'e')]);
      await assert.rejects(writer.flush(), fails('PRODUCE_FAILED'));
      await writer.write([record(topic, 'f')]);
      await writer.flush();
      const [a, b, c, f, ...others] = told(topic, 0, results);
      assert.match(String(b), /^PRODUCE_FAILED .*key/);
      // Who takes batches or nothing refuses the others, too, and says so.
      const taken = [a, c].filter((result) => typeof result === 'number');
      for (const result of [a, c])
        if (typeof result === 'string') assert.match(result, /^PRODUCE_FAILED .*2 of the batch/);
      assert.deepEqual([...taken, f], taken.length === 0 ? [0] : [0, 1, 2]);
      assert.equal((await bench.values(topic)).length, taken.length + 1);
      assert.deepEqual(others, []);
      const nowhere = told(missing, 0, results);
      assert.equal(nowhere.length, 2);
      for (const result of nowhere) assert.match(String(result), /^PRODUCE_FAILED /);
    });

    it('flushes when it is closed, and takes nothing more: BROKER_CLOSED', async () => {
      const topic = await bench.topic();
      const writer = await bench.broker.createWriter();
      await writer.write(numbered(topic, 2));
      await writer.close();
      assert.deepEqual(await bench.values(topic), ['0', '1']);
      await assert.rejects(async () => writer.write(numbered(topic, 1)), fails('BROKER_CLOSED'));
      await assert.doesNotReject(writer.close());
    });

    it('without a transactional id cannot begin: TRANSACTION_INVALID', async () => {
      await assert.rejects((await bench.broker.createWriter()).begin(), fails('TRANSACTION_INVALID'));
    });
  });
}
