// Promise: whatever is asked of the past, with snapshots or without, is what an application has had that took
// its records one after the other. A state as of a moment is its state then. The history of a row folds to it
// at each record. Bisect finds what a linear scan finds; and a trace is the same.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { Broker } from '#src/broker/port.js';
import type { Topology } from '#src/index.js';
import {
  bisect,
  history,
  type Moment,
  type PastOptions,
  replay,
  type StateChange,
  stateAsOf,
  type Trace,
  trace,
} from '#src/replay/index.js';
import { declaredNodes } from '#src/runtime/topics/planned-tasks.js';
import type { StoreSpec } from '#src/state/contract.js';
import { TestDriver } from '#src/testing/index.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { pipeline } from '../dsl/steps/graphs.js';
import { items } from '../dsl/steps/item.js';
import { isModest, steps } from '../dsl/steps/steps.js';
import { json } from '../dsl/support.js';
import { append, brokerWith, bytesOf, merged, type StoreBytes, type Told, written } from '../replay/support.js';
import { temporaryDirectory } from '../support/project.js';

const TOPICS = ['in', 'more', 'rows'] as const;
const LATEST: Moment = { kind: 'latest' };
const onError = { process: 'deadLetter' } as const;

const told: fc.Arbitrary<Told> = fc.record({
  topic: fc.constantFrom('in', 'in', 'more', 'rows'),
  key: fc.option(fc.constantFrom('a', 'b', 'c'), { freq: 15 }),
  value: fc.option(items, { freq: 8 }),
  timestamp: fc.nat({ max: 60 }),
});
const histories = fc.array(told, { minLength: 6, maxLength: 24 });

/** A row that was there at some time, as those who look see it. */
interface Place {
  readonly spec: StoreSpec;
  readonly key: unknown;
  /** The bytes of the key, in hexadecimal. */
  readonly id: string;
}

/** What an application has had: the rows of its stores after each of its records, and before the first. */
interface Lived {
  readonly states: readonly StoreBytes[];
  readonly places: readonly Place[];
}

const serdesOf = ({ key, value, shown }: StoreSpec): Pick<StoreSpec, 'key' | 'value'> => shown ?? { key, value };
const hexOf = (serde: { encode(value: unknown): Buffer }, value: unknown): string | null =>
  value === null ? null : serde.encode(value).toString('hex');
const storesOf = (target: Topology): readonly StoreSpec[] =>
  declaredNodes(target).processors.flatMap(({ spec }) => spec.stores);

async function live(target: Topology, records: readonly Told[], partitions: number): Promise<Lived> {
  const driver = await TestDriver.create(target, { partitions, onError });
  const specs = storesOf(target);
  const states: StoreBytes[] = [];
  const places = new Map<string, Place>();
  const look = async (): Promise<void> => {
    const rows = new Map<string, readonly (readonly [unknown, unknown])[]>();
    for (const spec of specs) {
      const entries = await driver.store(spec.name).entries();
      rows.set(spec.name, entries);
      for (const [key] of entries) {
        const id = hexOf(serdesOf(spec).key, key) as string;
        places.set(`${spec.name} ${id}`, { spec, key, id });
      }
    }
    states.push(bytesOf(target, rows));
  };
  await look();
  for (const record of records) {
    const { topic, partition } = written(record, partitions);
    await driver.input(topic, json()).send({ ...record, partition } as never);
    await look();
  }
  await driver.close();
  return { states, places: [...places.values()] };
}

const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

async function asOf(target: Topology, options: PastOptions, moment: Moment): Promise<StoreBytes> {
  const state = await stateAsOf(target, { ...options, asOf: moment });
  const rows = new Map<string, (readonly [unknown, unknown])[]>();
  for (const store of state.stores) {
    const found = rows.get(store.spec.name) ?? [];
    for await (const row of store.entries()) found.push(row);
    rows.set(store.spec.name, found);
  }
  await state.close();
  return bytesOf(target, rows);
}

