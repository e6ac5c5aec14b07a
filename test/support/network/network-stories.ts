import fc from 'fast-check';
import type { LocalConnection } from '#src/broker/local/broker.js';
import type { Broker, BrokerRecord, ProducerRecord } from '#src/broker/port.js';
import type { Topology } from '#src/dsl/contract/processor.js';
import { seededRandom } from '#src/model/random.js';
import { type ReplayedRecord, replay, stateAsOf } from '#src/replay/index.js';
import type { EngineOptions } from '#src/runtime/config/config.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { viewStore } from '#src/runtime/store-view.js';
import type { ManualClock } from '#src/testing/manual-clock.js';
import { bytesOf, type StoreBytes, type Told, written } from '../../replay/support.js';
import { createTopics, readTopic } from '../application.js';
import { Cluster } from '../cluster.js';
import { JitteryBroker } from './jittery-broker.js';
import type { Jitter } from './jittery-reader.js';

/** What happens while records are processed. */
export type Act =
  | { readonly kind: 'untilIdle' | 'join' }
  | { readonly kind: 'leave' | 'kill'; readonly which: number }
  | { readonly kind: 'run'; readonly turns: number };

/** How a run goes: what no result may depend on. */
export interface Course {
  readonly seed: number;
  readonly jitter: Jitter;
  readonly options: Pick<EngineOptions, 'batchRecords' | 'commitRecords' | 'cacheBytes' | 'commitEvery'>;
  /** Whether processes die. */
  readonly kills: boolean;
  /** One list for each round. */
  readonly acts: readonly (readonly Act[])[];
}

export interface Scene {
  readonly topology: () => Topology;
  /** Partitions by topic. */
  readonly topics: Readonly<Record<string, number>>;
  /** Each is written at once, while no engine runs, and is later than the one before. */
  readonly rounds: readonly (readonly Told[])[];
  readonly options: EngineOptions;
  /** Done with the application before the second round and each that follows is written, when nobody runs. */
  readonly between?: {
    /** Whether all of the round before is processed by then. */
    readonly whenIdle: boolean;
    run(place: Place): Promise<void>;
  };
}

/** An application that is stopped, and the cluster behind its network. */
export interface Place {
  readonly target: Topology;
  readonly broker: Broker;
  readonly clock: ManualClock;
}

export interface Found {
  /** What came out, by topic and key, in order. */
  readonly outputs: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  readonly rows: StoreBytes;
}

const CALM: Jitter = { maxDelayMs: 0, emptyAnswers: 0, away: 0, maxRecords: 10_000 };
/** One engine, a network that answers at once. */
const FAST: Course = { seed: 1, jitter: CALM, options: {}, kills: false, acts: [] };

export const fast = (scene: Scene): Promise<Found> => run(scene, FAST);

/** Runs a scene, to its end, in a given course. */
export async function run(scene: Scene, course: Course): Promise<Found> {
  const { topology, topics, rounds, options, between } = scene;
  const random = seededRandom(course.seed);
  const target = topology();
  const around = (broker: LocalConnection, clock: ManualClock): Broker =>
    new JitteryBroker({ broker, clock, random, jitter: course.jitter });
  const cluster = new Cluster(target, { ...options, ...course.options }, around);
  try {
    await createTopics(cluster.broker, topics);
    for (const [i, round] of rounds.entries()) {
      if (between?.whenIdle && i > 0) await allDone(cluster);
      // Whoever is left goes without having finished, mostly.
      while (cluster.nodes.length > 0) await cluster[course.kills ? 'kill' : 'leave'](cluster.nodes[0] as never);
      if (between && i > 0) {
        const broker = around(cluster.broker.connect(), cluster.clock);
        await cluster.pumped(between.run({ target, broker, clock: cluster.clock }));
      }
      await write(cluster.broker, round, topics);
      await cluster.join();
      for (const act of course.acts[i] ?? []) await perform(cluster, act);
    }
    await allDone(cluster);
    const rows = new Map<string, readonly (readonly [unknown, unknown])[]>();
    const [node] = cluster.nodes;
    if (!node) throw new Error('no engine is left');
    for (const { name } of target.graph.stores)
      rows.set(name, await cluster.pumped(viewStore(target.graph, () => node.streams, name).entries()));
    const outputs: Record<string, Record<string, string[]>> = {};
    for (const topic of sinksOf(target)) outputs[topic] = byKey(await readTopic(cluster.broker, topic));
    return { outputs, rows: bytesOf(target, rows) };
  } finally {
    await cluster.close();
  }
}

/** One engine is left, and has done everything: of several, each knows only of itself. */
async function allDone(cluster: Cluster): Promise<void> {
  while (cluster.nodes.length > 1) await cluster.leave(cluster.nodes[1] as never);
  await cluster.idle();
}

