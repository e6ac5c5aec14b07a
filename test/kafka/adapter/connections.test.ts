import assert from 'node:assert/strict';
import { numbered } from '../../broker/contract.support.js';
import { describeWithKafka } from '../support/suites.js';
import { newTopic } from '../support/topics.js';

describeWithKafka('the connections of a process', (kafka) => {
  const connections = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;

  it('are as many for fifty readers as for one', async () => {
    const broker = await kafka.open();
    const topic = await newTopic(broker);
    const writer = await broker.createWriter();
    await writer.write(numbered(topic, 3));
    await writer.flush();
    const read = async (): Promise<void> => {
      const reader = await broker.createReader();
      reader.seek({ topic, partition: 0, offset: 0 });
      const [batch] = await reader.poll({ maxRecords: 10, maxWaitMs: 10_000 });
      assert.equal(batch?.records.length, 3);
    };
    // Whatever takes both ways, held and at once.
    await Promise.all([read(), read(), read()]);
    const one = connections();
    await Promise.all(Array.from({ length: 50 }, read));
    assert.ok(connections() <= one, `${connections()} of ${one}`);
  });
});
