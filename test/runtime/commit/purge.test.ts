import assert from 'node:assert/strict';
import { count } from '#src/dsl/operators/aggregate.js';
import { groupBy } from '#src/dsl/operators/group-by.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { serdes } from '#src/serdes/serdes.js';
import { Application } from '../../support/application.js';

const text = { key: serdes.string, value: serdes.string };
const grouped = topology('grouped', (t) => {
  t.stream('words', text).pipe(
    groupBy((record) => record.value, { ...text, name: 'by-value' }),
    count({ store: 'totals' }),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

const INTERNAL = { topic: 'grouped-by-value-repartition', partition: 0 };
const CHANGELOG = { topic: 'grouped-totals-changelog', partition: 0 };

describe('a repartition topic', () => {
  let app: Application;
  beforeEach(async () => {
    app = new Application({ topology: grouped });
    await app.createTopics({ words: 1, out: 1 });
  });
  afterEach(() => app.close());

  const write = (count: number): Promise<void> =>
    app.write(
      'words',
      Array.from({ length: count }, (_, i) => ({ key: 'k', value: `v${i % 3}`, timestamp: i })),
    );
  const bounds = async (at: { topic: string; partition: number }): Promise<readonly number[]> => {
    const { admin } = app.broker;
    return [...(await admin.earliestOffsets([at])), ...(await admin.latestOffsets([at]))].map(({ offset }) => offset);
  };

  it('loses what is processed and committed, half a minute later, and nothing else does', async () => {
    await write(10);
    await app.runThrough();
    assert.deepEqual(await bounds(INTERNAL), [0, 10]);
    await app.clock.advance(30_000);
    await write(5);
    await app.runThrough();
    assert.deepEqual(await bounds(INTERNAL), [15, 15]);
    assert.equal((await bounds({ topic: 'words', partition: 0 }))[0], 0);
    assert.equal((await bounds(CHANGELOG))[0], 0);
    await app.stop();
    await write(3);
    await app.runThrough();
    assert.deepEqual(
      (await app.read('out')).slice(-3).map(({ value }) => Number(value)),
      [7, 6, 5],
    );
  });

  it('keeps all if the records may not be deleted, and the application goes on', async () => {
    await write(10);
    await app.start();
    const { admin } = app.broker;
    const deleteRecords = admin.deleteRecords;
    admin.deleteRecords = async () => {
      throw new Error('not allowed');
    };
    await app.runThrough();
    await app.clock.advance(30_000);
    await write(5);
    await app.runThrough();
    assert.deepEqual(await bounds(INTERNAL), [0, 15]);
    assert.equal((await app.read('out')).length, 15);
    admin.deleteRecords = deleteRecords;
  });
});
