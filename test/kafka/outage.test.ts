// Promise: a cluster that is away is waited for. What was done and not committed is done again, nothing is lost or written twice, and it is
// said what is going on.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openKafkaBroker } from '#src/broker/kafkajs/broker.js';
import type { Broker } from '#src/broker/port.js';
import type { Guarantee } from '#src/runtime/config/config.js';
import { systemClock } from '#src/runtime/config/system.js';
import { unique } from '../broker/contract.support.js';
import { temporaryDirectory } from '../support/project.js';
import { bin, deliver, gitTotals, millrace, sourceHistoryProject } from '../support/source-history.js';
import { ApplicationProcess, counted, createTopics, upTo, words, write } from './support/applications.js';
import type { ApplicationOptions, Said } from './support/counting.js';
import { type JarsBroker, START_HOOK_LIMIT_MS, startFromJars } from './support/jars.js';
import { describeWithKafkaJars } from './support/suites.js';

const PARTITIONS = 3;
const KEYS = 300;

describeWithKafkaJars('a cluster that goes away', () => {
  let cluster: JarsBroker;
  let broker: Broker;
  const processes: ApplicationProcess[] = [];

  function ofBrokers(nodes: number): void {
    before('start the cluster', async function () {
      this.timeout(START_HOOK_LIMIT_MS);
      cluster = await startFromJars({ nodes, dataDirectory: temporaryDirectory() });
      broker = await openKafkaBroker({ brokers: cluster.brokers, clock: systemClock });
    });
    afterEach(async () => {
      for (const running of processes.splice(0)) await running.end('SIGKILL');
      // A test that failed may have left it away.
      await cluster.start();
    });
    after('stop the cluster', async () => {
      await broker.close();
      await cluster.stop();
    });
  }

  const application = (options: Omit<ApplicationOptions, 'brokers'>): ApplicationProcess => {
    const started = new ApplicationProcess({ brokers: cluster.brokers, ...options });
    processes.push(started);
    return started;
  };
  const assertCounted = async (name: string, times: number): Promise<void> => {
    const counts = await counted(broker, name, PARTITIONS);
    assert.equal(counts.size, KEYS);
    for (const [key, values] of counts) assert.deepEqual(values, upTo(times), key);
  };
  const all = (times: number) => (said: Said) =>
    Object.keys(said.rows ?? {}).length === KEYS && Object.values(said.rows ?? {}).every((n) => n === times);

  describe('of one broker', () => {
    ofBrokers(1);

    /** An application in the middle of its work, and what is to be true of it when the cluster is back. */
    async function atWork(guarantee: Guarantee, speed: number): Promise<(mustWarn: boolean) => Promise<void>> {
      const name = unique('outage');
      await createTopics(broker, name, PARTITIONS);
      const options = { guarantee, commitEvery: '20ms', sessionTimeout: '6s' };
      const running = application({ name, state: temporaryDirectory(), options, speed });
      await running.until(({ tasks }) => tasks === PARTITIONS);
      await write(broker, words(name, PARTITIONS, KEYS, 20));
      await running.until(({ recordsIn }) => recordsIn > 0);

      return async (mustWarn) => {
        await running.until(all(20));
        await write(broker, words(name, PARTITIONS, KEYS, 1));
        await running.until(all(21));
        const warned = running.said.some(({ warning }) =>
          /(opened again|join again|try again|trying again)/.test(warning ?? ''),
        );
        assert.ok(warned || !mustWarn, 'it did not say what was going on');
        assert.deepEqual(await running.end('SIGTERM'), [0, null]);
        if (guarantee === 'exactly_once') await assertCounted(name, 21);
        else
          for (const [key, values] of await counted(broker, name, PARTITIONS))
            assert.deepEqual([...new Set(values)], upTo(21), key);
      };
    }

    it('is waited for in the middle of the work, when it is away for a moment', async function () {
      this.timeout(180_000);
      const goesOn = await atWork('exactly_once', 1);
      await cluster.kill();
      await cluster.start();
      await goesOn(false);
    });

    // For those whose clocks are thirty times faster, the cluster is away for five minutes.
    it('is waited for in the middle of the work, for longer than a session and any time-out', async function () {
      this.timeout(180_000);
      const applications = [
        await atWork('exactly_once', 1),
        await atWork('exactly_once', 30),
        await atWork('at_least_once', 30),
      ];
      await cluster.kill();
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      await cluster.start();
      await Promise.all(applications.map((goesOn) => goesOn(true)));
    });

    it('is not waited for in a stop, and the next start goes on from the last commit', async function () {
      this.timeout(180_000);
      const name = unique('stop');
      await createTopics(broker, name, PARTITIONS);
      const state = temporaryDirectory();
      // By its clock it waits half a minute for the cluster.
      const options = { commitEvery: '1d', sessionTimeout: '6s' };
      const running = application({ name, state, options, speed: 10, quiet: true });
      await running.until(({ tasks }) => tasks === PARTITIONS);
      await write(broker, words(name, PARTITIONS, KEYS, 20));
      await running.until(({ recordsIn }) => recordsIn === 20 * KEYS);
      await cluster.kill();
      // Without the cluster: it ends while that is still away.
      assert.deepEqual(await running.end('SIGTERM'), [1, null]);
      const warnings = running.said.flatMap(({ warning }) => warning ?? []);
      assert.ok(warnings.some((warning) => /^stopped without a last commit/.test(warning)));
      assert.ok(warnings.some((warning) => /^ended: .*(ECONNREFUSED|gave up waiting)/.test(warning)));
      // Those who were looking for a broker are told that it is over.
      assert.ok(!warnings.some((warning) => /Connection timeout/.test(warning)));

      await cluster.start();
      const again = application({ name, state, options: { commitEvery: '20ms', sessionTimeout: '6s' } });
      await again.until(({ rows }) => Object.values(rows ?? {}).length === KEYS);
      assert.deepEqual(await again.end('SIGTERM'), [0, null]);
      await assertCounted(name, 20);
    });

    it('is waited for at the start by millrace run, which then ends in the right figures', async function () {
      this.timeout(180_000);
      const url = `kafka://${cluster.brokers.join(',')}`;
      const cwd = sourceHistoryProject();
      await deliver(cwd, 5, '--broker', url, '--partitions', '4');
      await cluster.kill();
      const run = ['run', 'topology.ts', '--broker', url, '--partitions', '4', '--no-check', '--until-idle'];
      const child = spawn(process.execPath, [bin, ...run], { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk;
      });
      while (!/trying again in/.test(said)) await once(child.stderr, 'data');
      const exited = once(child, 'exit');
      await cluster.start();
      assert.deepEqual(await exited, [0, null], said);
      const total = JSON.parse(await millrace(cwd, 'state', 'get', 'topology.ts', '--store', 'totals', '--key', 'all'));
      assert.deepEqual(total.value, gitTotals());
    });
  });

  describe('of three brokers', () => {
    ofBrokers(3);

    it('loses a broker of three, which led partitions and the group, and goes on without it', async function () {
      this.timeout(180_000);
      const name = unique('three');
      await createTopics(broker, name, PARTITIONS);
      const running = application({
        name,
        state: temporaryDirectory(),
        options: { commitEvery: '20ms', sessionTimeout: '6s' },
      });
      await running.until(({ tasks }) => tasks === PARTITIONS);
      let times = 0;
      for (const node of [1, 2, 3]) {
        await write(broker, words(name, PARTITIONS, KEYS, 5));
        await cluster.kill(node);
        await write(broker, words(name, PARTITIONS, KEYS, 5));
        times += 10;
        await running.until(
          ({ rows }) => Object.keys(rows ?? {}).length === KEYS && Object.values(rows ?? {}).every((n) => n === times),
        );
        await cluster.start();
      }
      assert.deepEqual(await running.end('SIGTERM'), [0, null]);
      await assertCounted(name, times);
    });
  });
});
