import assert from 'node:assert/strict';
import type { Admin } from '#src/broker/port.js';
import { StreamsError } from '#src/model/errors.js';
import type { Holder } from '#src/runtime/holder.js';
import { IdleWatch } from '#src/runtime/idle-watch.js';

const positions = [{ topic: 'in', partition: 0, offset: 5 }];
const task = { phase: 'running', uncommitted: 0, lag: 0, positions };

/** A process with one task that has done everything. */
const holder = { tasks: [task], globals: { positions: [] }, settled: true } as unknown as Holder;

describe('the watch for what is left to do', () => {
  it('asks a cluster that is away again with the next look, and ends at any other error', async () => {
    const errors = (['BROKER_UNAVAILABLE', 'TOPIC_UNKNOWN'] as const).map(
      (code) => new StreamsError(code, { what: 'no answer', action: 'Wait.' }),
    );
    const admin = {
      latestOffsets: async () => {
        const error = errors.shift();
        if (error) throw error;
        return positions;
      },
    } as unknown as Admin;
    const watch = new IdleWatch(admin, holder);
    let idle = false;
    const waiting = watch.wait().then(() => {
      idle = true;
    });
    await watch.look();
    assert.equal(idle, false);
    await assert.rejects(watch.look(), /no answer/);
    await watch.look();
    await waiting;
    assert.equal(idle, true);
  });
});
