import assert from 'node:assert/strict';
import { type EmbeddedBroker, openEmbeddedBroker } from '#src/broker/embedded/broker.js';
import { memoryDatabases } from '#src/state/database/memory.js';
import { Bench, fails, join, numbered, openTransaction, record, unique, valueText } from './contract.support.js';
import { entriesOf, FaultyDisk } from './embedded.support.js';
import { ManualClock, pass, turn } from './local.support.js';

/** A broker over a database in memory whose faults the test decides. */
async function onFaultyDisk(): Promise<{
  bench: Bench;
  disk: FaultyDisk;
  clock: ManualClock;
  reopen: () => Promise<void>;
}> {
  const disk = new FaultyDisk(memoryDatabases());
  const clock = new ManualClock();
  const open = (): Promise<EmbeddedBroker> =>
    openEmbeddedBroker({ directory: 'log', openDatabase: disk.openDatabase, clock });
  let broker = await open();
  const bench = new Bench({
    pollMs: 0,
    maxTimestamp: 8_640_000_000_000_000,
    durable: true,
    start: async () => ({ open: async () => broker, pass: (ms) => pass(clock, ms), stop: () => broker.close() }),
  });
  await bench.start();
  const reopen = async (): Promise<void> => {
    await broker.close();
    broker = await open();
    bench.broker = broker;
  };
  return { bench, disk, clock, reopen };
}

