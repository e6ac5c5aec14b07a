import assert from 'node:assert/strict';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import {
  type ApplicationState,
  type AssignmentChange,
  count,
  serdes,
  start,
  type TaskRestore,
  to,
  topology,
} from '#src/index.js';
import { systemClock } from '#src/runtime/config/system.js';
import { memoryDatabases } from '#src/state/database/memory.js';
import { createTopics, writeTopic } from '../../support/application.js';
import { ToldLogger } from '../../support/told.js';

const text = { key: serdes.string, value: serdes.string };
const counting = topology('counting', (t) => {
  t.stream('words', text).pipe(count({ store: 'counts' }));
});
const failing = topology('failing', (t) => {
  const value = {
    ...serdes.string,
    decode: (): string => {
      throw new Error('no good');
    },
  };
  t.stream('words', { ...text, value }).pipe(to('out', text));
});

describe('the life of an application, as its hooks see it', () => {
  let broker: MemoryBroker;
  beforeEach(async () => {
    broker = new MemoryBroker({ clock: systemClock });
    await createTopics(broker, { words: 2, out: 1 });
  });
  afterEach(() => broker.close());

  /** Notes what happens in one process, in order. */
  const observed = (target = counting, openDatabase = memoryDatabases()) => {
    const events: string[] = [];
    const errors: (Error | undefined)[] = [];
    const restores: TaskRestore[] = [];
    const logger = new ToldLogger();
    const options = {
      ...{ broker: broker.connect(), stateDirectory: 'state', openDatabase, logger },
      onState: (state: ApplicationState, error?: Error) => {
        events.push(state);
        if (error) errors.push(error);
      },
      onAssignment: ({ tasks, added, removed }: AssignmentChange) =>
        void events.push(`${tasks.length} tasks, +${added.length} -${removed.length}`),
      onRestore: (restore: TaskRestore) => {
        events.push(`restore ${restore.phase} ${restore.records}`);
        restores.push(restore);
      },
    };
    return { events, errors, restores, lines: logger.lines, start: () => start(target, options) };
  };

  it('begins, runs and stops', async () => {
    const one = observed();
    const streams = await one.start();
    assert.deepEqual(one.events, ['starting', '2 tasks, +2 -0', 'running']);
    await streams.stop();
    assert.deepEqual(one.events.slice(3), ['stopping', 'stopped', '0 tasks, +0 -2']);
    assert.deepEqual(one.lines, ['info: tasks assigned', 'info: running']);
  });

  it('shares its tasks out when another process comes and goes', async () => {
    const one = observed();
    const two = observed();
    const first = await one.start();
    const second = await two.start();
    await until(() => one.events.filter((event) => event === 'running').length === 2);
    assert.deepEqual(one.events.slice(3), ['rebalancing', '1 tasks, +0 -1', 'running']);
    assert.deepEqual(two.events, ['starting', '1 tasks, +1 -0', 'running']);
    await second.stop();
    await until(() => one.events.filter((event) => event === 'running').length === 3);
    assert.deepEqual(one.events.slice(6), ['rebalancing', '2 tasks, +1 -0', 'running']);
    assert.ok(one.lines.includes('info: running again, after a rebalance'));
    await first.stop();
  });

  it('restores each task that has rows on no disk of this machine', async () => {
    const before = await observed().start();
    await writeTopic(broker, 'words', [
      { key: 'a', value: 'x', timestamp: 1, partition: 0 },
      { key: 'b', value: 'x', timestamp: 1, partition: 0 },
      { key: 'c', value: 'x', timestamp: 1, partition: 1 },
    ]);
    await before.untilIdle();
    await before.stop();
    const after = observed();
    const streams = await after.start();
    assert.equal(after.restores.filter(({ phase }) => phase === 'begun').length, 2);
    const ended = after.restores.filter(({ phase }) => phase === 'ended');
    assert.deepEqual(ended.map(({ task, records }) => [task, records]).sort(), [
      ['words-0', 2],
      ['words-1', 1],
    ]);
    assert.ok(after.events.indexOf('running') > after.events.lastIndexOf('restore ended 2'));
    await streams.stop();
  });

  it('fails with the error that ended it', async () => {
    const one = observed(failing);
    const streams = await one.start();
    await writeTopic(broker, 'words', [{ key: 'a', value: 'x', timestamp: 1 }]);
    await assert.rejects(streams.done, /no good/);
    assert.deepEqual(one.events.slice(-3), ['stopping', 'failed', '0 tasks, +0 -2']);
    assert.match(String(one.errors[0]), /DESERIALIZE_FAILED.*no good/);
  });

  it('ends as stopped, without an error, when it is stopped at once', async () => {
    const one = observed();
    const streams = await one.start();
    await streams.abort().catch(() => undefined);
    assert.deepEqual(one.events.slice(-3), ['stopping', 'stopped', '0 tasks, +0 -2']);
    assert.deepEqual(one.errors, []);
  });

  it('goes on whatever a hook throws, and logs it', async () => {
    const logger = new ToldLogger();
    const throwing = (): never => {
      throw new Error('a mistake');
    };
    const streams = await start(counting, {
      ...{ broker: broker.connect(), stateDirectory: 'state', openDatabase: memoryDatabases(), logger },
      ...{ onState: throwing, onAssignment: throwing, onRestore: throwing },
    });
    await streams.untilIdle();
    await streams.stop();
    assert.ok(logger.lines.includes('error: the hook onState threw: a mistake'));
    assert.ok(logger.lines.includes('error: the hook onAssignment threw: a mistake'));
  });
});

/** Waits for the event loop to bring it about; mocha's limit ends a wait for ever. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}
