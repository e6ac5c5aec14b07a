import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Broker, Membership, Writer } from '#src/broker/port.js';
import { count } from '#src/dsl/operators/aggregate.js';
import { effect } from '#src/dsl/operators/effect.js';
import { groupBy } from '#src/dsl/operators/group-by.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import { transactionalId } from '#src/graph/naming.js';
import { StreamsError } from '#src/model/errors.js';
import { sleep } from '#src/model/ports.js';
import { type EngineOptions, type Guarantee, resolveConfig } from '#src/runtime/config/config.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { Engine } from '#src/runtime/engine/engine.js';
import { serdes } from '#src/serdes/serdes.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import {
  createTopics,
  decoded,
  memoryBroker,
  memoryMachine,
  pumped,
  readTopic,
  writeTopic,
} from '../../support/application.js';
import { overlaid } from '../../support/overlaid.js';

const text = { key: serdes.string, value: serdes.string };
const number = { key: serdes.string, value: serdes.int64 };
const STOP_MS = 20_000;

/** What the world outside saw: which calls began, and which came to their end. */
class World {
  readonly begun: string[] = [];
  readonly ended: string[] = [];
  callMs: (key: string) => number = () => 0;

  constructor(readonly clock: ManualClock) {}

  get topology() {
    return topology('shop', (t) => {
      t.stream('orders', text).pipe(
        effect('pay', {
          inline: true,
          run: async ({ key }) => {
            this.begun.push(key);
            await sleep(this.clock, this.callMs(key));
            this.ended.push(key);
          },
        }),
        groupBy(({ value }) => value, { ...text, name: 'by' }),
        count({ store: 'counts' }),
        to('counts', number),
      );
    });
  }
}

const orders = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ key: `o${i}`, value: `c${i % 3}`, timestamp: i }));

