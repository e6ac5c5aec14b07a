import assert from 'node:assert/strict';
import { count } from '#src/dsl/operators/aggregate.js';
import { groupBy } from '#src/dsl/operators/group-by.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { seededRandom } from '#src/model/random.js';
import { resolveConfig } from '#src/runtime/config/config.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { Engine } from '#src/runtime/engine/engine.js';
import { serdes } from '#src/serdes/serdes.js';
import { createTopics, decoded, memoryMachine, readTopic, writeTopic } from '../support/application.js';
import { Cluster } from '../support/cluster.js';
import { byKey } from '../support/crashes.js';

/** Histories that are tried: some in the tests, a thousand by `npm run soak:fire`. */
const SEEDS = Number(process.env.FIRE_SEEDS ?? 40);
const STEPS = 25;

const text = { key: serdes.string, value: serdes.string };
const target = topology('fire', (t) => {
  t.stream('words', text).pipe(
    groupBy(({ value }) => value, { ...text, name: 'by' }),
    count({ store: 'counts' }),
    to('out', { key: serdes.string, value: serdes.int64 }),
  );
});

/** A member of the group: an engine, as its process has it. Its end, if it was not told to end. */
interface Process {
  engine: Engine | undefined;
  told: boolean;
  ended: Promise<void>;
}

describe('no process ends without a stop', () => {
  it('whatever three members do: start, stop, and be put out of the group, at any moment', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    try {
      for (let seed = 1; seed <= SEEDS; seed++) await history(seed);
      await nextTurn();
      assert.deepEqual(unhandled, []);
    } finally {
      process.off('unhandledRejection', note);
    }
  });
});

async function history(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const cluster = new Cluster(target);
  const { broker, clock } = cluster;
  await createTopics(broker, { words: 3, out: 1 });
  const ends: string[] = [];
  const processes: (Process | undefined)[] = [undefined, undefined, undefined];
  const machines = processes.map(() => memoryMachine());
  let written = 0;

  const start = (i: number): void => {
    const started: Process = { engine: undefined, told: false, ended: Promise.resolve() };
    const machine = machines[i] as (typeof machines)[0];
    const { openDatabase, stateDirectory, identityFiles } = machine;
    const ports = {
      broker: broker.connect(),
      clock,
      openDatabase,
      stateDirectory,
      ...(identityFiles && { identityFiles }),
    };
    started.ended = Engine.start(target, resolveConfig('fire', {}), ports, false, (engine) => {
      started.engine = engine;
    })
      .then((engine) => engine.done)
      .catch((error: Error) => void (started.told || ends.push(`seed ${seed}, process ${i}: ${error.stack}`)));
    processes[i] = started;
  };
  const stop = async (i: number): Promise<void> => {
    const stopping = processes[i];
    if (!stopping) return;
    processes[i] = undefined;
    stopping.told = true;
    await cluster.pumped(stopping.engine?.stop().catch(() => undefined) ?? Promise.resolve());
    await cluster.pumped(stopping.ended);
  };

  for (let step = 0; step < STEPS; step++) {
    const i = Math.floor(random() * processes.length);
    const chance = random();
    if (chance < 0.35) {
      if (processes[i]) await stop(i);
      else start(i);
    } else if (chance < 0.6) {
      // Frozen for longer than its session: the group has put it out when it goes on.
      const members = await broker.admin.groupMembers('fire');
      const member = members[Math.floor(random() * members.length)];
      if (member !== undefined) broker.evict(member);
    } else if (chance < 0.8) {
      const key = `k${written++}`;
      await writeTopic(broker, 'words', [{ key, value: `v${written % 4}`, timestamp: written }]);
    }
    // As far as it comes: a few turns, or a few callbacks of the clock.
    for (let turns = Math.floor(random() * 30); turns > 0; turns--) {
      await nextTurn();
      if (clock.waiting && random() < 0.3) clock.fireNext();
    }
  }
  for (const i of processes.keys()) await stop(i);
  assert.deepEqual(ends, []);
  start(0);
  await cluster.pumped(untilStarted(() => processes[0]?.engine));
  const last = processes[0]?.engine;
  assert.ok(last);
  await cluster.pumped(last.untilIdle());
  await stop(0);
  assert.deepEqual(ends, []);
  // And each record counted once.
  const counts = byKey((await readTopic(broker, 'out')).map(decoded));
  const sums = [...counts.values()].map((records) => records.length);
  assert.equal(
    sums.reduce((a, b) => a + b, 0),
    written,
    `seed ${seed}`,
  );
  await broker.close();
}

async function untilStarted(engine: () => Engine | undefined): Promise<void> {
  while (engine()?.progress().phase !== 'running') await nextTurn();
}
