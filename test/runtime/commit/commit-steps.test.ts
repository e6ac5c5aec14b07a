import assert from 'node:assert/strict';
import { count } from '#src/dsl/operators/aggregate.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import type { CommitStep, Guarantee } from '#src/runtime/config/config.js';
import { serdes } from '#src/serdes/serdes.js';
import { Application } from '../../support/application.js';

const counts = topology('counts', (t) => {
  t.stream('words', { key: serdes.string, value: serdes.string }).pipe(
    count({ store: 'totals' }),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

const word = (key: string, timestamp: number) => ({ key, value: 'x', timestamp });

/** What a crash leaves behind, and what the next start makes of it. */
interface Aftermath {
  readonly visible: readonly string[];
  readonly committed: number;
  /** Records of the changelog before the next start. */
  readonly changelog: number;
  /** Rows of the local database before the next start. */
  readonly local: readonly string[];
  readonly restored: number;
  readonly finallyVisible: readonly string[];
}

/** Commits a = 1, b = 1; then a = 2, c = 1, with a crash after that step of the second commit. */
async function crashAfter(guarantee: Guarantee, step: CommitStep): Promise<Aftermath> {
  const app = new Application({ topology: counts, options: { guarantee } });
  const outputs = async (): Promise<string[]> => (await app.read('out')).map(({ key, value }) => `${key}=${value}`);
  try {
    await app.createTopics({ words: 1, out: 1 });
    await app.write('words', [word('a', 1), word('b', 2)]);
    await app.runThrough();
    await app.write('words', [word('a', 3), word('c', 4)]);
    app.crashHere = (at) => at === step;
    assert.equal(await app.run(), false);
    app.crashHere = () => false;

    const visible = await outputs();
    const committed = (await app.committed())['words[0]'] as number;
    const changelog = (await app.read('counts-totals-changelog')).length;
    const local = await localRows(app);
    const engine = await app.start();
    const restored = engine.progress().metrics.restoredRecords;
    assert.ok(await app.run());
    assert.deepEqual(await app.rows(), {
      'totals[words-0] "a"': '2 at 3',
      'totals[words-0] "b"': '1 at 2',
      'totals[words-0] "c"': '1 at 4',
    });
    assert.equal((await app.committed())['words[0]'], 4);
    return { visible, committed, changelog, local, restored, finallyVisible: await outputs() };
  } finally {
    await app.close();
  }
}

/** The rows in the database as they are, without an engine. Store 1, kind 0; 8 bytes of timestamp before the value. */
async function localRows(app: Application): Promise<string[]> {
  const database = await app.machine.openDatabase('state/counts/words-0/db');
  const rows: string[] = [];
  for await (const chunk of database.scan({ gte: Buffer.from([0, 1, 0]), lt: Buffer.from([0, 1, 1]) })) {
    for (const [key, value] of chunk) rows.push(`${key.subarray(3)}=${serdes.int64.decode(value.subarray(8))}`);
  }
  await database.close();
  return rows;
}

const first = ['a=1', 'b=1'];
const second = ['a=2', 'c=1'];
const once = [...first, ...second];

describe('the steps of a commit, at_least_once', () => {
  it('a crash after 1 settle leaves nothing: the outputs come once, when all is done again', async () => {
    assert.deepEqual(await crashAfter('at_least_once', '1 settle'), {
      // What the writer had not sent yet went with the process.
      visible: first,
      committed: 2,
      changelog: 2,
      local: first,
      restored: 0,
      finallyVisible: once,
    });
  });

  it('a crash after 2 log leaves no offsets: the changes are read and skipped, the outputs come twice', async () => {
    assert.deepEqual(await crashAfter('at_least_once', '2 log'), {
      visible: once,
      committed: 2,
      changelog: 4,
      local: first,
      restored: 2,
      finallyVisible: [...once, ...second],
    });
  });

  it('a crash after 3 offsets leaves the store behind: its two changes come from the changelog', async () => {
    assert.deepEqual(await crashAfter('at_least_once', '3 offsets'), {
      visible: once,
      committed: 4,
      changelog: 4,
      local: first,
      restored: 2,
      finallyVisible: once,
    });
  });

  it('a crash after 4 apply leaves a whole commit: nothing is restored and nothing is done again', async () => {
    assert.deepEqual(await crashAfter('at_least_once', '4 apply'), {
      visible: once,
      committed: 4,
      changelog: 4,
      local: ['a=2', 'b=1', 'c=1'],
      restored: 0,
      finallyVisible: once,
    });
  });
});

describe('the steps of a commit, exactly_once', () => {
  it('a crash after 1 settle leaves nothing: the outputs come once, when all is done again', async () => {
    assert.deepEqual(await crashAfter('exactly_once', '1 settle'), {
      visible: first,
      committed: 2,
      changelog: 2,
      local: first,
      restored: 0,
      finallyVisible: once,
    });
  });

  it('a crash after 2 log leaves an aborted transaction: nothing is seen or read, the outputs come once', async () => {
    assert.deepEqual(await crashAfter('exactly_once', '2 log'), {
      visible: first,
      committed: 2,
      changelog: 2,
      local: first,
      restored: 0,
      finallyVisible: once,
    });
  });

  it('a crash after 3 offsets leaves the store behind: its two changes come from the changelog', async () => {
    assert.deepEqual(await crashAfter('exactly_once', '3 offsets'), {
      visible: once,
      committed: 4,
      changelog: 4,
      local: first,
      restored: 2,
      finallyVisible: once,
    });
  });

  it('a crash after 4 apply leaves a whole commit: nothing is restored and nothing is done again', async () => {
    assert.deepEqual(await crashAfter('exactly_once', '4 apply'), {
      visible: once,
      committed: 4,
      changelog: 4,
      local: ['a=2', 'b=1', 'c=1'],
      restored: 0,
      finallyVisible: once,
    });
  });
});
