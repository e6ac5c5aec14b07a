// Promise: versions of an application share the schemas that are registered for it, those of internal topics, too.
import assert from 'node:assert/strict';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import { count, groupBy, send, serdes, start, type Topology, to, topology } from '#src/index.js';
import { applyPromotion, planPromotion, startShadow } from '#src/replay/index.js';
import { systemClock } from '#src/runtime/config/system.js';
import { avro, MemoryRegistry } from '#src/serdes/avro/index.js';
import { temporaryDirectory } from '../../support/project.js';

const payment = avro({ type: 'record', name: 'Payment', fields: [{ name: 'account', type: 'string' }] });

const bank: Topology = topology('bank', (t) => {
  t.stream('payments', { key: serdes.string, value: payment }).pipe(
    groupBy((record) => record.value.account, { key: serdes.string, value: payment, name: 'by-account' }),
    count({ store: 'payments-of' }),
    to('out', { key: serdes.string, value: serdes.int64 }),
  );
});

describe('a promotion of a topology with Avro', () => {
  it('needs no schema that is not registered: shadow and promoted version use those of the application', async () => {
    const broker = new MemoryBroker({ clock: systemClock });
    const schemaRegistry = new MemoryRegistry();
    const stateDirectory = temporaryDirectory();
    await broker.admin.createTopics(
      ['payments', 'out'].map((name) => ({ name, partitions: 1, config: { 'retention.ms': '-1' } })),
    );
    const topicSerdes = { key: serdes.string, value: payment, schemaRegistry, registerSchemas: true };
    const pay = (timestamp: number) =>
      send(broker, 'payments', topicSerdes, [{ key: 'c', value: { account: 'ada' }, timestamp }]);
    const run = async (registerSchemas: boolean): Promise<void> => {
      const streams = await start(bank, { broker, stateDirectory, schemaRegistry, registerSchemas });
      await streams.untilIdle();
      await streams.stop();
    };
    await pay(1);
    await run(true);
    const subjects = await schemaRegistry.subjects();
    assert.deepEqual(subjects, ['bank-by-account-repartition-value', 'payments-value']);

    const { streams } = await startShadow(bank, { broker, stateDirectory, schemaRegistry });
    await streams.untilIdle();
    await streams.stop();
    const plan = await planPromotion(bank, { broker, now: 0 });
    await applyPromotion(plan, { broker, stateDirectory });
    await pay(2);
    await run(false);
    assert.deepEqual(await schemaRegistry.subjects(), subjects);
    const reader = await broker.createReader();
    reader.seek({ topic: 'out', partition: 0, offset: 0 });
    const [batch] = await reader.poll({ maxRecords: 10, maxWaitMs: 0 });
    await reader.close();
    assert.deepEqual(
      batch?.records.map(({ key, value }) => [String(key), value?.readBigInt64BE()]),
      [
        ['ada', 1n],
        ['ada', 2n],
      ],
    );
    await broker.close();
  });
});
