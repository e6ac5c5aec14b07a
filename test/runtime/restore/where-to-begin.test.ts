import assert from 'node:assert/strict';
import { StreamsError } from '#src/model/errors.js';
import { silentLogger } from '#src/model/ports.js';
import { resolveConfig } from '#src/runtime/config/config.js';
import { whereToBegin } from '#src/runtime/restore/where-to-begin.js';
import type { TaskOptions } from '#src/runtime/task/task-options.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { failure } from '../../dsl/support.js';
import { pumped } from '../../support/application.js';

/** The task of partition 1 of an application that begins at the ends; nobody says where that is. */
function bench() {
  const clock = new ManualClock();
  const said: string[] = [];
  const bench = { isGone: false, committed: false };
  const logger = { ...silentLogger, warn: (_: object, text: string) => void said.push(text) };
  const at = { topic: 'in', partition: 1, offset: 7 };
  const options = {
    config: resolveConfig('late', { startFrom: 'latest' }, logger),
    ports: {
      clock,
      broker: {
        admin: {
          latestOffsets: async () => {
            if (!bench.isGone) return [at];
            throw new StreamsError('TOPIC_UNKNOWN', { what: 'a topic is gone', at: 'in[1]', action: 'Make it anew.' });
          },
          earliestOffsets: async () => [{ ...at, offset: 0 }],
        },
      },
    },
    membership: { committed: async () => (bench.committed ? [at] : []) },
    alignment: { catchUp: { phaseOf: async () => undefined } },
    topics: { count: () => 2 },
    topology: { graph: { nodes: [], edges: [], subTopologies: [] } },
    subTopology: { topics: ['in'], repartitions: [] },
    partition: 1,
    stores: [],
  };
  const begin = whereToBegin(options as unknown as TaskOptions, {
    sources: [{ topic: 'in', partition: 1 }],
    signal: new AbortController().signal,
  });
  begin.catch(() => undefined);
  const pass = async (ms: number): Promise<void> => {
    const end = clock.now() + ms;
    while (clock.now() < end) {
      await new Promise(setImmediate);
      if (clock.waiting) clock.fireNext();
    }
  };
  return Object.assign(bench, { clock, said, begin, pass });
}

describe('a task that waits for that of partition 0 to say where the application begins', () => {
  it('says so every half a minute, and goes on when it is known', async () => {
    const run = bench();
    await run.pass(29_000);
    assert.deepEqual(run.said, []);
    await run.pass(62_000);
    assert.equal(run.said.length, 3);
    assert.match(
      run.said[0] ?? '',
      /^the task of partition 1 waits for the task of partition 0, which commits where the application begins in in\./,
    );
    run.committed = true;
    const { positions } = await pumped(run.clock, run.begin);
    assert.deepEqual(positions, [{ topic: 'in', partition: 1, offset: 7 }]);
  });

  it("fails with the topic's error when that is deleted", async () => {
    const run = bench();
    await run.pass(5_000);
    run.isGone = true;
    await assert.rejects(pumped(run.clock, run.begin), failure('TOPIC_UNKNOWN', /in\[1\]/));
  });
});