/** The first so many records of the merged order, as offsets of all partitions. */
function cutAfter(records: readonly Told[], partitions: number, count: number): Moment {
  const ends = new Map(
    TOPICS.flatMap((topic) => Array.from({ length: partitions }, (_, partition) => [`${topic}:${partition}`, 0])),
  );
  for (const record of records.slice(0, count)) {
    const { topic, partition } = written(record, partitions);
    ends.set(`${topic}:${partition}`, ((ends.get(`${topic}:${partition}`) as number) ?? 0) + 1);
  }
  const offsets = [...ends].map(([name, offset]) => {
    const [topic = '', partition = ''] = String(name).split(':');
    return { topic, partition: Number(partition), offset: offset as number };
  });
  return { kind: 'offset', offsets };
}

/**
 * Each change begins with what the last one has left, and the row is after each record what it was in the
 * application.
 */
function foldsTo(changes: readonly StateChange[], { spec, id }: Place, { states }: Lived, first = 0): void {
  const { value: values } = serdesOf(spec);
  // A row that expires goes without an event.
  const mayBeGone = spec.ttlMs !== undefined || spec.shown !== undefined;
  let row = states[first]?.[spec.name]?.find((text) => text.startsWith(`${id} `))?.slice(id.length + 1) ?? null;
  let at = 0;
  for (let records = first + 1; records < states.length; records++) {
    for (; changes[at]?.records === records; at++) {
      const { before, value } = changes[at] as StateChange;
      const was = hexOf(values, before);
      if (!(was === null && mayBeGone)) assert.equal(was, row, `before change ${at} of ${spec.name}`);
      row = hexOf(values, value);
    }
    const rows = (states[records]?.[spec.name] ?? []).filter((text) => text.startsWith(`${id} `));
    if (rows.length === 0 && mayBeGone) continue;
    // Keys of several partitions are several rows.
    if (rows.length > 1) return;
    assert.equal(row, rows[0]?.slice(id.length + 1) ?? null, `${spec.name} after ${records} records`);
  }
  assert.equal(at, changes.length, 'changes after the last record');
}

interface Scene {
  readonly names: readonly string[];
  readonly records: readonly Told[];
  readonly partitions: number;
  /** Of the records; of those of a snapshot to the next; and of which rows, among all there were. */
  readonly cut: number;
  readonly every: number;
  readonly picked: readonly number[];
  /** Whether snapshots are there already, or written meanwhile. */
  readonly writing: boolean;
  readonly batchRecords: number;
  /** Of the cache, in bytes: with one, all rows are read from the disk. */
  readonly cacheBytes: number;
}

const scenes = (names: fc.Arbitrary<readonly string[]>): fc.Arbitrary<Scene> =>
  fc.record({
    names,
    records: histories,
    partitions: fc.constantFrom(1, 1, 2),
    cut: fc.nat({ max: 24 }),
    every: fc.integer({ min: 2, max: 11 }),
    picked: fc.array(fc.nat(), { minLength: 1, maxLength: 1 }),
    writing: fc.boolean(),
    batchRecords: fc.constantFrom(1, 4, 1_000),
    cacheBytes: fc.constantFrom(1, 32 * 1024 * 1024),
  });

/** What everybody who looks is told, whatever they have of snapshots. */
interface Answers {
  readonly state: StoreBytes;
  readonly histories: readonly StateChange[][];
  readonly found: readonly (readonly [StateChange, Trace] | undefined)[];
  readonly traces: readonly Trace[];
}

