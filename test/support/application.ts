import { rm } from 'node:fs/promises';
import { openEmbeddedBroker } from '#src/broker/embedded/broker.js';
import type { LocalBroker } from '#src/broker/local/broker.js';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { BrokerRecord, ProducerRecord } from '#src/broker/port.js';
import type { Topology } from '#src/dsl/contract/processor.js';
import type { OpenDatabase } from '#src/model/database.js';
import { Headers } from '#src/model/headers.js';
import type { Clock, Logger } from '#src/model/ports.js';
import { type CommitStep, type EngineOptions, resolveConfig } from '#src/runtime/config/config.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { Engine } from '#src/runtime/engine/engine.js';
import { partitionOf } from '#src/runtime/topics/partitioner.js';
import { memoryDatabases } from '#src/state/database/memory.js';
import { type IdentityFiles, memoryIdentityFiles } from '#src/state/directory/identity-files.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { diskAtWork, openOnDisk } from './disk.js';
import { temporaryDirectory } from './project.js';

/** What a crash throws inside the engine. */
class InjectedCrash extends Error {}

/** A record as tests write and read it: text, or JSON. */
export interface TextRecord {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
  readonly partition?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export type ReadRecord = Required<TextRecord>;

/** Where the states of tasks lie: what a machine is to a process. `lose` is the machine burning down. */
export interface Machine {
  readonly openDatabase: OpenDatabase;
  readonly identityFiles?: IdentityFiles;
  readonly stateDirectory: string;
  lose(): Promise<void>;
}

export function memoryMachine(): Machine {
  let openDatabase = memoryDatabases();
  let files = memoryIdentityFiles();
  return {
    stateDirectory: 'state',
    openDatabase: (directory) => openDatabase(directory),
    identityFiles: {
      read: (path) => files.read(path),
      writeAtomically: (path, text) => files.writeAtomically(path, text),
    },
    lose: async () => {
      openDatabase = memoryDatabases();
      files = memoryIdentityFiles();
    },
  };
}

export function diskMachine(): Machine {
  const stateDirectory = temporaryDirectory();
  const lose = () => rm(stateDirectory, { recursive: true, force: true });
  return { stateDirectory, openDatabase: openOnDisk, lose };
}

export const memoryBroker = (clock: Clock = new ManualClock()): LocalBroker => new MemoryBroker({ clock });

export const diskBroker = (clock: Clock = new ManualClock()): Promise<LocalBroker> =>
  openEmbeddedBroker({ directory: temporaryDirectory(), openDatabase: openOnDisk, clock });

/** The same machine with another disk: `write` is called in the place of each write, with what that would do. */
export function writingBy(machine: Machine, write: (writes: () => Promise<void>) => Promise<void>): Machine {
  const openDatabase: OpenDatabase = async (directory) => {
    const database = await machine.openDatabase(directory);
    return {
      getMany: (keys) => database.getMany(keys),
      scan: (range) => database.scan(range),
      close: () => database.close(),
      write: (writes, options) => write(() => database.write(writes, options)),
    };
  };
  return { ...machine, openDatabase };
}

/** Lets a virtual clock run on while somebody waits for it; it stands while a disk is at work, which takes real time. What has not settled after so many callbacks of the clock never will: hours have passed. */
export async function pumped<T>(clock: ManualClock, work: Promise<T>, maxCallbacks = 20_000): Promise<T> {
  let settled = false;
  const end = work.finally(() => {
    settled = true;
  });
  end.catch(() => undefined);
  for (let fired = 0; !settled; ) {
    await nextTurn();
    if (settled || !clock.waiting || diskAtWork()) continue;
    if (++fired > maxCallbacks) throw new Error(`still waiting at ${clock.now()} ms of the virtual clock`);
    clock.fireNext();
  }
  return end;
}

/** Runs one topology step by step on a broker, and crashes where it is told to: as a process that dies, with its connection. */
export class Application {
  readonly clock: ManualClock;
  readonly broker: LocalBroker;
  readonly machine: Machine;
  readonly topology: Topology;
  readonly options: EngineOptions;
  readonly logger: Logger | undefined;
  engine: Engine | undefined;
  /** Whether to crash there. Called after each commit step of each task. */
  crashHere: (step: CommitStep, taskId: string) => boolean = () => false;
  crashes = 0;

  constructor(options: {
    topology: Topology;
    options?: EngineOptions;
    broker?: LocalBroker;
    machine?: Machine;
    clock?: ManualClock;
    logger?: Logger;
  }) {
    this.clock = options.clock ?? new ManualClock();
    this.topology = options.topology;
    this.options = options.options ?? {};
    this.logger = options.logger;
    this.broker = options.broker ?? memoryBroker(this.clock);
    this.machine = options.machine ?? memoryMachine();
  }

  get applicationId(): string {
    return this.options.applicationId ?? this.topology.name;
  }

  createTopics(topics: Readonly<Record<string, number>>): Promise<void> {
    return createTopics(this.broker, topics);
  }

  write(topic: string, records: readonly TextRecord[]): Promise<void> {
    return writeTopic(this.broker, topic, records);
  }

