import assert from 'node:assert/strict';
import type { Admin, PartitionOffset } from '#src/broker/port.js';
import { StreamsError } from '#src/model/errors.js';
import { nextTurn } from '#src/runtime/config/system.js';
import type { EngineView } from '#src/runtime/engine/engine-view.js';
import { IdleWatch } from '#src/runtime/engine/idle-watch.js';
import { ManualClock } from '#src/testing/manual-clock.js';

const positions = [{ topic: 'in', partition: 0, offset: 5 }];
const task = { phase: 'running', uncommitted: 0, lag: 0, positionsOfInputs: positions };

/** A process that has done everything, and nobody it can ask for the ends of its topics the first times. */
function watch(
  engine: Partial<Record<keyof EngineView, unknown>>,
  ...codes: ('BROKER_UNAVAILABLE' | 'TOPIC_UNKNOWN')[]
) {
  const asked: (readonly PartitionOffset[])[] = [];
  const admin = {
    latestOffsets: async (of: readonly PartitionOffset[]) => {
      asked.push(of);
      const code = codes.shift();
      if (code) throw new StreamsError(code, { what: 'no answer', action: 'Wait.' });
      return of;
    },
  } as unknown as Admin;
  const clock = new ManualClock();
  const ending = new AbortController();
  const known = { settled: true, ...engine } as unknown as EngineView;
  return { asked, clock, ending, idle: new IdleWatch({ admin, clock, engine: known, signal: ending.signal }) };
}

describe('the watch for what is left to do', () => {
  const withTask = { tasks: [task], globals: { positions: [] } };
  const withoutTask = { tasks: [], globals: { positions } };

  it('waits for calls that are pending, though everything is read and committed', async () => {
    const works = { pending: 1 };
    const { idle } = watch({ tasks: [{ ...task, outside: { works } }], globals: { positions: [] } });
    let done = false;
    void idle.wait().then(() => {
      done = true;
    });
    for (const pending of [1, 0]) {
      works.pending = pending;
      await idle.look();
      await nextTurn();
      assert.equal(done, pending === 0);
    }
  });

  it('ends the wait when each task has committed once, though wall-clock timers fire all the time', async () => {
    const tasks = ['in', 'more'].map((topic) => ({
      phase: 'running',
      uncommitted: 1,
      lag: 0,
      positionsOfInputs: [{ topic, partition: 0, offset: 5 }],
    }));
    const [one, other] = tasks as [(typeof tasks)[0], (typeof tasks)[0]];
    const { idle } = watch({ tasks, globals: { positions: [] } });
    let done = false;
    const wait = (): void => {
      done = false;
      void idle.wait().then(() => {
        done = true;
      });
    };
    const look = async (): Promise<boolean> => {
      await idle.look();
      await nextTurn();
      return done;
    };
    wait();
    assert.equal(await look(), false);
    one.uncommitted = 0;
    assert.equal(await look(), false);
    [one.uncommitted, other.uncommitted] = [1, 0];
    assert.equal(await look(), true);
    // Who waits after that waits for what has been fired until then.
    [one.uncommitted, other.uncommitted] = [1, 1];
    wait();
    assert.equal(await look(), false);
    [one.uncommitted, other.uncommitted] = [0, 1];
    assert.equal(await look(), false);
    // A record is no timer.
    one.positionsOfInputs = [{ topic: 'in', partition: 0, offset: 6 }];
    [one.uncommitted, other.uncommitted] = [1, 0];
    assert.equal(await look(), false);
    one.uncommitted = 0;
    assert.equal(await look(), true);
  });

  it('leaves a cluster that is away to the next look of a task, and rejects with any other error', async () => {
    const { idle } = watch(withTask, 'BROKER_UNAVAILABLE', 'TOPIC_UNKNOWN');
    let done = false;
    const waiting = idle.wait().then(() => {
      done = true;
    });
    await idle.look();
    assert.equal(done, false);
    await assert.rejects(idle.look(), /no answer/);
    await idle.look();
    await waiting;
    assert.equal(done, true);
  });

  it('looks again by itself where there is no task, with pauses, until the cluster is back', async () => {
    const { idle, asked, clock } = watch(withoutTask, 'BROKER_UNAVAILABLE', 'BROKER_UNAVAILABLE');
    const waiting = idle.wait();
    const looking = idle.look();
    for (const seen of [1, 2]) {
      await nextTurn();
      assert.equal(asked.length, seen);
      clock.fireNext();
    }
    await Promise.all([waiting, looking]);
    assert.equal(asked.length, 3);
    assert.equal(clock.waiting, false);
  });

  it('looks once if nothing waits for it, and not again after the engine has ended', async () => {
    const { idle, asked, ending } = watch(withoutTask, 'BROKER_UNAVAILABLE', 'BROKER_UNAVAILABLE');
    await idle.look();
    assert.equal(asked.length, 1);
    void idle.wait();
    const looking = idle.look();
    await nextTurn();
    ending.abort();
    await looking;
    assert.equal(asked.length, 2);
  });
});