async function answers(target: Topology, scene: Scene, lived: Lived, options: PastOptions): Promise<Answers> {
  const { records, partitions, cut, picked } = scene;
  const state = await asOf(target, options, cutAfter(records, partitions, cut));
  assert.deepEqual(state, lived.states[Math.min(cut, records.length)]);
  const all: StateChange[][] = [];
  const found: (readonly [StateChange, Trace] | undefined)[] = [];
  for (const pick of lived.places.length === 0 ? [] : picked) {
    const place = lived.places[pick % lived.places.length] as Place;
    const { spec, key } = place;
    const changes = await collect(history(target, { ...options, store: spec.name, key }));
    foldsTo(changes, place, lived);
    all.push(changes);
    const { value: values } = serdesOf(spec);
    const wanted = changes[pick % Math.max(1, changes.length)];
    const text = wanted && hexOf(values, wanted.value);
    const when = ({ value }: { readonly value: unknown }): boolean => hexOf(values, value) === text;
    const first = changes.find(when);
    const one = await bisect(target, { ...options, store: spec.name, key, when });
    assert.deepEqual(one?.change, first, 'bisect of a row');
    found.push(one && [one.change, one.trace]);
    if (pick % 2 === 0) continue;
    const any = await bisect(target, { ...options, store: spec.name, when });
    assert.ok(!first || (any?.change.records ?? Number.POSITIVE_INFINITY) <= first.records, 'bisect of a store');
    found.push(any && [any.change, any.trace]);
  }
  return { state, histories: all, found, traces: await collect(trace(target, { ...options, key: 'a' })) };
}

async function allAgree(given: Scene): Promise<void> {
  const { names, partitions, every, batchRecords, cacheBytes } = given;
  const scene = { ...given, records: merged(given.records, partitions) };
  const target = pipeline(names);
  const lived = await live(target, scene.records, partitions);
  const broker: Broker = await brokerWith(given.records, { topics: [...TOPICS, 'out'], partitions });
  const options = { broker, onError, batchRecords, cacheBytes };
  const plain = await answers(target, scene, lived, { ...options, inMemory: true });
  const kept = { directory: temporaryDirectory(), version: '1' };
  const writing = { ...options, snapshots: { ...kept, every: { records: every } } };
  if (!scene.writing) await replay(target, writing);
  const using = scene.writing ? writing : { ...options, snapshots: kept };
  assert.deepEqual(await answers(target, scene, lived, using), plain);
  assert.deepEqual(await asOf(target, { ...options, snapshots: kept }, LATEST), lived.states.at(-1));
  await broker.close();
}

/** Retention has taken what a snapshot holds: from there on nothing is missing. */
async function standsForTheBeginning(given: Scene): Promise<void> {
  const { names, partitions, every, batchRecords, picked } = given;
  const records = merged(given.records, partitions);
  const target = pipeline(names);
  const lived = await live(target, records, partitions);
  const broker = await brokerWith(given.records, { topics: [...TOPICS, 'out'], partitions });
  const options = { broker, onError, batchRecords };
  const place = lived.places[(picked[0] as number) % Math.max(1, lived.places.length)];
  fc.pre(place !== undefined && records.length > every);
  const { spec, key } = place;
  const plain = await collect(history(target, { ...options, inMemory: true, store: spec.name, key }));
  const using = { ...options, snapshots: { directory: temporaryDirectory(), version: '1' } };
  await replay(target, { ...using, snapshots: { ...using.snapshots, every: { records: every } } });
  const { offsets } = cutAfter(records, partitions, every) as Extract<Moment, { kind: 'offset' }>;
  await broker.admin.deleteRecords(offsets);
  for (let cut = every; cut <= records.length; cut += every + 1)
    assert.deepEqual(await asOf(target, using, cutAfter(records, partitions, cut)), lived.states[cut]);
  const changes = await collect(history(target, { ...using, store: spec.name, key }));
  assert.deepEqual(
    changes,
    plain.filter((change) => change.records > every),
  );
  foldsTo(changes, place, lived, every);
  const state = await stateAsOf(target, { ...using, asOf: LATEST });
  await state.close();
  assert.deepEqual(state.gaps, []);
  await broker.close();
}

