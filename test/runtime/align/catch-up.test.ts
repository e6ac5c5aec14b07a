import assert from 'node:assert/strict';
import { merge } from 'rxjs';
import {
  count,
  groupBy,
  process,
  type StreamRecord,
  serdes,
  type Topology,
  to,
  topology,
  toStream,
  tumbling,
} from '#src/index.js';
import { applyReset, planReset, type ResetOptions } from '#src/replay/index.js';
import { marked, markOf, type ResetMark } from '#src/runtime/offsets/reset-marks.js';
import { Application, type TextRecord } from '../../support/application.js';
import { temporaryDirectory } from '../../support/project.js';

const json = { key: serdes.string, value: serdes.json<number>() };

const at = (timestamp: number, partition: number, key = 'k'): TextRecord => ({
  key,
  value: '1',
  timestamp,
  partition,
});

/** Counts all records of both topics behind a repartition. */
const overAll = topology('app', (t) => {
  merge(t.stream('in', json), t.stream('more', json)).pipe(
    groupBy(() => 'all', { ...json, name: 'by' }),
    count({ store: 'all' }),
    toStream(),
    to('out', json),
  );
});

/** Counts by key, without a repartition. */
const byKey = topology('app', (t) => {
  merge(t.stream('in', json), t.stream('more', json)).pipe(count({ store: 'keys' }), toStream(), to('out', json));
});

/** One that has processed some records of two partitions, and is stopped. */
async function begun(target: Topology, old: readonly TextRecord[]): Promise<Application> {
  const app = new Application({ topology: target });
  await app.createTopics({ in: 2, more: 2, out: 1 });
  await app.write('in', old);
  await app.runThrough();
  await app.stop();
  return app;
}

async function putBack(app: Application, options: Partial<ResetOptions> = {}): Promise<void> {
  const { broker, topology: target, clock } = app;
  const stateDirectory = temporaryDirectory();
  const wanted: ResetOptions = { broker, stateDirectory, to: { kind: 'earliest' }, now: clock.now(), ...options };
  await applyReset(await planReset(target, wanted), { broker, stateDirectory, clock });
  await app.machine.lose();
}

const values = async (app: Application): Promise<string[]> =>
  (await app.read('out')).map(({ key, value }) => `${key}=${value}`);

const marks = async ({ broker }: Application): Promise<(ResetMark | undefined)[]> =>
  (await broker.admin.groupOffsets('app')).map(markOf);

/** All in the second partition: the task of the first has its turn before. */
const OLD = Array.from({ length: 5 }, (_, i) => at(1_000 + i, 1));
const WRITTEN = OLD.map((_, i) => `all=${i + 1}`);

