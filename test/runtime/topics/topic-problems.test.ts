import assert from 'node:assert/strict';
import type { Admin, TopicDescription } from '#src/broker/port.js';
import { count } from '#src/dsl/operators/aggregate.js';
import { groupBy } from '#src/dsl/operators/group-by.js';
import { joinTable } from '#src/dsl/operators/join-table.js';
import { mapValues } from '#src/dsl/operators/stateless.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import type { TopologyBuilder } from '#src/dsl/topology-builder.js';
import { isStreamsError, StreamsError } from '#src/model/errors.js';
import { type Logger, silentLogger } from '#src/model/ports.js';
import type { StreamRecord } from '#src/model/record.js';
import { type EngineOptions, resolveConfig } from '#src/runtime/config/config.js';
import { prepareTopics } from '#src/runtime/topics/topics.js';
import { serdes } from '#src/serdes/serdes.js';
import { createTopics, memoryBroker } from '../../support/application.js';
import { isError } from '../../support/errors.js';

const text = { key: serdes.string, value: serdes.string };
const byValue = (name: string) => groupBy((record: StreamRecord<string, string>) => record.value, { ...text, name });

/** Prepares the topics of a topology on a broker that is there. */
const prepareOn = (
  admin: Admin,
  blueprint: (t: TopologyBuilder) => void,
  options: EngineOptions = {},
  logger?: Logger,
) => prepareTopics(admin, topology('app', blueprint).graph, resolveConfig('app', options, logger));