describe('the embedded broker and its disk', () => {
  it('serves all writers that wait with one synced write', async () => {
    const { bench, disk } = await onFaultyDisk();
    const topic = await bench.topic(4);
    const plain = await Promise.all(Array.from({ length: 4 }, () => bench.broker.createWriter()));
    const transactional = await Promise.all(
      Array.from({ length: 4 }, () => bench.broker.createWriter({ transactionalId: unique('id') })),
    );
    disk.writes.length = 0;
    disk.hold();
    const done = [
      ...plain.map(async (writer, partition) => {
        await writer.write(numbered(topic, 2, 0, { partition }));
        await writer.flush();
      }),
      ...transactional.map(async (writer, partition) => {
        await openTransaction(writer, numbered(topic, 2, 2, { partition }));
        await writer.commit();
      }),
    ];
    for (let i = 0; i < 5; i++) await turn();
    disk.release();
    await Promise.all(done);
    // One that had begun when the others came, and one for all of these.
    assert.ok(disk.writes.length <= 2, `${disk.writes.length} writes`);
    assert.ok(disk.writes.every(({ sync }) => sync));
    assert.deepEqual(await bench.values(topic, 3), ['0', '1', '2', '3']);
    await bench.cluster.stop();
  });

  it('syncs at a flush or a commit and not before, even if all batches are written by then', async () => {
    const { bench, disk } = await onFaultyDisk();
    const topic = await bench.topic();
    const writer = await bench.broker.createWriter();
    disk.writes.length = 0;
    // Exactly what fills batches: the writer sends them on its own.
    await writer.write(Array.from({ length: 4 }, () => record(topic, 'k', { value: Buffer.alloc(200_000) })));
    await bench.eventually(() => assert.ok(disk.writes.length > 0));
    assert.ok(disk.writes.every(({ sync }) => !sync));
    await writer.flush();
    assert.equal(disk.writes.at(-1)?.sync, true);
    const before = disk.writes.length;
    await writer.flush();
    assert.equal(disk.writes.length, before);
    await bench.cluster.stop();
  });

  it('on a full disk fails flush (PRODUCE_FAILED) and commit, shows nothing of them, and recovers', async () => {
    const { bench, disk, reopen } = await onFaultyDisk();
    const topic = await bench.topic();
    await bench.write(numbered(topic, 2));
    disk.broken = true;
    const writer = await bench.broker.createWriter();
    await writer.write(numbered(topic, 3, 10));
    await assert.rejects(writer.flush(), fails('PRODUCE_FAILED', `${topic}[0]`, '3 records', 'a full disk'));
    const transactional = await bench.broker.createWriter({ transactionalId: 'id' });
    await openTransaction(transactional, numbered(topic, 3, 20));
    await assert.rejects(transactional.commit(), fails('STATE_IO'));
    await assert.rejects(bench.topic(), fails('STATE_IO'));
    disk.broken = false;
    assert.deepEqual(await bench.values(topic), ['0', '1']);
    await writer.write(numbered(topic, 1, 30));
    await writer.flush();
    assert.equal(writer.acknowledged(topic, 0), 3);
    await reopen();
    assert.deepEqual(await bench.values(topic), ['0', '1', '30']);
    await bench.cluster.stop();
  });

  it('shows nothing before it is written', async () => {
    const { bench, disk } = await onFaultyDisk();
    const [topic, groupId] = [await bench.topic(), unique('group')];
    const { membership } = await join(bench.broker, groupId, [topic]);
    const reader = await bench.reader(topic, 0);
    const writer = await bench.broker.createWriter();
    await writer.write(numbered(topic, 1));
    disk.hold();
    const flushed = writer.flush();
    await bench.nothing(reader);
    assert.deepEqual((await bench.broker.admin.latestOffsets([{ topic, partition: 0 }]))[0]?.offset, 0);
    disk.release();
    await flushed;
    disk.hold();
    const committed = membership.commit([{ topic, partition: 0, offset: 1 }]);
    const asked = membership.committed([{ topic, partition: 0 }]);
    await turn();
    disk.release();
    await committed;
    // Asked while the commit was under way: the answer waited for it.
    assert.deepEqual(await asked, [{ topic, partition: 0, offset: 1 }]);
    assert.deepEqual((await bench.next(reader))[0]?.records.map(valueText), ['0']);
    await bench.cluster.stop();
  });

  it('has a fenced transaction wholly or not at all, and knows which once the newer writer is open', async () => {
    const { bench, disk } = await onFaultyDisk();
    const topic = await bench.topic();
    const older = await bench.broker.createWriter({ transactionalId: 'id' });
    await openTransaction(older, numbered(topic, 2));
    disk.hold();
    const committing = older.commit();
    for (let i = 0; i < 5; i++) await turn();
    const opening = bench.broker.createWriter({ transactionalId: 'id' });
    await turn();
    disk.release();
    await opening;
    assert.equal((await bench.broker.admin.latestOffsets([{ topic, partition: 0 }]))[0]?.offset, 2);
    await assert.doesNotReject(committing);
    await assert.rejects(older.begin(), fails('PRODUCER_FENCED'));
    await bench.cluster.stop();
  });

  it('is maintained when the broker opens and every five minutes, and a failure of that is tried again', async () => {
    const { bench, disk, clock, reopen } = await onFaultyDisk();
    const topic = await bench.topic(1, { 'retention.ms': '1000' });
    const earliest = async (): Promise<number | undefined> =>
      (await bench.broker.admin.earliestOffsets([{ topic, partition: 0 }]))[0]?.offset;
    const write = (text: string): Promise<void> => bench.write([record(topic, text, { timestamp: clock.now() })]);
    await write('a');
    await write('b');
    clock.advance(10_000);
    await reopen();
    await bench.eventually(async () => assert.equal(await earliest(), 1));

    await write('c');
    await bench.eventually(() => assert.equal(clock.timers, 1));
    disk.broken = true;
    clock.advance(300_000);
    await bench.eventually(() => assert.equal(clock.timers, 1));
    disk.broken = false;
    assert.equal(await earliest(), 1);
    clock.advance(300_000);
    await bench.eventually(async () => assert.equal(await earliest(), 2));
    await bench.cluster.stop();
    assert.equal(clock.timers, 0);
  });

  it('is swept of a deleted topic at the next opening if the process ended before', async () => {
    const { bench, disk, reopen } = await onFaultyDisk();
    const topic = await bench.topic();
    await bench.write(numbered(topic, 5));
    // The deletion itself is the next write; what follows it fails.
    const write = disk.writes.length;
    const deleting = bench.broker.admin.deleteTopics([topic]);
    await bench.eventually(() => assert.ok(disk.writes.length > write));
    disk.broken = true;
    await deleting.catch(fails('STATE_IO'));
    disk.broken = false;
    await reopen();
    await bench.cluster.stop();
    const database = await disk.open('log');
    assert.deepEqual(await entriesOf(database, 'b'), []);
    assert.deepEqual(await entriesOf(database, 'd'), []);
    await database.close();
  });
});
