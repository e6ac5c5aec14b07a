// Promise: the main job on Kafka, over four partitions and two processes of millrace run, ends in git's figures.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import sourceHistory from '../../topology-examples/05-source-history/topology.js';
import { bin, changesIn, deliver, gitTotals, millrace, sourceHistoryProject } from '../support/source-history.js';
import { forget } from './support/applications.js';
import { describeWithKafka } from './support/suites.js';

const PARTITIONS = 4;

describeWithKafka('two processes of the example 05', (kafka) => {
  const run = (cwd: string, state: string, url: string): ChildProcess =>
    spawn(
      process.execPath,
      [bin, 'run', 'topology.ts', '--broker', url, '--partitions', String(PARTITIONS), '--no-check', '--state', state],
      { cwd, stdio: ['ignore', 'ignore', 'inherit'] },
    );

  it("share the work, and end in git's figures when one of them is killed on the way", async function () {
    // Nothing in it is measured, and a busy machine needs more than the minute that tests have.
    this.timeout(180_000);
    const broker = await kafka.open();
    await forget(broker, sourceHistory);
    const cwd = sourceHistoryProject();
    const url = `kafka://${kafka.brokers.join(',')}`;
    const config = { 'retention.ms': '-1' };
    await broker.admin.createTopics([{ name: 'source-changes', partitions: PARTITIONS, config }]);
    const first = run(cwd, 'one', url);
    const second = run(cwd, 'two', url);
    while ((await broker.admin.groupMembers(sourceHistory.name)).length < 2)
      await new Promise((resolve) => setTimeout(resolve, 100));

    const produced = deliver(cwd, 3, '--broker', url);
    const at = { topic: 'totals', partition: 0 };
    const written = async (): Promise<number> =>
      (await broker.admin.describeTopics(['totals'])).length === 0
        ? 0
        : ((await broker.admin.latestOffsets([at]))[0]?.offset ?? 0);
    while ((await written()) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const killed = once(second, 'exit');
    second.kill('SIGKILL');
    await Promise.all([produced, killed]);

    // What is left, the rest of the group does; a third run ends when there is nothing more to do.
    await millrace(cwd, 'run', 'topology.ts', '--broker', url, '--no-check', '--state', 'two', '--until-idle');
    first.kill('SIGTERM');
    assert.deepEqual(await once(first, 'exit'), [0, null]);

    const printed = await millrace(cwd, 'consume', 'totals', '--broker', url, '--until-end');
    const totals = printed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(totals.at(-1).value, gitTotals());
    // Each change of a file changes the total once: as many outputs as there are events, none twice.
    assert.equal(totals.length, changesIn(cwd));
    await forget(broker, sourceHistory);
  });
});
