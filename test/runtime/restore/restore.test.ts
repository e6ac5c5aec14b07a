import assert from 'node:assert/strict';
import { count } from '#src/dsl/operators/aggregate.js';
import { process } from '#src/dsl/operators/process.js';
import { toStream } from '#src/dsl/operators/stateless.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { StreamsError } from '#src/model/errors.js';
import type { StreamRecord } from '#src/model/record.js';
import type { CommitStep, EngineOptions } from '#src/runtime/config/config.js';
import { serdes } from '#src/serdes/serdes.js';
import { Application, type TextRecord } from '../../support/application.js';

const counts = topology('counts', (t) => {
  t.stream('words', { key: serdes.string, value: serdes.string }).pipe(
    count({ store: 'totals' }),
    toStream(),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

const words = (from: number, to: number): TextRecord[] =>
  Array.from({ length: to - from }, (_, i) => ({ key: `k${from + i}`, value: 'x', timestamp: from + i }));

const isMismatch = (what: RegExp) => (error: unknown) => {
  assert.ok(error instanceof StreamsError);
  assert.equal(error.code, 'STATE_MISMATCH');
  assert.match(error.message, what);
  return true;
};

describe('restore', () => {
  let app: Application;

  async function application(options: EngineOptions = {}, target = counts, partitions = 1): Promise<void> {
    app = new Application({ topology: target, options });
    await app.createTopics({ words: partitions, out: 1 });
  }

  const crashAt = async (step: CommitStep): Promise<void> => {
    app.crashHere = (at) => at === step;
    assert.equal(await app.run(), false);
    app.crashHere = () => false;
  };

  const restored = (): number => app.engine?.progress().metrics.restoredRecords as number;

  afterEach(() => app.close());

  it('reads after a crash only what the last commit changed, however much the store holds', async () => {
    await application();
    await app.write('words', words(0, 500));
    await app.runThrough();
    await app.write('words', words(100, 107));
    await crashAt('3 offsets');
    await app.start();
    assert.equal(restored(), 7);
    assert.equal((await app.rows())['totals[words-0] "k106"'], '2 at 106');
  });

  it('reads nothing after an orderly stop', async () => {
    await application();
    await app.write('words', words(0, 50));
    await app.runThrough();
    await app.stop();
    await app.start();
    assert.equal(restored(), 0);
  });

  it('counts what all tasks of an engine read, which open at the same time', async () => {
    await application({}, counts, 4);
    await app.write('words', words(0, 200));
    await app.runThrough();
    await app.stop();
    await app.machine.lose();
    await app.start();
    assert.equal(restored(), 200);
  });

  it('rebuilds a lost state directory from the changelog', async () => {
    await application();
    await app.write('words', [...words(0, 20), ...words(5, 10)]);
    await app.runThrough();
    const before = await app.rows();
    await app.stop();
    await app.machine.lose();
    await app.start();
    assert.equal(restored(), 20);
    assert.deepEqual(await app.rows(), before);
  });

  it('at_least_once: skips a change past the committed offsets, and makes it again', async () => {
    await application({ guarantee: 'at_least_once' });
    await app.write('words', words(0, 3));
    await app.runThrough();
    await app.write('words', words(0, 3));
    await crashAt('2 log');
    await app.machine.lose();
    await app.start();
    assert.equal(restored(), 6);
    assert.deepEqual(Object.values(await app.rows()), ['1 at 0', '1 at 1', '1 at 2']);
    await app.runThrough();
    assert.deepEqual(Object.values(await app.rows()), ['2 at 0', '2 at 1', '2 at 2']);
  });

  it('at_least_once: a skipped change stays away when its cause is done again and leaves no trace', async () => {
    const toggling = topology('toggling', (t) => {
      t.stream('words', { key: serdes.string, value: serdes.string }).pipe(
        process({
          name: 'toggle',
          stores: { lights: { key: serdes.string, value: serdes.string } },
          process: (record: StreamRecord<string, string>, { stores }) =>
            stores.lights.put(record.key, record.value === 'on' ? 'on' : null),
        }),
        to('out', { key: serdes.string, value: serdes.string }),
      );
    });
    await application({ guarantee: 'at_least_once' }, toggling);
    await app.start();
    await app.write('words', [{ key: 'lamp', value: 'on', timestamp: 1 }]);
    // "on" is logged, and its offset is not committed.
    await crashAt('2 log');
    // Now on and off are in one commit: the row comes and goes between two commits.
    await app.write('words', [{ key: 'lamp', value: 'off', timestamp: 2 }]);
    await app.runThrough();
    assert.deepEqual(await app.rows(), {});
    await app.stop();
    await app.machine.lose();
    await app.start();
    assert.deepEqual(await app.rows(), {});
  });

  it('keeps stream time over a crash after 3 offsets although the commit changed no row', async () => {
    const ticks: number[] = [];
    const ticking = topology('ticking', (t) => {
      t.stream('words', { key: serdes.string, value: serdes.string }).pipe(
        process({
          name: 'tick',
          stores: { seen: { key: serdes.string, value: serdes.string } },
          start: ({ schedule }) => void schedule('100ms', 'stream', (now) => void ticks.push(now)),
          process: () => undefined,
        }),
        to('out', { key: serdes.string, value: serdes.string }),
      );
    });
    await application({}, ticking);
    await app.start();
    await app.write('words', words(250, 251));
    await crashAt('3 offsets');
    await app.write('words', [...words(260, 261), ...words(300, 301)]);
    await app.runThrough();
    assert.deepEqual(ticks, [250, 300]);
  });

  it('keeps stream time for a task without stores as well: it is committed with the offsets', async () => {
    const ticks: number[] = [];
    const ticking = topology('ticking', (t) => {
      t.stream('words', { key: serdes.string, value: serdes.string }).pipe(
        process<StreamRecord<string, string>>({
          name: 'tick',
          start: ({ schedule }) => void schedule('100ms', 'stream', (now) => void ticks.push(now)),
          process: () => undefined,
        }),
        to('out', { key: serdes.string, value: serdes.string }),
      );
    });
    await application({}, ticking);
    await app.start();
    await app.write('words', words(250, 251));
    await crashAt('3 offsets');
    await app.write('words', [...words(260, 261), ...words(300, 301)]);
    await app.runThrough();
    assert.deepEqual(ticks, [250, 300]);
  });

  it('STATE_MISMATCH: the state is ahead of the committed offsets', async () => {
    await application();
    await app.write('words', words(0, 10));
    await app.runThrough();
    await app.stop();
    await app.broker.admin.setGroupOffsets('counts', [{ topic: 'words', partition: 0, offset: 4 }]);
    await assert.rejects(
      app.start(),
      isMismatch(/contains words up to offset 10.*saw committed offset 4, expected at least 10/),
    );
  });

  it('STATE_MISMATCH: the group has no committed offsets any more', async () => {
    await application();
    await app.write('words', words(0, 10));
    await app.runThrough();
    await app.stop();
    await app.broker.admin.deleteGroup('counts');
    await assert.rejects(app.start(), isMismatch(/saw no committed offset/));
  });

  it('STATE_MISMATCH: the changelog is shorter than the state says', async () => {
    await application();
    await app.write('words', words(0, 10));
    await app.runThrough();
    await app.stop();
    await app.broker.admin.deleteTopics(['counts-totals-changelog']);
    await assert.rejects(
      app.start(),
      isMismatch(/changelog of store totals is shorter.*saw end offset 0, expected at least 10/),
    );
  });

  it('releases the state directory when it refuses it', async () => {
    await application();
    await app.write('words', words(0, 10));
    await app.runThrough();
    await app.stop();
    await app.broker.admin.deleteGroup('counts');
    await assert.rejects(app.start(), isMismatch(/./));
    await app.broker.admin.setGroupOffsets('counts', [{ topic: 'words', partition: 0, offset: 10 }]);
    await app.start();
    assert.equal(Object.keys(await app.rows()).length, 10);
  });
});
