// What can happen to topics while an application is there: each a clear error, or it goes on by itself.
import assert from 'node:assert/strict';
import { type RunningStreams, type StartOptions, serdes, start, type Topology, to, topology } from 'millrace';
import type { Broker } from '#src/broker/port.js';
import { isStreamsError, type StreamsError } from '#src/model/errors.js';
import { unique } from '../broker/contract.support.js';
import { temporaryDirectory } from '../support/project.js';
import { createTopics, forget, words, write } from './support/applications.js';
import { counting } from './support/counting.js';
import { createPartitions } from './support/raw-requests.js';
import { describeWithKafka } from './support/suites.js';

const passing = (name: string): Topology =>
  topology(name, (t) => {
    const text = { key: serdes.string, value: serdes.string };
    t.stream(`${name}-words`, text).pipe(to(`${name}-out`, text));
  });

describeWithKafka('the topics of an application', (kafka) => {
  let broker: Broker;
  let name: string;
  let stateDirectory: string;
  let running: RunningStreams[];
  beforeEach(async () => {
    broker = await kafka.open();
    name = unique('topics');
    stateDirectory = temporaryDirectory();
    running = [];
    await createTopics(broker, name, 2);
  });
  afterEach(async () => {
    for (const streams of running) await streams.abort().catch(() => undefined);
    await forget(broker, counting(name));
  });

  const run = async (target = counting(name), options: Partial<StartOptions> = {}): Promise<RunningStreams> => {
    const streams = await start(target, { broker, stateDirectory, commitEvery: '10ms', ...options });
    running.push(streams);
    return streams;
  };
  const failure = (work: Promise<unknown>): Promise<StreamsError> =>
    work.then(
      () => assert.fail('it did not fail'),
      (error: unknown) => (isStreamsError(error) ? error : assert.fail(String(error))),
    );

  it('deleted while it runs: it ends with TOPIC_UNKNOWN and the name', async () => {
    const streams = await run();
    await write(broker, words(name, 2, 10, 1));
    await streams.untilIdle();
    await broker.admin.deleteTopics([`${name}-words`]);
    const error = await failure(streams.done);
    assert.equal(error.code, 'TOPIC_UNKNOWN');
    assert.match(error.message, new RegExp(`${name}-words`));
  });

  it('with more partitions, behind it no state: there are more tasks, and nothing is lost', async () => {
    const streams = await run(passing(name));
    await write(broker, words(name, 2, 10, 1));
    await streams.untilIdle();
    await createPartitions(kafka.brokers, `${name}-words`, 4);
    while (streams.progress().tasks < 4) await new Promise((resolve) => setTimeout(resolve, 50));
    await write(broker, words(name, 4, 10, 3));
    await streams.untilIdle();
    await streams.stop();
    const ends = await broker.admin.latestOffsets([0, 1].map((partition) => ({ topic: `${name}-out`, partition })));
    assert.ok(ends.reduce((sum, { offset }) => sum + offset, 0) >= 40);
  });

  it('with more partitions and state behind them end it with TOPIC_MISMATCH: keys would lose their rows', async () => {
    const streams = await run();
    await write(broker, words(name, 2, 10, 1));
    await streams.untilIdle();
    await createPartitions(kafka.brokers, `${name}-words`, 4);
    const error = await failure(streams.done);
    assert.equal(error.code, 'TOPIC_MISMATCH');
    assert.match(error.message, new RegExp(`${name}-totals-changelog with 2 partitions`));
  });

  it('internal, made by hand with another number of partitions: TOPIC_MISMATCH before anything is read', async () => {
    await broker.admin.createTopics([
      { name: `${name}-totals-changelog`, partitions: 3, config: { 'cleanup.policy': 'compact' } },
    ]);
    const error = await failure(run());
    assert.equal(error.code, 'TOPIC_MISMATCH');
    assert.match(error.message, /with 3 partitions.*with 2/);
    assert.deepEqual(await broker.admin.groupMembers(name), []);
  });

  // The changelog was deleted, and so is shorter than the state says.
  it('without a changelog that the state needs are STATE_MISMATCH; another application id goes on', async () => {
    const streams = await run();
    await write(broker, words(name, 2, 50, 2));
    await streams.untilIdle();
    await streams.stop();
    await broker.admin.deleteTopics([`${name}-totals-changelog`]);
    const error = await failure(run());
    assert.equal(error.code, 'STATE_MISMATCH');
    assert.match(error.message, /the changelog of store totals is shorter than the state says/);
    const afresh = await run(counting(name), { applicationId: `${name}-2` });
    await afresh.untilIdle();
    assert.equal((await afresh.store<string, bigint>('totals').entries()).length, 50);
    await afresh.stop();
    await forget(broker, counting(name), `${name}-2`);
  });

  it('whose unread records are gone: OFFSET_OUT_OF_RANGE says which are left, and nothing is skipped', async () => {
    const streams = await run();
    await write(broker, words(name, 2, 10, 1));
    await streams.untilIdle();
    await streams.stop();
    await write(broker, words(name, 2, 10, 5));
    const [at] = await broker.admin.latestOffsets([{ topic: `${name}-words`, partition: 0 }]);
    assert.ok(at);
    await broker.admin.deleteRecords([at]);
    // It may hear of it before it has begun, or after.
    const error = await failure(run().then((again) => again.done));
    assert.equal(error.code, 'OFFSET_OUT_OF_RANGE');
    assert.match(
      error.message,
      new RegExp(`${name}-words\\[0\\]@\\d+: saw offset \\d+, expected ${at.offset} to ${at.offset}`),
    );
  });
});
