import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { count, serdes, to, topology, toStream } from 'millrace';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { Broker, TopicDescription } from '#src/broker/port.js';
import { startShadow } from '#src/replay/index.js';
import { systemClock } from '#src/runtime/config/system.js';
import { foundOwner, owned, ownerOfOutputs } from '#src/runtime/topics/topic-owners.js';
import { LOG_CONFIG } from '#src/runtime/topics/topic-uses.js';
import { isError } from '../../support/errors.js';
import { overlaid } from '../../support/overlaid.js';
import { temporaryDirectory } from '../../support/project.js';
import { append } from '../support.js';

const json = { key: serdes.string, value: serdes.json<number>() };

/** Counts, and copies to a topic that each record names. */
const shop = topology('shop', (t) => {
  const input = t.stream('in', json);
  input.pipe(count({ store: 'sums' }), toStream(), to('sums', { key: serdes.string, value: serdes.json() }));
  input.pipe(to(({ key }) => `by-${key}`, { name: 'by-key', ...json }));
});

const OUTPUTS = ['shop-shadow-sums', 'shop-shadow-by-a', 'shop-shadow-shop-dead-letter'];
const CHANGELOG = 'shop-shadow-1-sums-changelog';
const COMPACTED = { 'cleanup.policy': 'compact', 'min.compaction.lag.ms': '86400000' };

/** A broker with the topics of the application, and a directory. */
async function place(): Promise<{ broker: Broker; stateDirectory: string }> {
  const broker = new MemoryBroker({ clock: systemClock });
  await broker.admin.createTopics(['in', 'sums', 'by-a'].map((name) => ({ name, partitions: 1 })));
  await append(broker, [{ topic: 'in', key: 'a', value: 1, timestamp: 1 }]);
  return { broker, stateDirectory: temporaryDirectory() };
}

/** Makes a topic as somebody else would, with a record in it. */
async function take(broker: Broker, name: string): Promise<void> {
  await broker.admin.createTopics([{ name, partitions: 1, config: name === CHANGELOG ? COMPACTED : LOG_CONFIG }]);
  await append(broker, [{ topic: name, key: 'mine', value: 'precious', timestamp: 1 }]);
}

const endsOf = async (broker: Broker, topics: readonly string[]): Promise<Record<string, number>> =>
  Object.fromEntries(
    (await broker.admin.latestOffsets(topics.map((topic) => ({ topic, partition: 0 })))).map((at) => [
      at.topic,
      at.offset,
    ]),
  );

/** As an earlier version has noted it. */
function noted(stateDirectory: string, outputs: readonly string[]): void {
  mkdirSync(join(stateDirectory, 'shop-shadow'), { recursive: true });
  writeFileSync(join(stateDirectory, 'shop-shadow', 'topics.json'), JSON.stringify({ outputs, internal: [] }));
}

async function run(options: { broker: Broker; stateDirectory: string; fresh?: boolean }): Promise<void> {
  const { streams } = await startShadow(shop, options);
  try {
    await streams.untilIdle();
  } finally {
    await streams.stop();
  }
}

/** The settings of topics are not to be read by this user. */
const unreadable = (broker: Broker): Broker =>
  overlaid(broker, {
    admin: overlaid(broker.admin, {
      describeTopics: async (names?: readonly string[]): Promise<readonly TopicDescription[]> =>
        (await broker.admin.describeTopics(names)).map((topic) => ({ ...topic, config: null })),
    }),
  });

describe('topics that have the name of an output of a shadow', () => {
  it('are neither removed nor written if somebody else has made them: TOPIC_FOREIGN names them', async () => {
    const names = fc.subarray([...OUTPUTS, CHANGELOG], { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(names, fc.boolean(), async (taken, ranBefore) => {
        const { broker, stateDirectory } = await place();
        if (ranBefore) {
          await run({ broker, stateDirectory });
          await broker.admin.deleteTopics((await broker.admin.describeTopics(taken)).map(({ name }) => name));
        }
        for (const name of taken) await take(broker, name);
        // Of a version that ran before, a changelog without an owner is taken for its own, as everywhere.
        const own = ranBefore ? taken.filter((name) => name !== CHANGELOG) : taken;
        const before = await endsOf(broker, own);
        if (own.length > 0)
          await assert.rejects(
            run({ broker, stateDirectory, fresh: true }),
            isError('TOPIC_FOREIGN', new RegExp(own.join('|'))),
          );
        assert.deepEqual(await endsOf(broker, own), before);
        await broker.close();
      }),
      { numRuns: 15 },
    );
  });

  it("are the shadow's if it made them: they say so, and begun anew it removes them, on any machine", async () => {
    const { broker, stateDirectory } = await place();
    await run({ broker, stateDirectory });
    const made = await broker.admin.describeTopics(OUTPUTS);
    assert.deepEqual(
      made.map((topic) => [topic.name, foundOwner(topic)]).sort(),
      OUTPUTS.toSorted().map((name) => [name, { prefix: 'shop-shadow', kind: 'shadow' }]),
    );
    for (const directory of [stateDirectory, temporaryDirectory()]) {
      await run({ broker, stateDirectory: directory, fresh: true });
      assert.deepEqual(await endsOf(broker, ['shop-shadow-sums']), { 'shop-shadow-sums': 1 });
    }
    await broker.close();
  });

  it('without an owner are its own if an earlier version has noted them on this machine', async () => {
    const { broker, stateDirectory } = await place();
    for (const name of OUTPUTS) await take(broker, name);
    noted(stateDirectory, ['sums', 'by-a', 'shop-dead-letter']);
    await run({ broker, stateDirectory });
    assert.equal((await endsOf(broker, OUTPUTS))['shop-shadow-sums'], 2);
    await run({ broker, stateDirectory, fresh: true });
    assert.deepEqual(await endsOf(broker, OUTPUTS.slice(0, 2)), { 'shop-shadow-sums': 1, 'shop-shadow-by-a': 1 });
    await broker.close();
  });

  it("are somebody else's if they say so, whatever was noted", async () => {
    const { broker, stateDirectory } = await place();
    const config = owned(LOG_CONFIG, { prefix: 'shop', kind: 'application' });
    await broker.admin.createTopics([{ name: 'shop-shadow-sums', partitions: 1, config }]);
    noted(stateDirectory, ['sums']);
    for (const fresh of [false, true])
      await assert.rejects(
        run({ broker, stateDirectory, fresh }),
        isError('TOPIC_FOREIGN', /shop-shadow-sums.*the application shop with shadow-sums/),
      );
    await broker.close();
  });

  it('whose settings may not be read are its own where they were noted, and only there', async () => {
    const { broker, stateDirectory } = await place();
    const blind = unreadable(broker);
    await run({ broker: blind, stateDirectory });
    await run({ broker: blind, stateDirectory, fresh: true });
    await assert.rejects(
      run({ broker: blind, stateDirectory: temporaryDirectory(), fresh: true }),
      isError('TOPIC_FOREIGN', /may not be read \(DescribeConfigs\)/),
    );
    assert.deepEqual(await endsOf(broker, ['shop-shadow-sums']), { 'shop-shadow-sums': 1 });
    await broker.close();
  });

  it('can be made beforehand by who says whose they are', async () => {
    const { broker, stateDirectory } = await place();
    const config = owned(LOG_CONFIG, ownerOfOutputs('shop-shadow'));
    await broker.admin.createTopics([{ name: 'shop-shadow-sums', partitions: 1, config }]);
    await run({ broker, stateDirectory });
    assert.deepEqual(await endsOf(broker, ['shop-shadow-sums']), { 'shop-shadow-sums': 1 });
    await broker.close();
  });
});
