import assert from 'node:assert/strict';
import { count } from '#src/dsl/operators/aggregate.js';
import { toStream } from '#src/dsl/operators/stateless.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { Headers } from '#src/model/headers.js';
import { serdes } from '#src/serdes/serdes.js';
import { Application, readTopic } from '../../support/application.js';

const CHANGELOG = 'counts-count-store-changelog';

const counts = topology('counts', (t) => {
  t.stream('words', { key: serdes.string, value: serdes.string }).pipe(
    count({ store: 'count-store' }),
    toStream(),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

describe('the changelog of a count', () => {
  let app: Application;

  beforeEach(async () => {
    app = new Application({ topology: counts });
    await app.createTopics({ words: 1, out: 1 });
  });

  afterEach(() => app.close());

  const word = (key: string, timestamp: number) => ({ key, value: 'x', timestamp });

  // The value is the count as an 8-byte integer, the time that of the record.
  it('has the key, the value and the time that Kafka Streams writes, and the cause as a header', async () => {
    await app.write('words', [word('ä', 7), word('ä', 9)]);
    await app.runThrough();
    const records = (await readTopic(app.broker, CHANGELOG)).map(({ key, value, timestamp, headers }) => ({
      key: key?.toString('hex'),
      value: value?.toString('hex'),
      timestamp,
      headers: [...headers].map(([name]) => name),
    }));
    assert.deepEqual(records, [{ key: 'c3a4', value: '0000000000000002', timestamp: 9, headers: ['millrace.cause'] }]);
  });

  it('is restored when Kafka Streams wrote it, each record of it taken for committed, and counting goes on', async () => {
    const config = { 'cleanup.policy': 'compact' };
    await app.broker.admin.createTopics([{ name: CHANGELOG, partitions: 1, config }]);
    const writer = await app.broker.createWriter();
    const row = (key: string, value: Buffer | null, timestamp: number) => ({
      topic: CHANGELOG,
      partition: 0,
      key: Buffer.from(key),
      value,
      timestamp,
      headers: Headers.none,
    });
    const long = (value: bigint): Buffer => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64BE(value);
      return bytes;
    };
    await writer.write([row('a', long(1n), 1), row('b', long(5n), 2), row('a', long(2n), 3), row('b', null, 4)]);
    await writer.flush();
    await app.write('words', [word('a', 10), word('b', 11)]);
    await app.runThrough();
    assert.deepEqual(await app.rows(), {
      'count-store[words-0] "a"': '3 at 10',
      'count-store[words-0] "b"': '1 at 11',
    });
  });
});
