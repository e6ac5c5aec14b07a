import assert from 'node:assert/strict';
import { count } from '#src/dsl/operators/aggregate.js';
import { groupBy } from '#src/dsl/operators/group-by.js';
import { joinTable } from '#src/dsl/operators/join-table.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import type { TopologyBuilder } from '#src/dsl/topology-builder.js';
import type { StreamRecord } from '#src/model/record.js';
import { type EngineOptions, resolveConfig } from '#src/runtime/config/config.js';
import { prepareTopics, TopicCounts, tasksOf, topicLookUp } from '#src/runtime/topics/topics.js';
import { serdes } from '#src/serdes/serdes.js';
import { createTopics, memoryBroker } from '../../support/application.js';
import { isError } from '../../support/errors.js';

const text = { key: serdes.string, value: serdes.string };
const byValue = (name: string, partitions?: number) =>
  groupBy((record: StreamRecord<string, string>) => record.value, { ...text, name, ...(partitions && { partitions }) });

type Topics = Readonly<Record<string, number>>;

/** Prepares the topics of a topology on a broker that has these. */
async function prepare(blueprint: (t: TopologyBuilder) => void, existing: Topics, options: EngineOptions = {}) {
  const broker = memoryBroker();
  await createTopics(broker, existing);
  const { graph } = topology('app', blueprint);
  const counts = await prepareTopics(broker.admin, graph, resolveConfig('app', options));
  const topics = await broker.admin.describeTopics();
  return {
    broker,
    graph,
    counts,
    made: Object.fromEntries(
      topics.filter(({ name }) => !(name in existing)).map(({ name, partitions }) => [name, partitions]),
    ),
    topics,
  };
}

