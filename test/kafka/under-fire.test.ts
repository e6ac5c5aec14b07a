// Promise: no process ends that was not told to, whatever becomes of its neighbours: they start, stop in order, freeze for longer than
// their session (as a machine that is moved), and go on. And nothing is lost or counted twice.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Broker } from '#src/broker/port.js';
import { sleep } from '#src/model/ports.js';
import { seededRandom } from '#src/model/random.js';
import { systemClock } from '#src/runtime/config/system.js';
import { unique } from '../broker/contract.support.js';
import { temporaryDirectory } from '../support/project.js';
import { ApplicationProcess, counted, createTopics, forget, upTo, words, write } from './support/applications.js';
import { counting } from './support/counting.js';
import { describeWithKafka } from './support/suites.js';

/** Histories that are tried: two in the tests, fifty by `npm run soak:fire`. */
const SEEDS = Number(process.env.FIRE_SEEDS_KAFKA ?? 2);
const STEPS = 12;
const PARTITIONS = 3;
const KEYS = 50;
const SESSION_MS = 1_500;

const said = (ended: ApplicationProcess): string =>
  ended.said
    .flatMap(({ warning }) => warning ?? [])
    .slice(-3)
    .join('; ');

describeWithKafka('processes under fire', (kafka) => {
  let broker: Broker;
  let name: string;
  let processes: (ApplicationProcess | undefined)[];
  beforeEach(async () => {
    broker = await kafka.open();
    name = unique('fire');
    processes = [undefined, undefined, undefined];
    await createTopics(broker, name, PARTITIONS);
  });
  afterEach(async () => {
    for (const running of processes) await running?.end('SIGKILL');
    await forget(broker, counting(name));
  });

  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`end only when they are told to (seed ${seed})`, async () => {
      const random = seededRandom(seed);
      const directory = temporaryDirectory();
      const options = { sessionTimeout: `${SESSION_MS}ms`, stopTimeout: '10s' };
      const told = new Set<ApplicationProcess>();
      const frozen = new Set<ApplicationProcess>();
      const ends: string[] = [];
      const start = (i: number): void => {
        const started = new ApplicationProcess({
          brokers: kafka.brokers,
          name,
          state: join(directory, `${i}`),
          options,
        });
        processes[i] = started;
        void started.exited.then(([code, signal]) => {
          // Told before it listens, it ends by the signal itself.
          if (!told.has(started) || (code !== 0 && signal !== 'SIGTERM'))
            ends.push(`process ${i}: ${code ?? signal}, ${said(started)}`);
        });
      };
      let times = 0;
      for (let step = 0; step < STEPS; step++) {
        const i = Math.floor(random() * processes.length);
        const running = processes[i];
        if (!running) start(i);
        else if (frozen.delete(running)) running.child.kill('SIGCONT');
        else if (random() < 0.6) {
          running.child.kill('SIGSTOP');
          frozen.add(running);
        } else {
          told.add(running);
          running.child.kill('SIGTERM');
          await running.exited;
          processes[i] = undefined;
        }
        if (random() < 0.5) {
          await write(broker, words(name, PARTITIONS, KEYS, 1));
          times++;
        }
        // Time is what makes the difference here: shorter and longer than a session, and than a rebalance.
        await sleep(systemClock, Math.floor(random() * 2 * SESSION_MS));
      }
      for (const running of frozen) running.child.kill('SIGCONT');
      for (const running of processes) {
        if (!running) continue;
        told.add(running);
        running.child.kill('SIGTERM');
        await running.exited;
      }
      processes.fill(undefined);
      assert.deepEqual(ends, []);
      start(0);
      await (processes[0] as unknown as ApplicationProcess).until((said) => said.rows !== undefined);
      const counts = await counted(broker, name, PARTITIONS);
      for (const [key, values] of counts) assert.deepEqual(values, upTo(times), key);
      assert.equal(counts.size, times === 0 ? 0 : KEYS);
    });
  }
});
