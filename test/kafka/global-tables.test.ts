import assert from 'node:assert/strict';
import type { Broker, ProducerRecord } from '#src/broker/port.js';
import { leftJoinGlobalTable, type StartOptions, serdes, start, to, topology } from '#src/index.js';
import { Headers } from '#src/model/headers.js';
import { silentLogger } from '#src/model/ports.js';
import { unique } from '../broker/contract.support.js';
import { decoded, type TextRecord } from '../support/application.js';
import { temporaryDirectory } from '../support/project.js';
import { describeWithKafka } from './support/suites.js';

const text = { key: serdes.string, value: serdes.string };

/** An application of its own: everything that has a name on the broker has another each time. */
function application() {
  const [id, accounts, input, out] = [unique('app'), unique('accounts'), unique('in'), unique('out')];
  const target = topology(id, (t) => {
    const all = t.globalTable(accounts, { ...text, store: 'all-accounts' });
    t.stream(input, text).pipe(
      leftJoinGlobalTable(all, { key: (record) => record.value, join: (value, name) => `${value}=${name}` }),
      to(out, text),
    );
  });
  return { accounts, input, out, target };
}

describeWithKafka('global tables', (kafka) => {
  let broker: Broker;
  beforeEach(async () => {
    broker = await kafka.open();
  });

  const write = async (
    topic: string,
    partitions: number,
    records: readonly TextRecord[],
    abort = false,
  ): Promise<void> => {
    const writer = await broker.createWriter({ transactionalId: unique('writer') });
    await writer.begin();
    await writer.write(
      records.map(
        ({ key, value, timestamp }, i): ProducerRecord => ({
          topic,
          partition: i % partitions,
          key: key === null ? null : Buffer.from(key),
          value: value === null ? null : Buffer.from(value),
          timestamp,
          headers: Headers.none,
        }),
      ),
    );
    await writer.flush();
    await (abort ? writer.abort() : writer.commit());
    await writer.close();
  };

  const read = async (topic: string): Promise<(string | null)[]> => {
    const [end] = await broker.admin.latestOffsets([{ topic, partition: 0 }]);
    const reader = await broker.createReader();
    reader.seek({ topic, partition: 0, offset: 0 });
    const found: (string | null)[] = [];
    for (let at = 0; at < (end?.offset ?? 0); ) {
      for (const batch of await reader.poll({ maxRecords: 1_000, maxWaitMs: 500 })) {
        found.push(...batch.records.map(decoded).map(({ value }) => value));
        at = batch.nextOffset;
      }
    }
    await reader.close();
    return found;
  };

  const rows = (count: number, name: string): TextRecord[] =>
    Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: `${name}${i}`, timestamp: Date.now() }));
  const input = (value: string): readonly TextRecord[] => [{ key: 'a', value, timestamp: Date.now() }];

  it('load a compacted topic of three partitions, follow it, and read on, without aborted records', async () => {
    const { accounts, input: from, out, target } = application();
    await broker.admin.createTopics([
      { name: accounts, partitions: 3, config: { 'cleanup.policy': 'compact' } },
      { name: from, partitions: 2 },
      { name: out, partitions: 1 },
    ]);
    await write(accounts, 3, rows(300, 'n'));
    await write(accounts, 3, rows(300, 'aborted'), true);
    await write(from, 2, input('k7'));
    const options: StartOptions = { broker, stateDirectory: temporaryDirectory() };
    const streams = await start(target, options);
    assert.equal(streams.progress().metrics.restoredRecords, 300);
    await streams.untilIdle();
    assert.equal((await streams.store('all-accounts').entries()).length, 300);
    await write(accounts, 3, rows(8, 'new'));
    await streams.untilIdle();
    await write(from, 2, input('k7'));
    await streams.untilIdle();
    await streams.stop();
    assert.deepEqual(await read(out), ['k7=n7', 'k7=new7']);

    await write(accounts, 3, rows(2, 'last'));
    const again = await start(target, options);
    assert.equal(again.progress().metrics.restoredRecords, 2);
    assert.equal(await again.store('all-accounts').get('k1'), 'last1');
    assert.equal(await again.store('all-accounts').get('k7'), 'new7');
    await again.stop();
    const members = await broker.admin.groupOffsets(target.name);
    assert.ok(members.every(({ topic }) => topic === from));
  });

  it('are made again, with a warning, when their topic was deleted and created again', async () => {
    const { accounts, input: from, out, target } = application();
    const create = (): Promise<void> => broker.admin.createTopics([{ name: accounts, partitions: 2 }]);
    await create();
    await broker.admin.createTopics([from, out].map((name) => ({ name, partitions: 1 })));
    await write(accounts, 2, rows(40, 'n'));
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) };
    const options: StartOptions = { broker, stateDirectory: temporaryDirectory(), logger };
    await (await start(target, options)).stop();
    await broker.admin.deleteTopics([accounts]);
    await create();
    await write(accounts, 2, rows(4, 'new'));
    const streams = await start(target, options);
    assert.equal((await streams.store('all-accounts').entries()).length, 4);
    assert.equal(await streams.store('all-accounts').get('k3'), 'new3');
    assert.equal(warnings.filter((message) => message.includes('rebuilt from its topic')).length, 1);
    await streams.stop();
  });
});
