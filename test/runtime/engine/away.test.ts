import assert from 'node:assert/strict';
import type { Broker, TopicDescription } from '#src/broker/port.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { StreamsError } from '#src/model/errors.js';
import { resolveConfig } from '#src/runtime/config/config.js';
import { Engine } from '#src/runtime/engine/engine.js';
import { serdes } from '#src/serdes/serdes.js';
import { createTopics, decoded, memoryMachine, readTopic, writeTopic } from '../../support/application.js';
import { Cluster } from '../../support/cluster.js';

const text = { key: serdes.string, value: serdes.string };
const passing = topology('passing', (t) => {
  t.stream('words', text).pipe(to('out', text));
});
const away = (): StreamsError => new StreamsError('BROKER_UNAVAILABLE', { what: 'no answer', action: 'Wait.' });

describe('a cluster that is away', () => {
  let cluster: Cluster;
  afterEach(() => cluster.close());

  it('is asked again until it is back, when a process gets partitions that it has not seen', async () => {
    cluster = new Cluster(passing);
    await createTopics(cluster.broker, { words: 4, out: 1 });
    await cluster.join();
    // The second process is one that learns late of three new partitions, and not at once.
    const connection = cluster.broker.connect();
    const answers: ((topics: readonly TopicDescription[]) => readonly TopicDescription[])[] = [
      (topics) => topics.map((topic) => (topic.name === 'words' ? { ...topic, partitions: 1 } : topic)),
      () => {
        throw away();
      },
      () => {
        throw away();
      },
    ];
    const admin = new Proxy(connection.admin, {
      get: (target, name) => {
        if (name === 'describeTopics')
          return async (names?: readonly string[]) => {
            const topics = await target.describeTopics(names);
            return answers.shift()?.(topics) ?? topics;
          };
        const value = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const broker = new Proxy(connection as Broker, {
      get: (target, name) => {
        if (name === 'admin') return admin;
        const value = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const warnings: string[] = [];
    const warn = (_: object, message: string): void => void warnings.push(message);
    const logger = { debug() {}, info() {}, warn, error: warn };
    const { openDatabase, stateDirectory, identityFiles } = memoryMachine();
    const ports = {
      broker,
      clock: cluster.clock,
      openDatabase,
      stateDirectory,
      ...(identityFiles && { identityFiles }),
    };
    const streams = await cluster.pumped(Engine.start(passing, resolveConfig('passing', {}, logger), ports));
    cluster.nodes.push({ streams, connection });
    await cluster.settled();
    assert.deepEqual(
      cluster.taskIds.map((tasks) => tasks.length),
      [2, 2],
    );
    assert.deepEqual(
      warnings.map((warning) => warning.replace(/:.*/, '')),
      ['looking at the topics failed, trying again in 0.5 s', 'looking at the topics failed, trying again in 1 s'],
    );
    await writeTopic(
      cluster.broker,
      'words',
      [0, 1, 2, 3].map((partition) => ({ key: `k${partition}`, value: 'x', timestamp: 1_000, partition })),
    );
    await cluster.idle();
    assert.deepEqual((await readTopic(cluster.broker, 'out')).map((record) => decoded(record).key).sort(), [
      'k0',
      'k1',
      'k2',
      'k3',
    ]);
  });
});
