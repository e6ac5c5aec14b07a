import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedBroker, openEmbeddedBroker } from '#src/broker/embedded/broker.js';
import type { LocalBroker } from '#src/broker/local/broker.js';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { OpenDatabase } from '#src/model/database.js';
import type { Clock } from '#src/model/ports.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import type { BrokerFactory } from './contract.support.js';

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #now = 1_700_000_000_000;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const timer of [...this.#timers].sort((a, b) => a.at - b.at)) {
      if (timer.at <= this.#now && this.#timers.delete(timer)) timer.callback();
    }
  }
}

/** A turn of the event loop: what is under way on other threads may answer. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export async function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'millrace-broker-'));
}

export const removeDirectory = (directory: string): Promise<void> => rm(directory, { recursive: true, force: true });

export const openRocks = (
  directory: string,
  clock: Clock,
  openDatabase: OpenDatabase = openRocksDatabase,
): Promise<EmbeddedBroker> => openEmbeddedBroker({ directory, openDatabase, clock });

/** A local broker and the means to reach into it. */
export interface LocalUnderTest {
  readonly broker: LocalBroker;
  readonly clock: ManualClock;
  stop(): Promise<void>;
}

export async function startMemory(): Promise<LocalUnderTest> {
  const clock = new ManualClock();
  const broker = new MemoryBroker({ clock });
  return { broker, clock, stop: () => broker.close() };
}

export async function startEmbedded(): Promise<LocalUnderTest> {
  const clock = new ManualClock();
  const directory = await temporaryDirectory();
  const broker = await openRocks(directory, clock);
  const stop = async (): Promise<void> => {
    await broker.close();
    await removeDirectory(directory);
  };
  return { broker, clock, stop };
}

export const memoryFactory: BrokerFactory = {
  pollMs: 0,
  maxTimestamp: 8_640_000_000_000_000,
  durable: false,
  start: async () => {
    const { broker, clock, stop } = await startMemory();
    return { open: async () => broker.connect(), pass: (ms) => pass(clock, ms), stop };
  },
};

export const embeddedFactory: BrokerFactory = {
  pollMs: 0,
  maxTimestamp: 8_640_000_000_000_000,
  durable: true,
  start: async () => {
    const clock = new ManualClock();
    const directory = await temporaryDirectory();
    let broker = await openRocks(directory, clock);
    return {
      open: async () => broker.connect(),
      pass: (ms) => pass(clock, ms),
      restart: async () => {
        await broker.close();
        broker = await openRocks(directory, clock);
      },
      stop: async () => {
        await broker.close();
        await removeDirectory(directory);
      },
    };
  },
};

/** Time moves, and what it starts gets turns of the event loop. */
export async function pass(clock: ManualClock, ms: number): Promise<void> {
  await turn();
  clock.advance(ms);
  await turn();
}
