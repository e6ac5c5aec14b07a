// Promise: a process that stands still for longer than its session, and goes on without knowing, leaves no trace in the stores of its successors.
import assert from 'node:assert/strict';
import { openKafkaBroker } from '#src/broker/kafkajs/broker.js';
import type { Broker } from '#src/broker/port.js';
import { systemClock } from '#src/runtime/config/system.js';
import { unique } from '../broker/contract.support.js';
import { temporaryDirectory } from '../support/project.js';
import { ApplicationProcess, createTopics, words, write } from './support/applications.js';
import type { ApplicationOptions, Said } from './support/counting.js';
import { type JarsBroker, START_HOOK_LIMIT_MS, startFromJars } from './support/jars.js';
import { describeWithKafkaJars } from './support/suites.js';

const KEYS = 10;
const sum = ({ rows = {} }: Said): number => Object.values(rows).reduce((all, n) => all + n, 0);

describeWithKafkaJars('a process that stands still', () => {
  let cluster: JarsBroker;
  let broker: Broker;
  const processes: ApplicationProcess[] = [];

  before('start the cluster', async function () {
    this.timeout(START_HOOK_LIMIT_MS);
    cluster = await startFromJars({ nodes: 1, dataDirectory: temporaryDirectory() });
    broker = await openKafkaBroker({ brokers: cluster.brokers, clock: systemClock });
  });
  afterEach(async () => {
    for (const running of processes.splice(0)) await running.end('SIGKILL');
  });
  after('stop the cluster', async () => {
    await broker.close();
    await cluster.stop();
  });

  const application = (options: Omit<ApplicationOptions, 'brokers'>): ApplicationProcess => {
    const started = new ApplicationProcess({ brokers: cluster.brokers, ...options });
    processes.push(started);
    return started;
  };

  for (const guarantee of ['at_least_once', 'exactly_once'] as const)
    it(`leaves no row behind when it goes on, ${guarantee}: what is restored is what was sent`, async function () {
      this.timeout(180_000);
      const name = unique('frozen');
      await createTopics(broker, name, 1);
      const options = { guarantee, commitEvery: '1s', sessionTimeout: '6s' };
      const frozen = application({ name, state: temporaryDirectory(), options, quiet: true });
      await frozen.until(({ tasks }) => tasks === 1);
      let sent = 0;
      let feeding = true;
      const feed = (async () => {
        for (; feeding; sent += KEYS) await write(broker, words(name, 1, KEYS, 1));
      })();
      const next = application({ name, state: temporaryDirectory(), options });
      await frozen.until(({ recordsIn }) => recordsIn >= 5 * KEYS);
      frozen.child.kill('SIGSTOP');
      await next.until(({ tasks, recordsIn }) => tasks === 1 && recordsIn > 0);
      frozen.child.kill('SIGCONT');
      await frozen.until(({ warning }) => warning !== undefined);
      feeding = false;
      await feed;
      for (const each of [frozen, next]) await each.end('SIGTERM');
      const restored = application({ name, state: temporaryDirectory(), options });
      assert.equal(sum(await restored.until((said) => sum(said) >= sent)), sent);
    });
});
