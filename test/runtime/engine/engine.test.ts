import assert from 'node:assert/strict';
import { count } from '#src/dsl/operators/aggregate.js';
import { groupBy } from '#src/dsl/operators/group-by.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { transactionalId } from '#src/graph/naming.js';
import { isStreamsError, StreamsError } from '#src/model/errors.js';
import type { EngineOptions } from '#src/runtime/config/config.js';
import { serdes } from '#src/serdes/serdes.js';
import {
  Application,
  createTopics,
  decoded,
  memoryMachine,
  readTopic,
  type TextRecord,
  writeTopic,
} from '../../support/application.js';
import { Cluster } from '../../support/cluster.js';

const counts = topology('counts', (t) => {
  t.stream('words', { key: serdes.string, value: serdes.string }).pipe(
    count({ store: 'totals' }),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

const grouped = topology('grouped', (t) => {
  t.stream('words', { key: serdes.string, value: serdes.string }).pipe(
    groupBy((record) => record.value, { key: serdes.string, value: serdes.string, name: 'by-value', partitions: 2 }),
    count({ store: 'first' }),
    groupBy((record) => `n${record.value}`, { key: serdes.string, value: serdes.int64, name: 'by-count' }),
    count({ store: 'second' }),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

const words = (keys: number, from = 0): TextRecord[] =>
  Array.from({ length: keys }, (_, i) => ({ key: `k${from + i}`, value: `v${i % 5}`, timestamp: i }));

const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: unknown) => error,
  );

describe('an engine', () => {
  let cluster: Cluster;

  async function open(target = counts, options: EngineOptions = {}, partitions = 1): Promise<void> {
    cluster = new Cluster(target, options);
    await createTopics(cluster.broker, { words: partitions, out: 1 });
  }

  const outputs = async () => (await readTopic(cluster.broker, 'out')).map(decoded);
  const committed = async () =>
    (await cluster.broker.admin.groupOffsets(cluster.topology.name)).reduce((sum, { offset }) => sum + offset, 0);

  afterEach(() => cluster.close());

  it('untilIdle resolves when everything is committed, through two repartition topics', async () => {
    await open(grouped, {}, 3);
    const { streams } = await cluster.join();
    await writeTopic(cluster.broker, 'words', words(40));
    await cluster.pumped(streams.untilIdle());
    assert.equal(streams.progress().lag, 0);
    const groups = new Map((await outputs()).map(({ key, value }) => [key, value]));
    // Five values, counted to eight each; then each of the counts 1 to 8 occurs in five groups of one row. A row moves on: only the last is left.
    assert.equal(groups.get('n8'), '5');
    for (let n = 1; n < 8; n++) assert.equal(groups.get(`n${n}`), '0');
  });

  it('untilIdle does not wait for the clock when the commit of the last batch was due at once', async () => {
    await open(counts, { commitRecords: 1 });
    const { streams } = await cluster.join();
    const idle = streams.untilIdle();
    await idle;
    const again = streams.untilIdle();
    await writeTopic(cluster.broker, 'words', words(3));
    // The clock stands still: a poll that waits would wait for ever.
    await again;
    assert.equal((await outputs()).length, 3);
  });

  it('stop commits what is processed; nothing is restored or done again at the next start', async () => {
    await open(counts, { commitEvery: '1h' });
    const machine = memoryMachine();
    const node = await cluster.join(machine);
    await writeTopic(cluster.broker, 'words', words(5));
    await until(cluster, () => node.streams.progress().metrics.recordsIn === 5);
    assert.deepEqual(await outputs(), []);
    await cluster.leave(node);
    assert.equal((await outputs()).length, 5);
    assert.equal(await committed(), 5);
    const again = await cluster.join(machine);
    await cluster.idle();
    const { recordsIn, restoredRecords } = again.streams.progress().metrics;
    assert.deepEqual([recordsIn, restoredRecords], [0, 0]);
  });

  it('abort commits nothing: all is done again at the next start', async () => {
    await open(counts, { commitEvery: '1h' });
    const machine = memoryMachine();
    const node = await cluster.join(machine);
    await writeTopic(cluster.broker, 'words', words(5));
    await until(cluster, () => node.streams.progress().metrics.recordsIn === 5);
    cluster.nodes.pop();
    await cluster.pumped(node.streams.abort());
    const end = await outcome(node.streams.done);
    assert.ok(isStreamsError(end) && end.code === 'STOPPED');
    assert.deepEqual(await outputs(), []);
    assert.equal(await committed(), 0);
    await cluster.join(machine);
    await cluster.idle();
    assert.equal((await outputs()).length, 5);
  });

  it('stop and abort may be called again; done resolves after stop', async () => {
    await open();
    const { streams } = await cluster.join();
    cluster.nodes.pop();
    await cluster.pumped(Promise.all([streams.stop(), streams.stop()]));
    await streams.stop();
    await streams.abort();
    await streams.done;
    assert.equal(streams.progress().phase, 'stopped');
    assert.deepEqual(await cluster.broker.admin.groupMembers('counts'), []);
  });

  it('commits after commitEvery of the clock, and after commitRecords', async () => {
    await open(counts, { commitEvery: '100ms' });
    const { streams } = await cluster.join();
    await writeTopic(cluster.broker, 'words', words(5));
    await until(cluster, () => streams.progress().metrics.commits === 1);
    assert.ok(cluster.clock.now() >= 100);
    assert.equal((await outputs()).length, 5);
  });

  it('opens a task again that another producer has fenced, and goes on without loss or duplicate', async () => {
    await open(counts, { commitEvery: '1h', batchRecords: 3 });
    const warnings: string[] = [];
    const logger = {
      debug() {},
      info() {},
      error() {},
      warn: (_: object, message: string) => void warnings.push(message),
    };
    const { streams } = await cluster.join(memoryMachine(), logger);
    await writeTopic(cluster.broker, 'words', words(5));
    await until(cluster, () => streams.progress().metrics.recordsIn === 5);
    const other = await cluster.broker.createWriter({ transactionalId: transactionalId('counts', 'words-0') });
    await other.close();
    await writeTopic(cluster.broker, 'words', words(5));
    await cluster.idle();
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /will be opened again/);
    assert.deepEqual(
      (await outputs()).map(({ key, value }) => `${key}=${value}`),
      [0, 1].flatMap((round) => words(5).map(({ key }) => `${key}=${round + 1}`)),
    );
  });

  it('ends with the error if a task cannot be opened again after it was fenced', async () => {
    await open(counts, { commitEvery: '1h' });
    const { streams } = await cluster.join();
    await writeTopic(cluster.broker, 'words', words(5));
    await until(cluster, () => streams.progress().metrics.recordsIn === 5);
    await (await cluster.broker.createWriter({ transactionalId: transactionalId('counts', 'words-0') })).close();
    await cluster.broker.admin.deleteTopics(['counts-totals-changelog']);
    await writeTopic(cluster.broker, 'words', words(5));
    cluster.nodes.pop();
    const end = await cluster.pumped(outcome(streams.done));
    assert.ok(end instanceof StreamsError, String(end));
    assert.equal(end.code, 'TOPIC_UNKNOWN');
    await assert.rejects(streams.stop(), end);
  });

  it('runs fifty tasks in one process', async () => {
    await open(counts, {}, 50);
    const { streams } = await cluster.join();
    assert.equal(streams.progress().tasks, 50);
    await writeTopic(cluster.broker, 'words', [...words(500), ...words(500)]);
    await cluster.idle();
    const found = await outputs();
    assert.equal(found.length, 1_000);
    assert.equal(found.filter(({ value }) => value === '2').length, 500);
  });
});

describe('the record cache of an engine', () => {
  it('gives equal results however small it is', async () => {
    const run = async (cacheBytes: number): Promise<Record<string, string>> => {
      const app = new Application({ topology: counts, options: { cacheBytes, batchRecords: 10 } });
      await app.createTopics({ words: 1, out: 1 });
      await app.write('words', [...words(300), ...words(200, 100), ...words(300)]);
      await app.runThrough();
      const rows = await app.rows();
      await app.close();
      return rows;
    };
    assert.deepEqual(await run(1), await run(64 * 1024 * 1024));
  });
});

/** Lets the clock run until that is so. */
async function until(cluster: Cluster, holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    assert.ok(turn < 5_000, 'it never came to that');
    await cluster.pumped(Promise.resolve());
    await new Promise((resolve) => setImmediate(resolve));
    if (cluster.clock.waiting) cluster.clock.fireNext();
  }
}
