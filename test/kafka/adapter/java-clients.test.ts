import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { COMPRESSIONS } from '#src/broker/compression/codec.js';
import { partitionOf } from '#src/runtime/topics/partitioner.js';
import { unique } from '../../broker/contract.support.js';
import { javaProgram } from '../support/jars.js';
import { storedCompressions } from '../support/raw-requests.js';
import { describeWithKafka, describeWithKafkaJars } from '../support/suites.js';
import { contents, line, newTopic, samples } from '../support/topics.js';

/** Runs test/fixtures/java/Interop.java; its lines of output. */
async function java(
  classPath: string,
  args: readonly string[],
  input: readonly string[] = [],
): Promise<readonly string[]> {
  const program = spawn(javaProgram, ['-cp', classPath, 'test/fixtures/java/Interop.java', ...args]);
  const closed = new Promise<number | null>((resolve) => program.once('close', resolve));
  program.stdin.end(input.map((row) => `${row}\n`).join(''));
  const [output, errors, code] = await Promise.all([text(program.stdout), text(program.stderr), closed]);
  assert.equal(code, 0, errors);
  return output.split('\n').slice(0, -1);
}

describeWithKafkaJars('the Java clients', (classPath) => {
  it('give each of 10,000 keys the partition that we give it', async () => {
    const keys = fc.sample(fc.uint8Array({ maxLength: 70 }), 10_000).map((key) => Buffer.from(key));
    const theirs = await java(
      classPath,
      ['partition', '1009'],
      keys.map((key) => key.toString('base64')),
    );
    assert.deepEqual(
      theirs.map(Number),
      keys.map((key) => partitionOf(key, 1009)),
    );
  });

  describeWithKafka('on a cluster', (kafka) => {
    // All: keys, values, headers, times and nulls.
    it('read all that we write, in each compression, in transactions and without', async () => {
      const topics: string[] = [];
      for (const compression of COMPRESSIONS) {
        const broker = await kafka.open({ compression });
        const [plain, transactional] = [await newTopic(broker), await newTopic(broker)];
        topics.push(plain, transactional);
        const writer = await broker.createWriter();
        await writer.write(samples(plain));
        await writer.flush();
        const other = await broker.createWriter({ transactionalId: unique('id') });
        await other.begin();
        await other.write(
          samples('').map((record) => ({ ...record, topic: transactional, value: Buffer.from('aborted') })),
        );
        await other.flush();
        await other.abort();
        await other.begin();
        await other.write(samples(transactional));
        await other.commit();
      }
      const lines = await java(classPath, ['read', kafka.brokers.join(','), ...topics]);
      for (const topic of topics) {
        assert.deepEqual(
          lines.filter((row) => row.startsWith(`${topic}\t`)).map((row) => row.slice(topic.length + 1)),
          samples(topic).map(line),
        );
      }
    });

    it('are read by us, whatever compression they use, in transactions and without', async () => {
      const broker = await kafka.open();
      const targets: { readonly topic: string; readonly compression: string; readonly target: string }[] = [];
      for (const compression of COMPRESSIONS) {
        const [plain, transactional] = [await newTopic(broker), await newTopic(broker)];
        targets.push({ topic: plain, compression, target: `${plain}:${compression}` });
        targets.push({ topic: transactional, compression, target: `${transactional}:${compression}:${unique('id')}` });
      }
      const input = samples('').map(line);
      await java(classPath, ['write', kafka.brokers.join(','), ...targets.map(({ target }) => target)], input);
      for (const { topic, compression } of targets) {
        assert.deepEqual((await contents(broker, topic)).map(line), input);
        assert.deepEqual(await storedCompressions(kafka.brokers, topic), compression === 'none' ? [] : [compression]);
      }
    });
  });
});
