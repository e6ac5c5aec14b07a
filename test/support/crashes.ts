import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { LocalBroker } from '#src/broker/local/broker.js';
import type { Topology } from '#src/dsl/contract/processor.js';
import type { EngineOptions } from '#src/runtime/config/config.js';
import {
  Application,
  type Machine,
  memoryBroker,
  memoryMachine,
  type ReadRecord,
  type TextRecord,
} from './application.js';

/** A crash: after that many further commit steps, of whichever task. `lose`: the state directory is gone afterwards. */
export interface Crash {
  readonly after: number;
  readonly lose: boolean;
}

/** What is written at once, before the application runs on. */
export type Round = Readonly<Record<string, readonly TextRecord[]>>;

export interface Story {
  readonly topology: Topology;
  readonly options: EngineOptions;
  readonly topics: Readonly<Record<string, number>>;
  readonly rounds: readonly Round[];
  readonly crashes: readonly Crash[];
}

export interface Result {
  readonly outputs: Readonly<Record<string, readonly ReadRecord[]>>;
  readonly rows: Readonly<Record<string, string>>;
  /** Rows as they are rebuilt from the changelogs alone. */
  readonly rebuilt: Readonly<Record<string, string>>;
  readonly crashes: number;
}

export interface World {
  broker(): LocalBroker | Promise<LocalBroker>;
  machine(): Machine;
}

const inMemory: World = { broker: () => memoryBroker(), machine: memoryMachine };

/** Tells a story to its end: rounds of input, crashes on the way. */
export async function tell(story: Story, outputs: readonly string[], world: World = inMemory): Promise<Result> {
  const { topology, options, topics, rounds, crashes } = story;
  const app = new Application({ topology, options, broker: await world.broker(), machine: world.machine() });
  try {
    await app.createTopics(topics);
    const left = [...crashes];
    let steps = left[0]?.after ?? Number.POSITIVE_INFINITY;
    app.crashHere = () => steps-- === 0;
    const afterCrash = async (): Promise<void> => {
      if (left.shift()?.lose) await app.machine.lose();
      steps = left[0]?.after ?? Number.POSITIVE_INFINITY;
    };
    for (const round of rounds) {
      for (const [topic, records] of Object.entries(round)) await app.write(topic, records);
      await app.runThrough(afterCrash);
    }
    const found: Record<string, readonly ReadRecord[]> = {};
    for (const topic of outputs) found[topic] = await app.read(topic);
    const rows = await app.rows();
    app.crashHere = () => false;
    await app.stop();
    await app.machine.lose();
    await app.start();
    return { outputs: found, rows, rebuilt: await app.rows(), crashes: app.crashes };
  } finally {
    await app.close();
  }
}

export const crashSchedule = (maxLength: number, lose = true): fc.Arbitrary<readonly Crash[]> =>
  fc.array(fc.record({ after: fc.integer({ min: 0, max: 14 }), lose: lose ? fc.boolean() : fc.constant(false) }), {
    minLength: 1,
    maxLength,
  });

export const smallBatches = fc.record({
  batchRecords: fc.constantFrom(1, 2, 3, 7, 1_000),
  commitRecords: fc.constantFrom(1, 2, 5, 1_000),
  cacheBytes: fc.constantFrom(1, 2_000, 1_000_000),
});

/** Every record that was expected came, in order per key; others may have come again between them. */
export function assertContains(actual: readonly ReadRecord[], expected: readonly ReadRecord[]): void {
  const came = byKey(actual);
  for (const [key, wanted] of byKey(expected)) {
    let at = 0;
    const texts = (came.get(key) ?? []).map((record) => JSON.stringify(record));
    for (const record of wanted) {
      at = texts.indexOf(JSON.stringify(record), at) + 1;
      assert.notEqual(
        at,
        0,
        `${JSON.stringify(record)} of key ${key} is missing, or out of order, in ${texts.join('\n')}`,
      );
    }
  }
}

export function byKey(records: readonly ReadRecord[]): Map<string | null, ReadRecord[]> {
  const groups = new Map<string | null, ReadRecord[]>();
  for (const record of records) {
    const group = groups.get(record.key);
    if (group) group.push(record);
    else groups.set(record.key, [record]);
  }
  return groups;
}

/** What is promised of outputs: several tasks write to one partition, so only the order within a key. */
export const perKey = ({ outputs }: Result): unknown =>
  Object.values(outputs).map((records) => Object.fromEntries(byKey(records)));