describe('the topics of an application', () => {
  it('that are missing are listed all at once: TOPIC_UNKNOWN', async () => {
    const blueprint = (t: TopologyBuilder): void => {
      t.stream('one', text).pipe(to('three', text));
      t.stream('two', text).pipe(to('there', text));
    };
    await assert.rejects(
      prepare(blueprint, { there: 1 }),
      isError('TOPIC_UNKNOWN', /topics do not exist: saw one, three, two/),
    );
    await assert.rejects(
      prepare(blueprint, { there: 1, two: 1, three: 1 }),
      isError('TOPIC_UNKNOWN', /a topic does not exist: saw one,/),
    );
  });

  it('that are missing are created where createTopics says so, without a limit of time', async () => {
    const { made, topics } = await prepare(
      (t) => void t.stream('in', text).pipe(to('out', text)),
      {},
      { createTopics: 3 },
    );
    assert.deepEqual(made, { in: 3, out: 3 });
    for (const { config } of topics) assert.equal(config?.['retention.ms'], '-1');
  });

  it('of stores are compacted, as wide as the widest source, and keep overwritten records for a day', async () => {
    const { made, topics } = await prepare((t) => void t.stream('in', text).pipe(count({ store: 'totals' })), {
      in: 5,
    });
    assert.deepEqual(made, { 'app-totals-changelog': 5, 'app-dead-letter': 1 });
    const changelog = topics.find(({ name }) => name === 'app-totals-changelog');
    assert.equal(changelog?.config?.['cleanup.policy'], 'compact');
    assert.equal(changelog?.config?.['min.compaction.lag.ms'], '86400000');
    // Records of the future: a broker would refuse what is more than an hour ahead of its clock.
    assert.equal(changelog?.config?.['message.timestamp.after.max.ms'], '9223372036854775807');
  });

  it('of repartitions are as wide as they say, else as the widest source of those that write them', async () => {
    const { made } = await prepare(
      (t) => {
        t.stream('in', text).pipe(byValue('named', 7), count({ store: 'a' }));
        t.stream('in', text).pipe(byValue('inherited'), count({ store: 'b' }));
      },
      { in: 4 },
    );
    assert.equal(made['app-named-repartition'], 7);
    assert.equal(made['app-a-changelog'], 7);
    assert.equal(made['app-inherited-repartition'], 4);
    assert.equal(made['app-b-changelog'], 4);
  });

  it('of repartitions that lead to one another take their width along', async () => {
    const { made } = await prepare(
      (t) => {
        t.stream('in', text).pipe(byValue('first', 6), byValue('second'), count({ store: 'counts' }));
      },
      { in: 2 },
    );
    assert.equal(made['app-second-repartition'], 6);
  });

  it('of a repartition that meets a table is as wide as the table', async () => {
    const { made, counts, graph } = await prepare(
      (t) => {
        const accounts = t.table('accounts', { ...text, store: 'accounts' });
        t.stream('in', text).pipe(
          byValue('by-account'),
          joinTable(accounts, (a, b) => `${a}${b}`),
          to('out', text),
        );
      },
      { in: 2, accounts: 3, out: 1 },
    );
    assert.equal(made['app-by-account-repartition'], 3);
    assert.deepEqual(graph.subTopologies.map((sub) => tasksOf(sub, 'app', counts)).toSorted(), [2, 3]);
  });

  it('that meet in one store must be equally wide: TOPIC_MISMATCH', async () => {
    const blueprint = (t: TopologyBuilder): void => {
      const accounts = t.table('accounts', { ...text, store: 'accounts' });
      t.stream('in', text).pipe(
        joinTable(accounts, (a, b) => `${a}${b}`),
        to('out', text),
      );
    };
    await assert.rejects(
      prepare(blueprint, { in: 2, accounts: 3, out: 1 }),
      isError('TOPIC_MISMATCH', /accounts with 3/, /in with 2/, /repartition\(/),
    );
  });

  it('of the application that were made otherwise are refused all at once: TOPIC_MISMATCH', async () => {
    const blueprint = (t: TopologyBuilder): void =>
      void t.stream('in', text).pipe(byValue('by-value'), count({ store: 'totals' }));
    const existing = { in: 2, 'app-by-value-repartition': 3, 'app-totals-changelog': 1 };
    await assert.rejects(
      prepare(blueprint, existing),
      isError(
        'TOPIC_MISMATCH',
        /app-by-value-repartition with 3 partitions, app-totals-changelog with 1 partitions/,
        /app-by-value-repartition with 2, app-totals-changelog with 2/,
      ),
    );
  });

  it('that are there and fit are left as they are', async () => {
    const broker = memoryBroker();
    await createTopics(broker, { in: 2, 'app-dead-letter': 4 });
    await broker.admin.createTopics([
      {
        name: 'app-totals-changelog',
        partitions: 2,
        config: { 'cleanup.policy': 'compact', 'segment.ms': '1', 'max.message.bytes': '4000000' },
      },
    ]);
    const before = await broker.admin.describeTopics();
    const { graph } = topology('app', (t) => void t.stream('in', text).pipe(count({ store: 'totals' })));
    await prepareTopics(broker.admin, graph, resolveConfig('app', {}));
    assert.deepEqual(await broker.admin.describeTopics(), before);
  });

  it('take whatever is made of one record of the largest source, which is set when they are made', async () => {
    const broker = memoryBroker();
    await broker.admin.createTopics([
      { name: 'small', partitions: 1 },
      { name: 'large', partitions: 1, config: { 'max.message.bytes': '5000000' } },
    ]);
    const { graph } = topology('app', (t) => {
      t.stream('small', text).pipe(byValue('by-value'), count({ store: 'totals' }));
      t.stream('large', text).pipe(count({ store: 'others' }));
    });
    await prepareTopics(broker.admin, graph, resolveConfig('app', {}));
    const made = (await broker.admin.describeTopics()).filter(({ name }) => name.startsWith('app-'));
    assert.equal(made.length, 4);
    for (const { maxMessageBytes } of made) assert.equal(maxMessageBytes, 3 * 5_000_000 + 65_536);
  });

  it('that are there and take less are raised, but for that of dead letters, which may be anybody’s', async () => {
    const broker = memoryBroker();
    await createTopics(broker, { in: 2, 'app-dead-letter': 1 });
    const config = { 'cleanup.policy': 'compact', 'max.message.bytes': '2000000' };
    await broker.admin.createTopics([{ name: 'app-totals-changelog', partitions: 2, config }]);
    const { graph } = topology('app', (t) => void t.stream('in', text).pipe(count({ store: 'totals' })));
    await prepareTopics(broker.admin, graph, resolveConfig('app', {}));
    const described = await broker.admin.describeTopics(['app-totals-changelog', 'app-dead-letter']);
    assert.deepEqual(
      described.map(({ maxMessageBytes }) => maxMessageBytes),
      [3_211_300, 1_048_588],
    );
    assert.equal(described[0]?.config?.['cleanup.policy'], 'compact');
  });

  it('need no dead letter topic if everything is stateless and nothing asks for one', async () => {
    const blueprint = (t: TopologyBuilder): void => void t.stream('in', text).pipe(to('out', text));
    assert.deepEqual((await prepare(blueprint, { in: 1, out: 1 })).made, {});
    const { made } = await prepare(
      blueprint,
      { in: 1, out: 1 },
      { onError: { process: 'deadLetter' }, deadLetterTopic: 'letters' },
    );
    assert.deepEqual(made, { letters: 1 });
  });

  it('chosen by a function are looked up once, and created where createTopics says so', async () => {
    const broker = memoryBroker();
    await createTopics(broker, { known: 3 });
    const counts = new TopicCounts(new Map(), topicLookUp(broker.admin, undefined));
    assert.equal(await counts.partitionsOf('known'), 3);
    assert.equal(counts.partitionsOf('known'), 3);
    await assert.rejects(async () => counts.partitionsOf('unknown'), isError('TOPIC_UNKNOWN', /unknown/));
    assert.equal(await new TopicCounts(new Map(), topicLookUp(broker.admin, 2)).partitionsOf('unknown'), 2);
  });
});
