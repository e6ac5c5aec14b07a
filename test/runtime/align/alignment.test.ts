import assert from 'node:assert/strict';
import type { Admin, Broker, PartitionOffset } from '#src/broker/port.js';
import { count, groupBy, serdes, to, topology, tumbling } from '#src/index.js';
import { textOf } from '#src/runtime/config/offset-texts.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { createTopics, decoded, memoryMachine, readTopic, writeTopic } from '../../support/application.js';
import { Cluster } from '../../support/cluster.js';
import { silencing } from '../../support/silencing.js';

const text = { key: serdes.string, value: serdes.string };
const perMinute = topology('per-minute', (t) => {
  t.stream('in', text).pipe(
    groupBy(({ value }) => value, { ...text, name: 'by-value', partitions: 1 }),
    count({ store: 'counts', window: tumbling('1m', { grace: '10s' }), emit: 'onClose' }),
    to('out', { key: serdes.windowed(serdes.string), value: serdes.json<number>() }),
  );
});

/** The same broker, as whoever sees only so many partitions of `in`. */
function growing(broker: Broker, known: () => number): Broker {
  const describeTopics: Admin['describeTopics'] = async (names) =>
    (await broker.admin.describeTopics(names)).map((topic) =>
      topic.name === 'in' ? { ...topic, partitions: Math.min(known(), topic.partitions) } : topic,
    );
  const overlaid = <T extends object>(whole: T, own: Partial<T>): T =>
    new Proxy(whole, {
      get: (target, name) => {
        const value = Reflect.get(own, name) ?? Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  return overlaid(broker, { admin: overlaid(broker.admin, { describeTopics }) });
}

/** A record a second, for so many minutes. */
const minutes = (partition: number, from: number, to: number) =>
  Array.from({ length: (to - from) * 60 }, (_, i) => ({
    key: `k${partition}`,
    value: 'v',
    timestamp: (from * 60 + i) * 1_000,
    partition,
  }));

describe('tasks that keep together in time', () => {
  const silent = new Set<number>();
  /** How many partitions of `in` are known to be there. */
  let known = 2;
  const warnings: string[] = [];
  const warn = (_: object, message: string): void => void warnings.push(message);
  const logger = { debug() {}, info() {}, warn, error: warn };
  let cluster: Cluster;

  beforeEach(async () => {
    silent.clear();
    warnings.length = 0;
    known = 2;
    cluster = new Cluster(perMinute, {}, (connection) => growing(silencing(connection, silent), () => known));
    await createTopics(cluster.broker, { in: 2, out: 1 });
  });

  afterEach(() => cluster.close());

  /** Lets so many milliseconds of the virtual clock pass. */
  async function pass(ms: number): Promise<void> {
    const end = cluster.clock.now() + ms;
    while (cluster.clock.now() < end) {
      await nextTurn();
      if (cluster.clock.waiting) cluster.clock.fireNext();
    }
  }

  const committed = async (partition: number): Promise<PartitionOffset | undefined> =>
    (await cluster.broker.admin.groupOffsets('per-minute')).find(
      (offset) => offset.topic === 'in' && offset.partition === partition,
    );

  /** Counts by the start of the minute. */
  const closed = async (): Promise<Record<number, number>> =>
    Object.fromEntries(
      (await readTopic(cluster.broker, 'out')).map((record) => [
        Number(record.key?.readBigInt64BE(record.key.length - 16)) / 60_000,
        Number(decoded(record).value),
      ]),
    );

  const counted = (name: string): number => {
    const { alignment = {} } = cluster.nodes[0]?.streams.progress().metrics.nodes ?? {};
    return alignment[name] ?? 0;
  };

  it('one that reads a backlog stops at the next end of a window that a slower one may still change', async () => {
    await writeTopic(cluster.broker, 'in', [...minutes(0, 0, 9), ...minutes(1, 0, 9)]);
    silent.add(1);
    await cluster.join(memoryMachine(), logger);
    await pass(60_000);
    const at = await committed(0);
    // Partition 1 has not said where it begins: nothing before the first record of it is known.
    assert.equal(at?.offset, 0);
    assert.equal(textOf(at?.metadata).next, 0);
    silent.clear();
    await cluster.idle();
    assert.deepEqual(await closed(), Object.fromEntries(Array.from({ length: 8 }, (_, i) => [i, 120])));
    assert.ok(counted('waits') > 0);
    assert.deepEqual(warnings, []);
  });

  it('one whose partition has nothing more holds nobody, and what is live passes at once', async () => {
    await writeTopic(cluster.broker, 'in', [...minutes(0, 0, 2), ...minutes(1, 0, 1)]);
    await cluster.join(memoryMachine(), logger);
    await cluster.idle();
    const waits = counted('waits');
    await writeTopic(cluster.broker, 'in', minutes(0, 2, 6));
    await cluster.idle();
    assert.equal((await committed(0))?.offset, 360);
    assert.equal(counted('waits'), waits);
    assert.deepEqual(await closed(), { 0: 120, 1: 60, 2: 60, 3: 60, 4: 60 });
  });

  it('one in another process is waited for, also when that dies and its task goes to another', async () => {
    await cluster.join(memoryMachine(), logger);
    await cluster.join(memoryMachine(), logger);
    await cluster.settled();
    for (const node of [...cluster.nodes]) await cluster.leave(node);
    await writeTopic(cluster.broker, 'in', [...minutes(0, 0, 9), ...minutes(1, 0, 9)]);
    silent.add(1);
    await cluster.join(memoryMachine(), logger);
    await cluster.join(memoryMachine(), logger);
    await cluster.settled();
    await pass(5_000);
    assert.ok(((await committed(0))?.offset ?? 0) <= 70);
    const owner = cluster.nodes.find(({ streams }) => streams.tasks.some(({ id }) => id === 'in-1'));
    await cluster.kill(owner as never);
    silent.clear();
    await cluster.idle();
    assert.deepEqual(await closed(), Object.fromEntries(Array.from({ length: 8 }, (_, i) => [i, 120])));
  });

  it('one that is behind and does nothing is waited for without limit, with a warning every five minutes', async () => {
    await writeTopic(cluster.broker, 'in', [...minutes(0, 0, 9), ...minutes(1, 0, 9)]);
    silent.add(1);
    await cluster.join(memoryMachine(), logger);
    await pass(290_000);
    assert.equal(counted('slow'), 0);
    await pass(3_600_000);
    assert.equal((await committed(0))?.offset, 0);
    assert.ok(counted('slow') >= 12, `${counted('slow')}`);
    assert.equal(
      warnings.filter((line) => /task in-1 has records to read and has committed nothing for 5 min/.test(line)).length,
      counted('slow'),
    );
    silent.clear();
    await cluster.idle();
    assert.deepEqual(await closed(), Object.fromEntries(Array.from({ length: 8 }, (_, i) => [i, 120])));
  });

  for (const which of ['the process that had it alone', 'another process, which has seen no new task of its own']) {
    // Its topic had one partition.
    it(`one waits for those of new partitions: in ${which}`, async () => {
      known = 1;
      await writeTopic(cluster.broker, 'in', minutes(0, 0, 1));
      await cluster.join(memoryMachine(), logger);
      if (which.startsWith('another')) await cluster.join(memoryMachine(), logger);
      await cluster.idle();
      known = 2;
      silent.add(1);
      // The group notices it: somebody joins.
      await cluster.join(memoryMachine(), logger);
      await cluster.settled();
      await pass(3_000);
      await writeTopic(cluster.broker, 'in', [...minutes(0, 1, 9), ...minutes(1, 1, 9)]);
      await pass(60_000);
      assert.ok(((await committed(0))?.offset ?? 0) <= 540 / 4, `${(await committed(0))?.offset}`);
      silent.clear();
      await cluster.idle();
      assert.deepEqual(
        await closed(),
        Object.fromEntries(Array.from({ length: 8 }, (_, i) => [i, i === 0 ? 60 : 120])),
      );
    });
  }
});
