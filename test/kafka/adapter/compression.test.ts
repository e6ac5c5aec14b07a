import assert from 'node:assert/strict';
import { COMPRESSIONS } from '#src/broker/compression/codec.js';
import { fails, numbered, record, unique } from '../../broker/contract.support.js';
import { storedCompressions } from '../support/raw-requests.js';
import { describeWithKafka } from '../support/suites.js';
import { contents, line, newTopic, samples } from '../support/topics.js';

describeWithKafka('compression', (kafka) => {
  for (const compression of COMPRESSIONS) {
    it(`${compression}: the log holds it, and readers get what was written, in transactions and without`, async () => {
      const broker = await kafka.open({ compression });
      for (const transactionalId of [undefined, unique('id')]) {
        const topic = await newTopic(broker);
        const writer = await broker.createWriter(transactionalId === undefined ? {} : { transactionalId });
        if (transactionalId !== undefined) await writer.begin();
        await writer.write(samples(topic));
        await (transactionalId === undefined ? writer.flush() : writer.commit());
        assert.deepEqual((await contents(broker, topic)).map(line), samples(topic).map(line));
        assert.deepEqual(await storedCompressions(kafka.brokers, topic), compression === 'none' ? [] : [compression]);
      }
    });

    it(`${compression}: a batch that is too large for the topic is written as smaller ones`, async () => {
      const broker = await kafka.open({ compression });
      const topic = await newTopic(broker, { 'max.message.bytes': '2000' });
      const writer = await broker.createWriter();
      // Hardly compressible: every value is another.
      const values = Array.from({ length: 200 }, (_, i) => Buffer.from(`${Math.sin(i)} ${Math.cos(i)} ${Math.tan(i)}`));
      await writer.write(values.map((value) => record(topic, 'k', { value })));
      await writer.flush();
      assert.deepEqual(
        (await contents(broker, topic)).map(({ value }) => value?.toString()),
        values.map((value) => value.toString()),
      );
    });
  }

  it('is what the topic says, if the topic says something', async () => {
    const broker = await kafka.open({ compression: 'lz4' });
    const topic = await newTopic(broker, { 'compression.type': 'gzip' });
    const writer = await broker.createWriter();
    await writer.write(numbered(topic, 500));
    await writer.flush();
    assert.deepEqual(await storedCompressions(kafka.brokers, topic), ['gzip']);
    assert.equal((await contents(broker, topic)).length, 500);
  });

  it('of an unknown name, and sizes that make no sense, are CONFIG_INVALID', async () => {
    await assert.rejects(kafka.open({ compression: 'brotli' as 'none' }), fails('CONFIG_INVALID', 'brotli', 'zstd'));
    await assert.rejects(kafka.open({ batchBytes: 10 }), fails('CONFIG_INVALID', 'batchBytes', '10'));
    await assert.rejects(kafka.open({ linger: '5' as '5ms' }), fails('CONFIG_INVALID', 'linger', '"5"'));
  });
});