/**
 * Compaction has taken records that snapshots hold, and others that follow them. Nothing tells what they had
 * done: so the topic is named. What the records that are left do is told once.
 */
async function isNamed(given: Scene): Promise<void> {
  const { names, partitions, every, batchRecords, cut } = given;
  const target = pipeline(names);
  const broker = new MemoryBroker({ clock: new ManualClock(1_000_000) });
  const config = { 'retention.ms': '-1' };
  const compacted = { ...config, 'cleanup.policy': 'compact' };
  await broker.admin.createTopics(
    [...TOPICS, 'out'].map((name) => ({ name, partitions, config: name === 'rows' ? compacted : config })),
  );
  // Many of few rows, so that there is something to compact.
  const records = given.records
    .map((each, i): Told => (i % 3 === 0 ? each : { ...each, topic: 'rows' }))
    .map((each) => (each.topic === 'rows' && each.key === null ? { ...each, key: 'a' } : each));
  const options = { broker, onError, batchRecords };
  const kept = { directory: temporaryDirectory(), version: '1' };
  const writing = { ...options, snapshots: { ...kept, every: { records: every } } };
  const half = Math.min(cut, records.length);
  await append(broker, records.slice(0, half), partitions);
  await replay(target, writing);
  await append(broker, records.slice(half), partitions);
  await replay(target, writing);
  await broker.maintain();
  for (const using of [{ ...options, inMemory: true }, { ...options, snapshots: kept }, writing]) {
    const state = await stateAsOf(target, { ...using, asOf: LATEST });
    const gaps = Array.from({ length: partitions }, (_, partition) => ({
      topic: 'rows',
      partition,
      earliest: 0,
      compacted: true,
    }));
    assert.deepEqual(state.gaps, gaps);
    const found: string[] = [];
    for (const store of state.stores.filter(({ spec }) => spec.name === 'rows')) {
      for await (const [key, value] of store.entries()) {
        const changes = await collect(history(target, { ...using, store: 'rows', key }));
        const offsets = changes.map(({ event }) => event.offset);
        assert.deepEqual(
          offsets,
          [...new Set(offsets)].sort((a, b) => a - b),
        );
        assert.deepEqual(changes.at(-1)?.value, value);
        found.push(`${key} ${JSON.stringify(value)}`);
      }
    }
    // Of a table nothing is lost: its last rows are there.
    const last = new Map(
      merged(records, partitions).flatMap(({ topic, key, value }) => (topic === 'rows' ? [[key, value]] : [])),
    );
    const rows = [...last].filter(([, value]) => value !== null);
    assert.deepEqual(found.sort(), rows.map(([key, value]) => `${key} ${JSON.stringify(value)}`).sort());
  }
  await broker.close();
}

describe('looking back', () => {
  for (const name of Object.keys(steps)) {
    it(`is the same with snapshots: ${name}`, async () => {
      await fc.assert(fc.asyncProperty(scenes(fc.constant([name])), allAgree), { numRuns: 1, endOnFailure: true });
    });
  }

  it('is the same with snapshots: random pipelines of two or three operators', async () => {
    const names = fc.array(fc.constantFrom(...Object.keys(steps)), { minLength: 2, maxLength: 3 }).filter(isModest);
    await fc.assert(fc.asyncProperty(scenes(names), allAgree), { numRuns: 6, endOnFailure: true });
  });

  it('begins with a snapshot where retention has taken the beginning, and is whole', async () => {
    const names = fc.constantFrom(...Object.keys(steps)).map((name) => [name]);
    await fc.assert(fc.asyncProperty(scenes(names), standsForTheBeginning), { numRuns: 5, endOnFailure: true });
  });

  it('names a compacted topic, and shows each record that is left once, whatever snapshots exist', async () => {
    const names = fc.constantFrom(...Object.keys(steps)).map((name) => [name]);
    await fc.assert(fc.asyncProperty(scenes(names), isNamed), { numRuns: 5, endOnFailure: true });
  });
});
