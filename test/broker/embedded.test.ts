import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { BrokerRecord } from '#src/broker/port.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { brokerContract } from './contract.js';
import { Bench, fails, numbered, valueText } from './contract.support.js';
import { entriesOf } from './embedded.support.js';
import {
  embeddedFactory,
  ManualClock,
  openRocks,
  pass,
  removeDirectory,
  startEmbedded,
  temporaryDirectory,
} from './local.support.js';
import { maintenanceContract } from './maintenance.contract.js';

brokerContract('the embedded broker', embeddedFactory);
maintenanceContract('the embedded broker', startEmbedded);

describe('the embedded broker and its directory', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await temporaryDirectory();
  });
  afterEach(() => removeDirectory(directory));

  it('is for one owner: a second opening is STATE_LOCKED and says what to do, and is free after close', async () => {
    const broker = await openRocks(directory, new ManualClock());
    await assert.rejects(
      openRocks(directory, new ManualClock()),
      fails('STATE_LOCKED', directory, 'The embedded broker is open for one process alone'),
    );
    await broker.close();
    const again = await openRocks(directory, new ManualClock());
    assert.deepEqual(await again.admin.describeTopics(), []);
    await again.close();
  });

  it('is not opened where a database of something else is: STATE_MISMATCH, and the lock is given back', async () => {
    const database = await openRocksDatabase(directory);
    await database.write([{ key: Buffer.from('something'), value: Buffer.from('else') }]);
    await database.close();
    await assert.rejects(openRocks(directory, new ManualClock()), fails('STATE_MISMATCH', 'something else'));
    await (await openRocksDatabase(directory)).close();
  });

  it('is not opened by a version that does not know its format: STATE_MISMATCH', async () => {
    const database = await openRocksDatabase(directory);
    await database.write([{ key: Buffer.from('v'), value: Buffer.from([9]) }]);
    await database.close();
    await assert.rejects(openRocks(directory, new ManualClock()), fails('STATE_MISMATCH', 'format 9'));
  });

  it('keeps everything acknowledged when its process is killed, and nothing of an open transaction', async () => {
    const child = fork(new URL('./embedded.child.js', import.meta.url), [directory], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    let acknowledged = 0;
    child.on('message', (count: number) => {
      acknowledged = count;
      if (count >= 300) child.kill('SIGKILL');
    });
    await once(child, 'exit');
    assert.ok(acknowledged >= 300);

    const clock = new ManualClock();
    const broker = await openRocks(directory, clock);
    const bench = new Bench({
      pollMs: 0,
      maxTimestamp: 8_640_000_000_000_000,
      durable: true,
      start: async () => ({ open: async () => broker, pass: (ms) => pass(clock, ms), stop: () => broker.close() }),
    });
    await bench.start();
    const [latest] = await broker.admin.latestOffsets([{ topic: 'payments', partition: 0 }]);
    assert.ok(latest && latest.offset >= acknowledged, `${latest?.offset} of ${acknowledged}`);
    const values = await bench.values('payments');
    assert.deepEqual(
      values,
      Array.from({ length: latest.offset }, (_, i) => `${i}`),
    );
    // Records and offsets of a transaction stay together.
    assert.deepEqual(await broker.admin.groupOffsets('group'), [
      { topic: 'payments', partition: 0, offset: latest.offset },
    ]);
    await broker.close();
  });

  it('reports a damaged batch as LOG_CORRUPT with partition and offset; batches around it are readable', async () => {
    const clock = new ManualClock();
    const broker = await openRocks(directory, clock);
    await broker.admin.createTopics([{ name: 'payments', partitions: 1 }]);
    const writer = await broker.createWriter();
    for (let i = 0; i < 30; i += 10) {
      await writer.write(numbered('payments', 10, i));
      await writer.flush();
    }
    await broker.close();

    const database = await openRocksDatabase(directory);
    const batch = (await entriesOf(database, 'b'))[1];
    assert.ok(batch);
    const damaged = Buffer.from(batch[1]);
    damaged[100] = (damaged[100] ?? 0) ^ 1;
    await database.write([{ key: batch[0], value: damaged }]);
    await database.close();

    const again = await openRocks(directory, clock);
    const reader = await again.createReader();
    reader.seek({ topic: 'payments', partition: 0, offset: 0 });
    const read: BrokerRecord[] = [];
    const readOn = async (): Promise<void> => {
      for (;;) {
        const batches = await reader.poll({ maxRecords: 100, maxWaitMs: 0 });
        if (batches.length === 0) return;
        for (const { records } of batches) read.push(...records);
      }
    };
    await assert.rejects(readOn(), fails('LOG_CORRUPT', 'payments[0]@10', 'checksum'));
    await assert.rejects(readOn(), fails('LOG_CORRUPT', 'payments[0]@10'));
    reader.seek({ topic: 'payments', partition: 0, offset: 20 });
    await readOn();
    assert.deepEqual(
      read.map(({ offset }) => offset),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29],
    );
    await again.close();
  });

  it('reports a batch that is missing as LOG_CORRUPT instead of going past it for ever', async () => {
    const clock = new ManualClock();
    const broker = await openRocks(directory, clock);
    await broker.admin.createTopics([{ name: 'payments', partitions: 1 }]);
    const writer = await broker.createWriter();
    await writer.write(numbered('payments', 10));
    await writer.flush();
    await broker.close();
    const database = await openRocksDatabase(directory);
    await database.write((await entriesOf(database, 'b')).map(([key]) => ({ key, value: null })));
    await database.close();
    const again = await openRocks(directory, clock);
    const reader = await again.createReader();
    reader.seek({ topic: 'payments', partition: 0, offset: 0 });
    await assert.rejects(reader.poll({ maxRecords: 1, maxWaitMs: 0 }), fails('LOG_CORRUPT', 'payments[0]@0'));
    await again.close();
  });

  it('reads a log of many sizes of batches from the disk, from any offset, in any portions', async () => {
    const clock = new ManualClock();
    let broker = await openRocks(directory, clock);
    await broker.admin.createTopics([{ name: 'payments', partitions: 1 }]);
    const writer = await broker.createWriter();
    let count = 0;
    for (const size of [1, 1, 1, 5_000, 2, 300, 1, 12_000, 1]) {
      await writer.write(numbered('payments', size, count, { key: null }));
      await writer.flush();
      count += size;
    }
    await broker.close();
    broker = await openRocks(directory, clock);
    for (const [from, max] of [
      [0, 100_000],
      [0, 999],
      [2, 7_000],
      [2_500, 500],
      [count - 1, 1],
      [4_999, 10_000],
    ] as const) {
      const reader = await broker.createReader();
      reader.seek({ topic: 'payments', partition: 0, offset: from });
      for (let position: number = from; position < count; ) {
        const [batch, ...others] = await reader.poll({ maxRecords: max, maxWaitMs: 0 });
        assert.ok(batch && others.length === 0 && batch.records.length <= max);
        for (const each of batch.records) assert.deepEqual([each.offset, valueText(each)], [position, `${position++}`]);
        assert.equal(batch.nextOffset, position);
      }
      await reader.close();
    }
    await broker.close();
  });
});