/** The same records, replayed. */
export async function replayed({ topology, topics, rounds, options }: Scene): Promise<Found> {
  const target = topology();
  const cluster = new Cluster(target);
  try {
    await createTopics(cluster.broker, topics);
    for (const round of rounds) await write(cluster.broker, round, topics);
    const { clock } = cluster;
    const broker = new JitteryBroker({
      broker: cluster.broker.connect(),
      clock,
      random: seededRandom(1),
      jitter: CALM,
    });
    const { onError } = options;
    const past = { broker, inMemory: true, ...(onError && { onError }) };
    const captured: ReplayedRecord[] = [];
    await cluster.pumped(replay(target, { ...past, onOutput: (some) => void captured.push(...some) }));
    const outputs = Object.fromEntries(
      sinksOf(target).map((topic) => [topic, byKey(captured.filter((record) => record.topic === topic))]),
    );
    const rows = new Map<string, (readonly [unknown, unknown])[]>();
    await cluster.pumped(
      (async () => {
        const state = await stateAsOf(target, { ...past, asOf: { kind: 'latest' } });
        for (const store of state.stores) {
          const found = rows.get(store.spec.name) ?? [];
          for await (const row of store.entries()) found.push(row);
          rows.set(store.spec.name, found);
        }
        await state.close();
      })(),
    );
    return { outputs, rows: bytesOf(target, rows) };
  } finally {
    await cluster.close();
  }
}

async function perform(cluster: Cluster, act: Act): Promise<void> {
  const node = 'which' in act ? cluster.nodes[act.which % cluster.nodes.length] : undefined;
  switch (act.kind) {
    case 'untilIdle':
      // Nobody waits for it: it wakes up whoever polls.
      for (const { streams } of cluster.nodes) void streams.untilIdle().catch(() => undefined);
      return;
    case 'join':
      if (cluster.nodes.length < 3) await cluster.join();
      return;
    case 'leave':
    case 'kill':
      if (!node) return;
      if (cluster.nodes.length === 1) await cluster.join();
      await cluster[act.kind](node);
      return;
    case 'run':
      for (let turn = 0; turn < act.turns; turn++) {
        await nextTurn();
        if (cluster.clock.waiting) cluster.clock.fireNext();
      }
  }
}

/** All of it becomes visible at once. */
async function write(broker: Broker, records: readonly Told[], topics: Scene['topics']): Promise<void> {
  const writer = await broker.createWriter();
  await writer.write(records.map((told): ProducerRecord => written(told, topics[told.topic] ?? 1)));
  await writer.flush();
  await writer.close();
}

const sinksOf = ({ graph }: Topology): string[] =>
  graph.nodes.flatMap((node) => (node.kind === 'sink' && node.topic !== null ? [node.topic] : []));

type Shown = Pick<BrokerRecord, 'partition' | 'key' | 'value' | 'timestamp'>;

function byKey(records: readonly Shown[]): Record<string, string[]> {
  const groups: Record<string, string[]> = {};
  for (const { partition, key, value, timestamp } of records) {
    const name = `${partition}: ${key === null ? 'null' : key.toString('hex')}`;
    groups[name] ??= [];
    groups[name].push(`${value === null ? 'null' : value.toString()} @${timestamp}`);
  }
  return groups;
}

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('run' as const), turns: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('untilIdle' as const, 'join' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('leave' as const, 'kill' as const), which: fc.nat({ max: 2 }) }),
  },
);

const acts = (kills: boolean): fc.Arbitrary<readonly (readonly Act[])[]> =>
  fc.array(fc.array(kills ? act : act.filter(({ kind }) => kind !== 'kill'), { maxLength: 8 }), {
    minLength: 3,
    maxLength: 3,
  });

/** Any course. Without `kills` no process dies. */
export const courses = (kills: boolean): fc.Arbitrary<Course> =>
  fc.record({
    seed: fc.integer(),
    jitter: fc.record({
      maxDelayMs: fc.constantFrom(0, 3, 40, 900),
      emptyAnswers: fc.constantFrom(0, 10, 60),
      away: fc.constantFrom(0, 0, 3),
      maxRecords: fc.constantFrom(1, 3, 1_000),
    }),
    options: fc.record({
      batchRecords: fc.constantFrom(1, 2, 7, 1_000),
      commitRecords: fc.constantFrom(1, 5, 20_000),
      cacheBytes: fc.constantFrom(1, 2_000, 1_000_000),
      commitEvery: fc.constantFrom('1ms' as const, '20ms' as const, '1s' as const),
    }),
    kills: fc.constant(kills),
    acts: acts(kills),
  });
