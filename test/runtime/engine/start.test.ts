import assert from 'node:assert/strict';
import { openEmbeddedBroker } from '#src/broker/embedded/broker.js';
import { count } from '#src/dsl/operators/aggregate.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { isStreamsError } from '#src/model/errors.js';
import { systemClock } from '#src/runtime/config/system.js';
import { type RunningStreams, start } from '#src/runtime/start.js';
import { serdes } from '#src/serdes/serdes.js';
import { CacheBudget } from '#src/state/cache/cache-budget.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { entryBytes } from '#src/state/rows/cached-row.js';
import { createTopics, decoded, readTopic, writeTopic } from '../../support/application.js';
import { temporaryDirectory } from '../../support/project.js';

const counts = topology('counts', (t) => {
  t.stream('words', { key: serdes.string, value: serdes.string }).pipe(
    count({ store: 'totals' }),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

const words = ['a', 'b', 'a'].map((key, i) => ({ key, value: 'x', timestamp: i }));
const openBroker = (directory: string) =>
  openEmbeddedBroker({ directory, openDatabase: openRocksDatabase, clock: systemClock });

describe('start, on the embedded broker with RocksDB and the system clock', () => {
  it('runs until it is stopped, and goes on where it was when broker and application are opened again', async () => {
    const log = temporaryDirectory();
    const stateDirectory = temporaryDirectory();
    for (const round of [1, 2]) {
      const broker = await openBroker(log);
      if (round === 1) await createTopics(broker, { words: 2, out: 1 });
      const streams = await start(counts, { broker, stateDirectory });
      assert.equal(streams.applicationId, 'counts');
      await writeTopic(broker, 'words', words);
      await streams.untilIdle();
      const { phase, tasks, lag, metrics } = streams.progress();
      assert.deepEqual([phase, tasks, lag, metrics.recordsIn, metrics.restoredRecords], ['running', 2, 0, 3, 0]);
      await streams.stop();
      await streams.done;
      if (round === 2) {
        const found = (await readTopic(broker, 'out')).map(decoded).map(({ key, value }) => `${key}=${value}`);
        assert.deepEqual(found.toSorted(), ['a=1', 'a=2', 'a=3', 'a=4', 'b=1', 'b=2']);
      }
      await broker.close();
    }
  });

  it('counts the cached rows of several applications against one bound, and gives all back', async () => {
    const broker = await openBroker(temporaryDirectory());
    await createTopics(broker, { words: 1, out: 1 });
    const keys = Array.from({ length: 500 }, (_, i) => ({ key: `key ${i}`, value: 'x', timestamp: i }));
    await writeTopic(broker, 'words', keys);
    const cache = new CacheBudget(1e9);
    const used: number[] = [];
    const started: RunningStreams[] = [];
    for (const applicationId of ['one', 'two']) {
      const streams = await start(counts, { broker, stateDirectory: temporaryDirectory(), applicationId, cache });
      started.push(streams);
      await streams.untilIdle();
      used.push(cache.usedBytes);
    }
    assert.ok((used[0] as number) > 500 * entryBytes(5, 1), `${used[0]} bytes`);
    assert.equal(used[1], 2 * (used[0] as number));
    for (const streams of started) await streams.stop();
    assert.equal(cache.usedBytes, 0);
    await broker.close();
  });

  it('refuses what it cannot run before it joins the group', async () => {
    const broker = await openBroker(temporaryDirectory());
    const failed = async (options: object): Promise<unknown> =>
      start(counts, { broker, stateDirectory: temporaryDirectory(), ...options }).catch(
        (error: unknown) => isStreamsError(error) && error.code,
      );
    assert.equal(await failed({}), 'TOPIC_UNKNOWN');
    assert.equal(await failed({ batchRecords: 0 }), 'CONFIG_INVALID');
    assert.deepEqual(await broker.admin.groupMembers('counts'), []);
    await broker.close();
  });
});