describe('the topics of an application, if they are not as it needs them,', () => {
  describe('with several things wrong', () => {
    const blueprint = (t: TopologyBuilder): void => {
      const accounts = t.table('accounts', { ...text, store: 'accounts' });
      t.stream('in', text).pipe(
        joinTable(accounts, (a, b) => `${a}${b}`),
        byValue('by-value'),
        count({ store: 'totals' }),
        mapValues(String),
        to('out', text),
      );
    };

    it('are refused with one error that lists all of it and has the code of the first', async () => {
      const broker = memoryBroker();
      await createTopics(broker, { in: 2, accounts: 3, 'app-totals-changelog': 5 });
      await assert.rejects(
        prepareOn(broker.admin, blueprint),
        isError(
          'TOPIC_UNKNOWN',
          /\(1\) a topic does not exist: saw out/,
          /in with 2, accounts with 3|accounts with 3, in with 2/,
          /app-totals-changelog with 5 partitions/,
          /app-totals-changelog with cleanup\.policy=delete/,
          /Create them.* Put repartition.* Set this with kafka-configs/,
        ),
      );
      assert.deepEqual((await broker.admin.describeTopics()).map(({ name }) => name).sort(), [
        'accounts',
        'app-totals-changelog',
        'in',
      ]);
    });

    it('do not blame topics for the width of one that is not there', async () => {
      const broker = memoryBroker();
      await createTopics(broker, { accounts: 3, out: 1, 'app-by-value-repartition': 2 });
      await assert.rejects(prepareOn(broker.admin, blueprint), (error: unknown) => {
        assert.ok(isStreamsError(error));
        assert.equal(error.code, 'TOPIC_UNKNOWN');
        assert.doesNotMatch(error.message, /numbers? of partitions/);
        return true;
      });
    });

    it('name every right that is missing: to see, to read, to write and to create', async () => {
      const broker = memoryBroker();
      await createTopics(broker, { in: 2, accounts: 2, out: 2 });
      const admin = guarded(broker.admin, {
        hidden: ['in'],
        denied: { accounts: ['Read', 'Write'], out: ['Write'] },
        mayCreate: false,
      });
      await assert.rejects(
        prepareOn(admin, blueprint),
        isError(
          'BROKER_UNAUTHORIZED',
          /\(1\) .*Read on topic accounts, Read on topic in, Write on topic out/,
          /\(2\) .*Create on cluster/,
        ),
      );
    });
  });

  it('of a repartition that are compacted are refused: TOPIC_MISMATCH', async () => {
    const broker = memoryBroker();
    await createTopics(broker, { in: 2 });
    const config = { 'cleanup.policy': 'compact', 'message.timestamp.type': 'LogAppendTime' };
    await broker.admin.createTopics([{ name: 'app-by-value-repartition', partitions: 2, config }]);
    await assert.rejects(
      prepareOn(broker.admin, (t) => void t.stream('in', text).pipe(byValue('by-value'), count({ store: 'totals' }))),
      isError('TOPIC_MISMATCH', /cleanup\.policy=compact, .*message\.timestamp\.type=LogAppendTime/, /kafka-configs/),
    );
  });

  it('whose settings this user may not read are used all the same, with a warning', async () => {
    const broker = memoryBroker();
    await createTopics(broker, { in: 2, 'app-totals-changelog': 2 });
    const warnings: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      warn: (fields, message) => warnings.push(JSON.stringify(fields) + message),
    };
    const admin = guarded(broker.admin, { unreadable: ['app-totals-changelog'] });
    const stream = (t: TopologyBuilder): void => void t.stream('in', text).pipe(count({ store: 'totals' }));
    await prepareOn(admin, stream, {}, logger);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] as string, /app-totals-changelog.*DescribeConfigs/);
  });

  it('of stores that are compacted at once are used with a warning under at_least_once', async () => {
    const broker = memoryBroker();
    await createTopics(broker, { in: 2 });
    const config = { 'cleanup.policy': 'compact', 'min.compaction.lag.ms': '1000' };
    await broker.admin.createTopics([{ name: 'app-totals-changelog', partitions: 2, config }]);
    const warnings: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (_, message) => warnings.push(message) };
    const stream = (t: TopologyBuilder): void => void t.stream('in', text).pipe(count({ store: 'totals' }));
    await prepareOn(broker.admin, stream, { guarantee: 'exactly_once' }, logger);
    assert.deepEqual(warnings, []);
    await prepareOn(broker.admin, stream, { guarantee: 'at_least_once' }, logger);
    assert.match(warnings.join(), /min\.compaction\.lag\.ms/);
  });

  it('with limits too low, which this user may not raise, are refused with the command: TOPIC_MISMATCH', async () => {
    const broker = memoryBroker();
    await createTopics(broker, { in: 2 });
    const config = { 'cleanup.policy': 'compact' };
    await broker.admin.createTopics([{ name: 'app-totals-changelog', partitions: 2, config }]);
    const stream = (t: TopologyBuilder): void => void t.stream('in', text).pipe(count({ store: 'totals' }));
    for (const code of ['BROKER_UNAUTHORIZED', 'CONFIG_INVALID'] as const) {
      const admin = Object.assign(guarded(broker.admin, {}), {
        configureTopics: async () => {
          throw new StreamsError(code, { what: 'refused', action: 'Ask.' });
        },
      });
      await assert.rejects(
        prepareOn(admin, stream),
        isError(
          'TOPIC_MISMATCH',
          /app-totals-changelog with max\.message\.bytes=1048588/,
          /at least max\.message\.bytes=3211300/,
          /kafka-configs\.sh --alter --entity-type topics --entity-name app-totals-changelog --add-config max\.message\.bytes=3211300/,
        ),
      );
    }
  });

  it('that another instance creates meanwhile are looked at as all others', async () => {
    const broker = memoryBroker();
    await createTopics(broker, { in: 2 });
    const stream = (t: TopologyBuilder): void => void t.stream('in', text).pipe(count({ store: 'totals' }));
    let races = 0;
    const admin = new Proxy(broker.admin, {
      get: (target, name: keyof Admin) => {
        const method = (target[name] as (...args: unknown[]) => unknown).bind(target);
        if (name !== 'createTopics' || races++ > 0) return method;
        return async (...args: unknown[]) => {
          await prepareOn(target, stream);
          return method(...args);
        };
      },
    });
    assert.equal((await prepareOn(admin, stream)).count('app-totals-changelog'), 2);
  });
});

interface Guards {
  readonly hidden?: readonly string[];
  readonly denied?: Readonly<Record<string, TopicDescription['denied']>>;
  readonly unreadable?: readonly string[];
  readonly mayCreate?: boolean;
}

/** As a broker with access control lists answers. */
function guarded(admin: Admin, { hidden = [], denied = {}, unreadable = [], mayCreate = true }: Guards): Admin {
  const refuse = (right: string): never => {
    throw new StreamsError('BROKER_UNAUTHORIZED', { what: 'refused', expected: right, action: 'Ask.' });
  };
  return Object.assign(Object.create(admin) as Admin, {
    describeTopics: async (names: readonly string[]) => {
      if (names.some((name) => hidden.includes(name))) refuse('Describe');
      return (await admin.describeTopics(names)).map((topic) => ({
        ...topic,
        ...(unreadable.includes(topic.name) && { config: null }),
        ...(denied[topic.name] && { denied: denied[topic.name] }),
      }));
    },
    createTopics: async () => (mayCreate ? undefined : refuse('Create on cluster')),
  });
}