describe('after a reset, new records', () => {
  it('wait for old ones of another partition, where both meet behind a repartition', async () => {
    const app = await begun(overAll, OLD);
    await putBack(app);
    await app.write('in', [at(9_000, 0)]);
    await app.runThrough();
    assert.deepEqual(await values(app), [...WRITTEN, 'all=6']);
    await app.close();
  });

  it('wait for old ones of a topic that is merged with theirs, although they happened before them', async () => {
    const app = await begun(byKey, OLD);
    await putBack(app);
    await app.write('more', [at(1_002, 1)]);
    await app.runThrough();
    assert.deepEqual(await values(app), ['k=1', 'k=2', 'k=3', 'k=4', 'k=5', 'k=6']);
    await app.close();
  });

  it('do not wait for those of a partition whose records meet theirs nowhere', async () => {
    const app = await begun(byKey, OLD);
    await putBack(app);
    await app.write('in', [at(9_000, 0, 'new')]);
    await app.start();
    // The one with old records has had no turn yet.
    const [task] = app.engine?.tasks ?? [];
    // It says where it stands, and then that it is quiet.
    for (const taken of [0, 0, 1]) {
      assert.equal(await task?.processBatch(0), taken);
      await task?.commit();
    }
    await app.close();
  });

  it('wait, whichever task dies at which step of a commit, and each call and output is made once', async () => {
    for (let crashAt = 0; crashAt < 16; crashAt++) {
      const app = await begun(overAll, OLD);
      await putBack(app);
      await app.write('in', [at(9_000, 0), at(9_001, 1)]);
      let steps = crashAt;
      app.crashHere = () => steps-- === 0;
      await app.runThrough();
      const written = await values(app);
      assert.deepEqual([...new Set(written)], [...WRITTEN, 'all=6', 'all=7'], `a crash at step ${crashAt}`);
      await app.close();
    }
  });

  it('wait only for old ones that are silent: what is written again anyway waits for nothing', async () => {
    const app = await begun(overAll, OLD);
    await putBack(app, { effects: 'live' });
    await app.write('in', [at(9_000, 0)]);
    await app.runThrough();
    assert.deepEqual(await values(app), [...WRITTEN, 'all=1', ...OLD.map((_, i) => `all=${i + 2}`)]);
    await app.close();
  });

  it('do not wait where a log ends before what was processed', async () => {
    const app = await begun(overAll, OLD);
    await putBack(app);
    const { admin } = app.broker;
    const offsets = (await admin.groupOffsets('app')).map((position) => {
      const mark = markOf(position);
      return { ...position, metadata: marked(position.metadata, mark && { ...mark, until: mark.until + 1_000 }) };
    });
    await admin.setGroupOffsets('app', offsets);
    await app.write('in', [at(9_000, 0)]);
    await app.runThrough();
    assert.ok((await marks(app)).every((mark) => mark?.over));
    assert.equal((await app.read('out')).length, WRITTEN.length);
    await app.close();
  });

  it('wait no longer than needed: then all positions say that it is over, and later nothing', async () => {
    const app = await begun(overAll, OLD);
    await putBack(app);
    assert.ok((await marks(app)).every((mark) => mark !== undefined && !mark.over));
    await app.runThrough();
    await app.write('in', [at(9_000, 0)]);
    await app.runThrough();
    await app.stop();
    assert.ok((await marks(app)).every((mark) => mark?.over));
    await app.write('in', [at(9_001, 0), at(9_002, 1)]);
    await app.runThrough();
    assert.deepEqual((await values(app)).slice(WRITTEN.length), ['all=6', 'all=7', 'all=8']);
    assert.ok((await marks(app)).some((mark) => mark === undefined));
    await app.close();
  });

  it('wait for old ones, but are not waited for themselves where tasks keep together in time', async () => {
    const windowed = topology('app', (t) => {
      t.stream('in', json).pipe(
        groupBy(() => 'all', { ...json, name: 'by' }),
        count({ store: 'all', window: tumbling('10ms', { grace: '5ms' }), emit: 'onClose' }),
        to('out', { key: serdes.windowed(serdes.string), value: serdes.int64 }),
      );
    });
    const app = await begun(windowed, [at(5, 1), at(25, 1), at(45, 1)]);
    assert.equal((await app.read('out')).length, 2);
    await putBack(app);
    // It happened before all else, so nothing of what is old could be final if it were behind.
    await app.write('in', [at(1, 0), at(46, 0), at(90, 1)]);
    const before = app.clock.now();
    await app.runThrough();
    assert.equal((await app.read('out')).length, 3);
    assert.ok(app.clock.now() - before < 60_000);
    await app.close();
  });
});

describe('a timer of the wall clock', () => {
  it('waits as long as old records are left, and then fires once', async () => {
    const ticking = topology('app', (t) => {
      t.stream('in', json).pipe(
        process({
          name: 'tick',
          start: ({ schedule, forward }) =>
            void schedule('1s', 'wall', (now) => forward({ key: 'tick', value: now / 1_000 })),
          process: (_record: StreamRecord<string, number>) => undefined,
        }),
        to('out', json),
      );
    });
    const app = new Application({ topology: ticking });
    await app.createTopics({ in: 1, out: 1 });
    await app.write('in', [at(1, 0)]);
    await app.runThrough();
    await app.stop();
    await putBack(app);
    await app.start();
    app.clock.advance(1_000);
    await app.engine?.tasks[0]?.processBatch(0);
    assert.deepEqual(await values(app), []);
    await app.runThrough();
    app.clock.advance(1_000);
    await app.runThrough();
    assert.deepEqual(await values(app), ['tick=1', 'tick=2']);
    await app.close();
  });
});
