// Promise: what a replay reconstructs is what the application had, and versions change places without a loss or a repetition, on every broker.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import fc from 'fast-check';
import { openEmbeddedBroker } from '#src/broker/embedded/broker.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openRocksDatabase } from '#src/state/database/rocksdb.js';
import { describeWithKafka } from '../kafka/support/suites.js';
import { temporaryDirectory } from '../support/project.js';
import { looksBackAsLive, payments, replayEqualsLive } from './brokers.js';
import { Versions } from './versions.js';

describe('a replay up to a cut equals the state that the application had there', () => {
  it('on the embedded broker, whatever the cut', async () => {
    const directory = join(temporaryDirectory(), 'broker');
    const broker = await openEmbeddedBroker({ directory, openDatabase: openRocksDatabase, clock: systemClock });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(payments, fc.nat({ max: 60 }), fc.constantFrom(1, 3), async (all, cut, partitions) => {
        const topic = `payments-${run++}`;
        await replayEqualsLive(broker, all, Math.max(1, Math.min(cut, all.length)), { partitions, topic });
      }),
      { numRuns: 5 },
    );
    await broker.close();
  });
});

/** Forth, back and forth, each time with records that only the live version has processed, interrupted once at each step. */
async function changesPlaces(versions: Versions): Promise<void> {
  await versions.shadow('v2');
  const turns = [
    ['promote', 'v1', 'v2'],
    ['rollback', 'v2', 'v1'],
    ['promote', 'v1', 'v2'],
  ] as const;
  for (const [turn, [kind, from, to]] of turns.entries()) {
    await versions.tell('abc');
    await versions.run(from);
    for (const step of turn === 0 ? ['1', '2', '3', '4', '5'] : ['3']) {
      const crash = (at: string): void => {
        if (at.startsWith(step)) throw new Error('crashed');
      };
      const changed = versions.change(kind, to, {}, crash);
      if (step === '5') await assert.rejects(changed, /crashed|SHADOW_MISSING/);
      else await assert.rejects(changed, /crashed/);
      if (turn === 0 && step < '3') {
        await versions.tell('a');
        await versions.run(from);
      }
    }
    if (turn > 0) await versions.change(kind, to);
    await versions.tell('cc');
    await versions.run(to);
  }
  const out = await versions.topic('out');
  const counted = (key: string, n: number) => Array.from({ length: n }, (_, i) => `${key}=${i + 1}`);
  const plain = (each: string) => each.replace(/v\d:/, '');
  assert.deepEqual(out.map(plain).sort(), [...counted('a', 7), ...counted('b', 4), ...counted('c', 10)].sort());
  assert.deepEqual(versions.called(), out);
  assert.equal((await versions.topic('groups')).length, out.length);
}

describe('versions of an application', () => {
  it('change places on the embedded broker, and every record is processed once', async () => {
    const directory = join(temporaryDirectory(), 'broker');
    const broker = await openEmbeddedBroker({ directory, openDatabase: openRocksDatabase, clock: systemClock });
    await changesPlaces(await Versions.begin('aabc', { broker, partitions: 2 }));
    await broker.close();
  });
});

describeWithKafka('versions of an application', (kafka) => {
  it('change places, and every record is processed once', async () => {
    const broker = await kafka.open();
    const name = `versions-${process.pid}`;
    await changesPlaces(await Versions.begin('aabc', { broker, name, partitions: 2 }));
    const made = (await broker.admin.describeTopics()).map((topic) => topic.name);
    await broker.admin.deleteTopics(made.filter((topic) => topic.startsWith(`${name}-`)));
    for (const group of [name, `${name}-shadow`]) await broker.admin.deleteGroup(group);
  });
});

describeWithKafka('a replay', (kafka) => {
  it('leaves out the records that the application has left out', async () => {
    const broker = await kafka.open();
    const topic = `unlucky-payments-${process.pid}`;
    await looksBackAsLive(broker, topic);
    const made = (await broker.admin.describeTopics()).map(({ name }) => name);
    await broker.admin.deleteTopics(made.filter((name) => name === topic || name.startsWith(`${topic}-bank`)));
    await broker.admin.deleteGroup(`${topic}-bank`);
  });

  it('up to a cut equals the state that the application had there', async () => {
    const broker = await kafka.open();
    const [all] = fc.sample(payments, { numRuns: 1, seed: 7 });
    const topic = `replayed-payments-${process.pid}`;
    await replayEqualsLive(broker, all ?? [], 5, { partitions: 3, topic });
    const made = (await broker.admin.describeTopics()).map(({ name }) => name);
    await broker.admin.deleteTopics(made.filter((name) => name === topic || name.startsWith(`${topic}-bank`)));
    await broker.admin.deleteGroup(`${topic}-bank`);
  });
});