describe('a stop', () => {
  const clock = new ManualClock();
  const started = async (
    world: World,
    broker: Broker,
    options: Pick<EngineOptions, 'batchRecords' | 'guarantee' | 'commitEvery'> = {},
  ) => {
    const config = resolveConfig('shop', { createTopics: 1, stopTimeout: `${STOP_MS / 1_000}s`, ...options });
    const { openDatabase, stateDirectory, identityFiles } = memoryMachine();
    const ports = { broker, clock, openDatabase, stateDirectory, ...(identityFiles && { identityFiles }) };
    return Engine.start(world.topology, config, ports);
  };
  /** Milliseconds of the clock that it took. */
  const stopMs = async (engine: Engine): Promise<number> => {
    const began = clock.now();
    await pumped(clock, engine.stop());
    return clock.now() - began;
  };
  const committedIn = async (broker: Broker): Promise<number> =>
    (await broker.admin.groupOffsets('shop')).find(({ topic }) => topic === 'orders')?.offset ?? 0;

  it('finishes a batch whose calls are quick, and commits it', async () => {
    const world = new World(clock);
    const broker = memoryBroker(clock);
    await createTopics(broker, { orders: 1, counts: 1 });
    await writeTopic(broker, 'orders', orders(30));
    world.callMs = () => 100;
    const engine = await pumped(clock, started(world, broker));
    await pumped(clock, sleep(clock, 500));
    assert.ok((await stopMs(engine)) < 3_000);
    assert.equal(world.ended.length, 30);
    assert.equal(await committedIn(broker), 30);
  });

  it('leaves calls not begun by half of its time to the next start, and commits nothing of their batch', async () => {
    const world = new World(clock);
    const broker = memoryBroker(clock);
    await createTopics(broker, { orders: 1, counts: 1 });
    await writeTopic(broker, 'orders', orders(50));
    world.callMs = () => 1_000;
    const engine = await pumped(clock, started(world, broker));
    await pumped(clock, sleep(clock, 2_500));
    assert.equal(engine.progress().lag, 50, 'what a slow call holds is not committed');
    const stopping = pumped(clock, engine.stop());
    await pumped(clock, sleep(clock, 5_000));
    const { stopping: told } = engine.progress();
    assert.ok(told && told.leftMs <= STOP_MS - 5_000);
    assert.match(told.batches[0] ?? '', /^task orders-0, 50 records up to orders\[0\]@49 in the calls of effect$/);
    await stopping;
    assert.ok(world.begun.length < 16, `${world.begun.length} calls were begun`);
    assert.deepEqual(world.begun, world.ended);
    assert.equal(await committedIn(broker), 0);
    world.callMs = () => 0;
    const next = await pumped(clock, started(world, broker));
    await pumped(clock, next.untilIdle());
    await stopMs(next);
    assert.equal(new Set(world.ended).size, 50);
  });

  it('does not wait for a call that does not return', async () => {
    const world = new World(clock);
    const broker = memoryBroker(clock);
    await createTopics(broker, { orders: 1, counts: 1 });
    await writeTopic(broker, 'orders', orders(3));
    world.callMs = () => 86_400_000;
    const engine = await pumped(clock, started(world, broker));
    await pumped(clock, sleep(clock, 500));
    const began = clock.now();
    assert.ok((await stopMs(engine)) <= STOP_MS);
    assert.equal(await committedIn(broker), 0);
    // The member that leaves does not wait for the call, either.
    await pumped(clock, broker.close());
    assert.ok(clock.now() - began <= STOP_MS);
  });

  it('is no failure of a process whose task another has taken over, and which does not know it yet', async () => {
    const world = new World(clock);
    const broker = memoryBroker(clock);
    await createTopics(broker, { orders: 1, counts: 1 });
    const engine = await pumped(clock, started(world, broker, { commitEvery: '1h' }));
    await writeTopic(broker, 'orders', orders(3));
    await pumped(clock, sleep(clock, 500));
    assert.equal(world.ended.length, 3);
    const taken = await broker.createWriter({ transactionalId: transactionalId('shop', 'orders-0') });
    await stopMs(engine);
    await engine.done;
    await taken.close();
    assert.equal(await committedIn(broker), 0);
  });

  it('of many tasks is no leak of listeners, of which Node would warn', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    try {
      const world = new World(clock);
      const broker = memoryBroker(clock);
      await createTopics(broker, { orders: 15, counts: 1 });
      await writeTopic(broker, 'orders', orders(100));
      const engine = await pumped(clock, started(world, broker));
      await pumped(clock, engine.untilIdle());
      await stopMs(engine);
      await nextTurn();
    } finally {
      process.off('warning', note);
    }
    assert.deepEqual(warnings, []);
  });

  it('does not wait out the pause before another attempt', async () => {
    const world = new World(clock);
    const broker = memoryBroker(clock);
    await createTopics(broker, { orders: 1, counts: 1 });
    await writeTopic(broker, 'orders', orders(3));
    world.callMs = () => {
      throw new Error('the service is away');
    };
    const config = resolveConfig('shop', {
      createTopics: 1,
      onError: { process: { retry: 9, backoff: '1h', then: 'fail' } },
    });
    const { openDatabase, stateDirectory, identityFiles } = memoryMachine();
    const ports = { broker, clock, openDatabase, stateDirectory, ...(identityFiles && { identityFiles }) };
    const engine = await pumped(clock, Engine.start(world.topology, config, ports));
    await pumped(clock, sleep(clock, 500));
    assert.ok((await stopMs(engine)) <= STOP_MS);
    assert.equal(await committedIn(broker), 0);
  });

  it('leaves a join that waits for another member at once', async () => {
    const broker = memoryBroker(clock);
    await createTopics(broker, { orders: 2, counts: 1 });
    // A member that never gives up what it has: the group waits for it.
    const stuck = await broker.join({
      groupId: 'shop',
      topics: ['orders'],
      metadata: () => Buffer.alloc(0),
      assign: async () => new Map(),
      onAssigned: async () => undefined,
      onRevoked: () => new Promise(() => undefined),
      onLost: () => undefined,
    });
    assert.ok(stuck.memberId);
    let engine: Engine | undefined;
    const config = resolveConfig('shop', { createTopics: 1 });
    const { openDatabase, stateDirectory } = memoryMachine();
    const starting = Engine.start(
      new World(clock).topology,
      config,
      { broker, clock, openDatabase, stateDirectory },
      false,
      (made) => {
        engine = made;
      },
    );
    const failed = assert.rejects(
      starting,
      (error: unknown) => error instanceof StreamsError && error.code === 'STOPPED',
    );
    await pumped(clock, sleep(clock, 1_000));
    assert.ok((await stopMs(engine as unknown as Engine)) < 1_000);
    await failed;
  });

  it('at any moment ends in its time, and nothing is committed that was not processed', async () => {
    /** A broker that takes its time, or is away for a while from then on. */
    const slow = (broker: Broker, ms: () => number, awayAt: number): Broker => {
      const late = async <T>(work: () => Promise<T>): Promise<T> => {
        await sleep(clock, ms());
        if (clock.now() >= awayAt && clock.now() < awayAt + 60_000) {
          await sleep(clock, 1_000);
          throw new StreamsError('BROKER_UNAVAILABLE', { what: 'cannot connect', action: 'Try again.' });
        }
        return work();
      };
      const writer = (inner: Writer): Writer =>
        overlaid(inner, { flush: () => late(() => inner.flush()), commit: () => late(() => inner.commit()) });
      const member = (inner: Membership): Membership =>
        overlaid(inner, {
          commit: (offsets) => late(() => inner.commit(offsets)),
          committed: (partitions) => late(() => inner.committed(partitions)),
        });
      return overlaid(broker, {
        admin: overlaid(broker.admin, {
          latestOffsets: (partitions) => late(() => broker.admin.latestOffsets(partitions)),
          describeTopics: (names) => late(() => broker.admin.describeTopics(names)),
        }),
        createWriter: async (options) => writer(await late(() => broker.createWriter(options))),
        join: async (options) => member(await broker.join(options)),
      });
    };
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          records: fc.integer({ min: 0, max: 40 }),
          batchRecords: fc.constantFrom(1, 7, 1_000),
          callMs: fc.array(fc.constantFrom(0, 0, 10, 900, 30_000), { minLength: 1, maxLength: 9 }),
          brokerMs: fc.constantFrom(0, 3, 700),
          awayAt: fc.constantFrom(Number.POSITIVE_INFINITY, 0, 2_000),
          stopAt: fc.integer({ min: 0, max: 8_000 }),
          second: fc.option(fc.integer({ min: 0, max: 6_000 })),
          guarantee: fc.constantFrom<Guarantee>('exactly_once', 'at_least_once'),
        }),
        async ({ records, batchRecords, callMs, brokerMs, awayAt, stopAt, second, guarantee }) => {
          const world = new World(clock);
          const broker = memoryBroker(clock);
          await createTopics(broker, { orders: 2, counts: 1 });
          await writeTopic(broker, 'orders', orders(records));
          world.callMs = (key) => callMs[Number(key.slice(1)) % callMs.length] as number;
          const behind = slow(broker, () => brokerMs, clock.now() + awayAt);
          const config = resolveConfig('shop', { createTopics: 1, batchRecords, guarantee });
          const engines: Engine[] = [];
          const begin = (): void => {
            const { openDatabase, stateDirectory, identityFiles } = memoryMachine();
            const ports = {
              broker: behind,
              clock,
              openDatabase,
              stateDirectory,
              ...(identityFiles && { identityFiles }),
            };
            Engine.start(world.topology, config, ports, false, (made) => engines.push(made)).catch(() => undefined);
          };
          begin();
          if (second !== null && second < stopAt) {
            await pumped(clock, sleep(clock, second));
            begin();
            await pumped(clock, sleep(clock, stopAt - second));
          } else await pumped(clock, sleep(clock, stopAt));
          for (const engine of engines) {
            const began = clock.now();
            // A cluster that is away: the last commit is given up, and that is said.
            await pumped(
              clock,
              engine.stop().catch(() => undefined),
            );
            assert.ok(clock.now() - began <= STOP_MS, `it took ${clock.now() - began} ms`);
          }
          const ended = new Set(world.ended);
          const sent = await readTopic(broker, 'orders');
          for (const { topic, partition, offset } of await broker.admin.groupOffsets('shop')) {
            if (topic !== 'orders') continue;
            for (const record of sent.filter((one) => one.partition === partition && one.offset < offset))
              assert.ok(
                ended.has(record.key?.toString() ?? ''),
                `${partition}@${record.offset} is committed, its call has not ended`,
              );
          }
          // The next start does what was left.
          world.callMs = () => 0;
          const { openDatabase, stateDirectory, identityFiles } = memoryMachine();
          const next = await pumped(
            clock,
            Engine.start(world.topology, config, {
              broker,
              clock,
              openDatabase,
              stateDirectory,
              ...(identityFiles && { identityFiles }),
            }),
          );
          await pumped(clock, next.untilIdle());
          await pumped(clock, next.stop());
          assert.equal(new Set(world.ended).size, records);
          const last = new Map(
            (await readTopic(broker, 'counts')).map(decoded).map(({ key, timestamp }) => [key, timestamp]),
          );
          assert.equal(last.size, Math.min(3, records));
          await broker.close();
        },
      ),
      { numRuns: Number(process.env.STOP_RUNS ?? 200) },
    );
  });
});
