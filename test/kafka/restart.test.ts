// Promises: a process that is killed finds its state again and reads only what it lacks; one whose disk is lost rebuilds it; nothing is lost or
// written twice, whichever of several processes dies when.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Broker } from '#src/broker/port.js';
import { unique } from '../broker/contract.support.js';
import { temporaryDirectory } from '../support/project.js';
import { ApplicationProcess, counted, createTopics, forget, upTo, words, write } from './support/applications.js';
import { counting, type Said } from './support/counting.js';
import { describeWithKafka } from './support/suites.js';

const PARTITIONS = 4;
const KEYS = 500;

describeWithKafka('an application whose processes are killed', (kafka) => {
  let broker: Broker;
  let name: string;
  let directory: string;
  let processes: ApplicationProcess[];
  beforeEach(async () => {
    broker = await kafka.open();
    name = unique('restart');
    directory = temporaryDirectory();
    processes = [];
    await createTopics(broker, name, PARTITIONS);
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') for (const running of processes) running.tell();
    for (const running of processes) await running.end('SIGKILL');
    await forget(broker, counting(name));
  });

  const process = (state: string, options: object = {}): ApplicationProcess => {
    const started = new ApplicationProcess({ brokers: kafka.brokers, name, state: join(directory, state), options });
    processes.push(started);
    return started;
  };
  const feed = (times: number): Promise<void> => write(broker, words(name, PARTITIONS, KEYS, times));
  /** Every key was counted up one by one. */
  const assertCounted = async (times: number): Promise<void> => {
    const counts = await counted(broker, name, PARTITIONS);
    assert.equal(counts.size, KEYS);
    for (const [key, values] of counts) assert.deepEqual(values, upTo(times), key);
  };

  for (const guarantee of ['exactly_once', 'at_least_once'] as const) {
    it(`reads after kill -9 what one commit had changed, not the changelog (${guarantee})`, async () => {
      const options = { guarantee, commitRecords: 100, batchRecords: 50, commitEvery: '1h', sessionTimeout: '6s' };
      const first = process('one', options);
      await feed(20);
      await first.until(({ recordsIn }) => recordsIn > 5_000);
      assert.deepEqual(await first.end('SIGKILL'), [null, 'SIGKILL']);

      const second = process('one', options);
      const { restored, rows } = await second.until((said) => said.rows !== undefined);

      // A commit changes 100 rows at most, and under exactly_once leaves a marker for each transaction.
      assert.ok(restored <= PARTITIONS * 110, `${restored} records were read`);
      assert.equal(Object.keys(rows ?? {}).length, KEYS);
      for (const [key, count] of Object.entries(rows ?? {})) assert.equal(count, 20, key);
      if (guarantee === 'exactly_once') await assertCounted(20);
      await second.end('SIGTERM');
    });
  }

  it('that stalls for longer than a session rejoins, loses nothing, and names the batch and the operator', async () => {
    const stall = { word: 'key 7', ms: 9_000 };
    const options = { batchRecords: 100, commitEvery: '20ms', sessionTimeout: '6s' };
    const state = join(directory, 'one');
    const running = new ApplicationProcess({ brokers: kafka.brokers, name, state, options, stall });
    processes.push(running);
    await running.until(({ tasks }) => tasks === PARTITIONS);
    await feed(5);
    const all = (times: number) => (said: Said) =>
      Object.keys(said.rows ?? {}).length === KEYS && Object.values(said.rows ?? {}).every((n) => n === times);
    await running.until(({ warning }) => /^out of the group, will join again/.test(warning ?? ''));
    await running.until(all(5));
    const busy = running.said.find(({ warning }) => warning?.startsWith('busy for'));
    assert.match(
      busy?.warning ?? '',
      new RegExp(
        `^busy for .* records up to ${name}-words\\[\\d\\]@\\d+, .*, of which .* in the operators before the first one with state`,
      ),
    );
    assert.deepEqual(await running.end('SIGTERM'), [0, null]);
    await assertCounted(5);
  });

  it('builds its stores from the changelogs when the disk is gone, and they are equal', async () => {
    const first = process('one', { commitEvery: '10ms' });
    await feed(10);
    const before = await first.until(({ rows }) => rows !== undefined && Object.values(rows).every((n) => n === 10));
    assert.deepEqual(await first.end('SIGTERM'), [0, null]);
    await rm(join(directory, 'one'), { recursive: true });

    const second = process('one');
    const after = await second.until(({ rows }) => rows !== undefined);

    assert.deepEqual(after.rows, before.rows);
    assert.ok(after.restored >= KEYS, `${after.restored} records were read`);
    await feed(2);
    await second.until(({ rows }) => rows !== undefined && Object.values(rows).every((n) => n === 12));
    await second.end('SIGTERM');
    await assertCounted(12);
  });

  it('loses and doubles nothing while processes are killed, stopped and started', async () => {
    const options = { commitEvery: '20ms', sessionTimeout: '6s' };
    let running = [process('a', options), process('b', options)];
    let times = 0;
    for (const [victim, signal] of [
      [0, 'SIGKILL'],
      [1, 'SIGTERM'],
      [1, 'SIGKILL'],
    ] as const) {
      await feed(8);
      times += 8;
      const [dying, other] = [running[victim], running[1 - victim]] as [ApplicationProcess, ApplicationProcess];
      await dying.until(({ tasks }) => tasks > 0);
      await dying.end(signal);
      running = [other, process(victim === 0 ? 'a' : 'b', options)];
    }
    const all = (rows: Readonly<Record<string, number>>): boolean => Object.values(rows).every((n) => n === times);
    await Promise.all(running.map((one) => one.until(({ rows }) => rows !== undefined && all(rows))));
    await Promise.all(running.map((one) => one.end('SIGTERM')));
    await assertCounted(times);
  });

  it('stops under load with what it has in hand finished, and the next one goes on there', async () => {
    const first = process('one');
    await feed(100);
    await first.until(({ recordsIn }) => recordsIn > 2_000);
    assert.deepEqual(await first.end('SIGTERM'), [0, null]);
    const done = [...(await counted(broker, name, PARTITIONS)).values()].flat().length;
    assert.ok(done < KEYS * 100, 'there was nothing left to do');
    assert.deepEqual(await broker.admin.groupMembers(name), [], 'it has left its group');

    const second = process('one');
    const { restored } = await second.until(({ rows }) => rows !== undefined);

    assert.equal(restored, 0, 'the state was whole');
    await second.end('SIGTERM');
    await assertCounted(100);
  });

  it('keeps its tasks over a restart under an instance id: no other member gets them meanwhile', async () => {
    const options = { sessionTimeout: '30s' };
    const one = process('a', { ...options, instanceId: 'a' });
    const other = process('b', { ...options, instanceId: 'b' });
    await Promise.all([one.until(({ tasks }) => tasks === 2), other.until(({ tasks }) => tasks === 2)]);
    const before = other.said.length;
    await one.end('SIGTERM');
    const again = process('a', { ...options, instanceId: 'a' });
    await again.until(({ tasks, phase }) => tasks === 2 && phase === 'running');
    await feed(3);
    const last = ({ said }: ApplicationProcess) => Object.values(said.findLast(({ rows }) => rows)?.rows ?? {});
    await again.until(() => [again, other].flatMap(last).filter((n) => n === 3).length === KEYS);
    assert.ok(
      other.said.slice(before).every(({ tasks }) => tasks === undefined || tasks <= 2),
      'the other one got tasks',
    );
    await assertCounted(3);
  });
});
