import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { BrokerRecord, PollOptions, Reader, RecordBatch } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { systemClock } from '#src/runtime/config/system.js';
import { bufferedBytes, InputBuffer, RECORD_BYTES } from '#src/runtime/poll/input-buffer.js';
import { Intake } from '#src/runtime/poll/intake.js';

const KIB = 1024;

/** Counts what was read and not taken. */
class Counted implements Reader {
  held = 0;
  most = 0;

  constructor(readonly inner: Reader) {}

  async poll(options: PollOptions): Promise<readonly RecordBatch[]> {
    const batches = await this.inner.poll(options);
    for (const { records } of batches) for (const record of records) this.held += bufferedBytes(record);
    this.most = Math.max(this.most, this.held);
    return batches;
  }
  taken(records: readonly BrokerRecord[]): void {
    for (const record of records) this.held -= bufferedBytes(record);
  }
  seek: Reader['seek'] = (position) => this.inner.seek(position);
  remove: Reader['remove'] = (partitions) => this.inner.remove(partitions);
  pause: Reader['pause'] = (partitions) => this.inner.pause(partitions);
  resume: Reader['resume'] = (partitions) => this.inner.resume(partitions);
  wakeup = (): void => this.inner.wakeup();
  close = (): Promise<void> => this.inner.close();
}

/**
 * Bytes of each record of a topic, and which of its times each has; `inHeaders`: there, and not in the value.
 */
interface Log {
  readonly sizes: readonly number[];
  readonly from: number;
  readonly inHeaders: boolean;
}

describe('records that wait for their turn', () => {
  const sizes = fc.array(fc.oneof(fc.nat(100), fc.integer({ min: 1_000, max: 60_000 })), { maxLength: 120 });
  const log = fc.record({ sizes, from: fc.nat(150), inHeaders: fc.boolean() });

  it('take at most twice their shared memory and a record a partition, in one order for any memory', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(log, log, log),
        fc.constantFrom(1, 50, 1_000),
        fc.integer({ min: 1, max: 4 }),
        async (logs, max, tasks) => {
          const broker = await filled(logs);
          const order = async (maxBytes: number): Promise<readonly string[]> => {
            const positions = logs.map((_, i) => ({ topic: `t${i}`, partition: 0, offset: 0 }));
            const reader = new Counted(await broker.createReader());
            const buffer = new InputBuffer(maxBytes);
            for (let others = 1; others < tasks; others++) buffer.share();
            const ends = await broker.admin.latestOffsets(positions);
            const intake = new Intake(reader, positions, ends, { buffer });
            const order: string[] = [];
            while (intake.lag > 0) {
              const records = await intake.take(max, 10_000);
              reader.taken(records);
              order.push(...records.map(({ topic, offset }) => `${topic}@${offset}`));
            }
            const largest = 61 * KIB * logs.length;
            assert.ok(reader.most <= 2 * buffer.bytesEach + largest, `${reader.most} of ${buffer.bytesEach}`);
            assert.equal(reader.held, 0);
            await intake.close();
            assert.equal(buffer.bytesEach, Math.max(128 * KIB, maxBytes / Math.max(1, tasks - 1)));
            return order;
          };
          assert.deepEqual(await order(200 * KIB), await order(1_000_000 * KIB));
          await broker.close();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('share their memory among the tasks that there are', () => {
    const buffer = new InputBuffer(10_000 * KIB);
    assert.equal(buffer.bytesEach, 10_000 * KIB);
    const leave = [buffer.share(), buffer.share(), buffer.share(), buffer.share()];
    assert.equal(buffer.bytesEach, 2_500 * KIB);
    leave[0]?.();
    leave[0]?.();
    assert.equal(buffer.bytesEach, (10_000 * KIB) / 3);
    for (let task = 0; task < 1_000; task++) buffer.share();
    assert.equal(buffer.bytesEach, 128 * KIB);
  });

  it('count with key, value, headers and the objects that they are', () => {
    const headers = Headers.of({ name: 'value', other: null });
    const record = { topic: 't', partition: 0, offset: 0, timestamp: 0, key: Buffer.alloc(7), value: null, headers };
    assert.equal(bufferedBytes(record), RECORD_BYTES + 7 + 4 + 5 + 5);
  });

  async function filled(logs: readonly Log[]): Promise<MemoryBroker> {
    const broker = new MemoryBroker({ clock: systemClock });
    await broker.admin.createTopics(logs.map((_, i) => ({ name: `t${i}`, partitions: 1 })));
    const writer = await broker.createWriter();
    for (const [i, { sizes: each, from, inHeaders }] of logs.entries()) {
      const records = each.map((size, n) => ({
        topic: `t${i}`,
        partition: 0,
        timestamp: from + n,
        key: null,
        value: inHeaders ? null : Buffer.alloc(size),
        headers: inHeaders ? Headers.of({ h: Buffer.alloc(size) }) : Headers.none,
      }));
      await writer.write(records);
    }
    await writer.flush();
    await writer.close();
    return broker;
  }
});
