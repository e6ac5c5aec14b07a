import assert from 'node:assert/strict';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { Broker } from '#src/broker/port.js';
import { type RunningStreams, start } from '#src/index.js';
import { type StateOnDiskOptions, type StoreOnDisk, stateOnDisk } from '#src/replay/index.js';
import { systemClock } from '#src/runtime/config/system.js';
import { failure } from '../../dsl/support.js';
import { temporaryDirectory } from '../../support/project.js';
import { bank, pay } from '../bank.js';
import { append } from '../support.js';

describe('stateOnDisk', () => {
  let directory: string;
  let broker: Broker;
  let streams: RunningStreams | undefined;

  beforeEach(async () => {
    directory = temporaryDirectory();
    broker = new MemoryBroker({ clock: systemClock });
    await broker.admin.createTopics(['payments', 'balances'].map((name) => ({ name, partitions: 1, config: {} })));
    await append(broker, [pay(0, 'ada', 1), pay(1, 'bob', 2), pay(2, 'ada', 3)]);
    streams = await start(bank(), { broker, stateDirectory: directory });
    await streams.untilIdle();
  });

  afterEach(async () => {
    await stop();
    await broker.close();
  });

  const stop = async (): Promise<void> => {
    await streams?.stop();
    streams = undefined;
  };

  const read = (options: Partial<StateOnDiskOptions> = {}): AsyncGenerator<StoreOnDisk> =>
    stateOnDisk(bank(), { stateDirectory: directory, ...options });

  const rows = async (options: Partial<StateOnDiskOptions> = {}): Promise<unknown[]> => {
    const found: unknown[] = [];
    for await (const store of read(options))
      for await (const [key, value] of store.entries()) found.push([store.spec.name, store.task, key, value]);
    return found;
  };

  it('reads the stores that a stopped application left, and where each has read to', async () => {
    await stop();
    assert.deepEqual(await rows({ store: 'balances' }), [
      ['balances', 'by-account-0', 'ada', { total: 4 }],
      ['balances', 'by-account-0', 'bob', { total: 2 }],
    ]);
    for await (const { sources, partition, changelog } of read({ store: 'balances' })) {
      assert.deepEqual([sources, partition], [{ 'bank-by-account-repartition': 3 }, 0]);
      assert.ok((changelog ?? 0) >= 2);
    }
  });

  it('looks up one row, and reads the same again: it changes nothing', async () => {
    await stop();
    for (let i = 0; i < 2; i++)
      for await (const store of read({ store: 'balances' })) {
        assert.deepEqual((await store.row('ada'))?.value, { total: 4 });
        assert.equal(await store.row('zoe'), null);
      }
  });

  it('closes the stores when its reader leaves early: the application can start', async () => {
    await stop();
    for await (const _ of read()) break;
    streams = await start(bank(), { broker, stateDirectory: directory });
    await streams.untilIdle();
  });

  it('reads through the application while it runs', async () => {
    assert.deepEqual(await rows({ store: 'balances' }), [
      ['balances', 'by-account-0', 'ada', { total: 4 }],
      ['balances', 'by-account-0', 'bob', { total: 2 }],
    ]);
  });

  it('STATE_LOCKED while an application runs that answers no other process', async () => {
    await stop();
    streams = await start(bank(), { broker, stateDirectory: directory, control: false });
    await assert.rejects(rows(), failure('STATE_LOCKED'));
  });

  it('STORE_UNKNOWN for a store that the topology does not have', async () => {
    await stop();
    await assert.rejects(rows({ store: 'balance' }), failure('STORE_UNKNOWN', /"balance".*seen, balances/));
  });

  it('STATE_MISMATCH where there is no state, and for a partition that has none', async () => {
    await stop();
    await assert.rejects(rows({ applicationId: 'other' }), failure('STATE_MISMATCH', /no state of the application/));
    await assert.rejects(rows({ partition: 7 }), failure('STATE_MISMATCH', /no state of partition 7/));
  });
});