  async start(): Promise<Engine> {
    const connection = this.broker.connect();
    const { openDatabase, stateDirectory, identityFiles } = this.machine;
    const config = resolveConfig(this.topology.name, this.options, this.logger);
    const ports = {
      broker: connection,
      clock: this.clock,
      openDatabase,
      stateDirectory,
      ...(identityFiles && { identityFiles }),
      afterStep: (step: CommitStep, taskId: string) => {
        if (!this.crashHere(step, taskId)) return;
        // What the process had not written is gone at once, before any part of the engine can tidy up.
        connection.crash();
        throw new InjectedCrash(`after ${step} of ${taskId}`);
      },
    };
    this.engine = await pumped(this.clock, Engine.start(this.topology, config, ports, true));
    return this.engine;
  }

  /** Runs until nothing is left to do; false if it crashed on the way. */
  async run(): Promise<boolean> {
    const engine = this.engine as Engine;
    try {
      await pumped(this.clock, drain(engine));
      return true;
    } catch (error) {
      this.engine = undefined;
      if (!(error instanceof InjectedCrash)) throw error;
      this.crashes++;
      return false;
    }
  }

  /** Starts, and again after each crash, until everything is done. `afterCrash` may do harm to the machine. */
  async runThrough(afterCrash?: () => Promise<void>): Promise<void> {
    if (!this.engine) await this.start();
    while (!(await this.run())) {
      await afterCrash?.();
      await this.start();
    }
  }

  async stop(): Promise<void> {
    const engine = this.engine;
    this.engine = undefined;
    if (engine) await pumped(this.clock, engine.stop());
  }

  async close(): Promise<void> {
    await this.stop();
    await this.broker.close();
  }

  async read(topic: string): Promise<ReadRecord[]> {
    return (await readTopic(this.broker, topic)).map(decoded);
  }

  /** Every live row of every store: `store[task] key` → value and timestamp, as text. */
  async rows(): Promise<Record<string, string>> {
    const rows: Record<string, string> = {};
    for (const task of (this.engine as Engine).tasks) {
      for (const store of task.state?.stores ?? []) {
        for await (const [key, value] of store.entries()) {
          await store.load(key);
          const at = ` at ${store.row(key)?.timestamp}`;
          rows[`${store.name}[${task.id}] ${text(key)}`] = `${text(value)}${at}`;
        }
      }
    }
    return rows;
  }

  async committed(): Promise<Record<string, number>> {
    const offsets = await this.broker.admin.groupOffsets(this.applicationId);
    return Object.fromEntries(offsets.map(({ topic, partition, offset }) => [`${topic}[${partition}]`, offset]));
  }
}

async function drain(engine: Engine): Promise<void> {
  while ((await engine.processWaiting()) > 0);
}

export async function createTopics(broker: LocalBroker, topics: Readonly<Record<string, number>>): Promise<void> {
  const config = { 'retention.ms': '-1' };
  await broker.admin.createTopics(Object.entries(topics).map(([name, partitions]) => ({ name, partitions, config })));
}

export async function writeTopic(broker: LocalBroker, topic: string, records: readonly TextRecord[]): Promise<void> {
  const [known] = await broker.admin.describeTopics([topic]);
  const writer = await broker.createWriter();
  await writer.write(records.map((record) => encoded(topic, known?.partitions ?? 1, record)));
  await writer.flush();
  await writer.close();
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_name, inner) => (typeof inner === 'bigint' ? `${inner}n` : inner));

function encoded(topic: string, partitions: number, record: TextRecord): ProducerRecord {
  const key = record.key === null ? null : Buffer.from(record.key);
  const value = record.value === null ? null : Buffer.from(record.value);
  const partition = record.partition ?? (key === null ? 0 : partitionOf(key, partitions));
  return { topic, partition, key, value, timestamp: record.timestamp, headers: Headers.of(record.headers ?? {}) };
}

export function decoded(record: BrokerRecord): ReadRecord {
  const { key, value, timestamp, partition, headers } = record;
  const texts = headers.entries.map(([name]) => [name, headers.text(name) ?? '']);
  return {
    key: key === null ? null : key.toString(),
    value: value === null ? null : value.toString(),
    timestamp,
    partition,
    headers: Object.fromEntries(texts),
  };
}

/** Everything in a topic that committed readers see, by partition and offset. */
export async function readTopic(broker: LocalBroker, topic: string): Promise<BrokerRecord[]> {
  const [known] = await broker.admin.describeTopics([topic]);
  const partitions = Array.from({ length: known?.partitions ?? 0 }, (_, partition) => ({ topic, partition }));
  const found: BrokerRecord[] = [];
  for (const { partition, offset: end } of await broker.admin.latestOffsets(partitions)) {
    const reader = await broker.createReader();
    reader.seek({ topic, partition, offset: 0 });
    for (let at = 0; at < end; ) {
      for (const batch of await reader.poll({ maxRecords: 10_000, maxWaitMs: 0 })) {
        found.push(...batch.records);
        at = batch.nextOffset;
      }
    }
    await reader.close();
  }
  return found;
}
