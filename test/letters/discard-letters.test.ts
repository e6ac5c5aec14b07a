import assert from 'node:assert/strict';
import { userInfo } from 'node:os';
import type { Broker } from '#src/broker/port.js';
import { type DiscardOptions, discardLetters, type LedgerEntry, listLetters, readLedger } from '#src/letters/index.js';
import { actorOf } from '#src/runtime/ledger/actor.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { isError } from '../support/errors.js';
import {
  APP,
  all,
  ids,
  keyOf,
  LEDGER,
  ledgerRecordOf,
  letterRecord,
  NOW,
  note,
  TOPIC,
  withLetters,
  write,
} from './support.js';

const MANY = 2_500;
const many = (): Promise<Broker> =>
  withLetters(
    Array.from({ length: MANY }, (_, i) => letterRecord({ partition: i % 2 })),
    2,
  );

const discard = (broker: Broker, options: Partial<DiscardOptions> = {}) =>
  discardLetters({
    broker,
    applicationId: APP,
    letters: listLetters({ broker, applicationId: APP }),
    reason: 'a test',
    actor: 'ada',
    clock: new ManualClock(NOW),
    ...options,
  });

async function entries(broker: Broker): Promise<readonly LedgerEntry[]> {
  const found: LedgerEntry[] = [];
  for await (const entry of readLedger({ broker, applicationId: APP })) found.push(entry);
  return found;
}

const eachOnce = async (broker: Broker, count: number): Promise<void> => {
  const keys = (await entries(broker)).map(({ key }) => key);
  assert.equal(keys.length, count);
  assert.equal(new Set(keys).size, count);
};

describe('a discard', () => {
  it('notes each letter once, with who, when and why, and leaves the letters as they are', async () => {
    const broker = await many();
    const before = await all(broker);
    assert.deepEqual(await discard(broker), { discarded: MANY, before: 0, gone: 0, ledger: LEDGER, complete: true });
    await eachOnce(broker, MANY);
    const [entry] = await entries(broker);
    assert.deepEqual([entry?.what, entry?.actor, entry?.time, entry?.reason], ['discard', 'ada', NOW, 'a test']);
    assert.deepEqual(await ids(broker), []);
    const after = await all(broker, { state: 'all' });
    assert.deepEqual(
      after.map(({ id, value, headers }) => [id, value, headers.entries]),
      before.map(({ id, value, headers }) => [id, value, headers.entries]),
    );
    assert.deepEqual(after[7]?.state, { name: 'discarded', actor: 'ada', time: NOW, reason: 'a test' });
  });

  it('does nothing the second time, and does not make a ledger for nothing', async () => {
    const broker = await withLetters([letterRecord(), letterRecord()]);
    const none = await discard(broker, { letters: [] });
    assert.deepEqual([none.discarded, none.ledger, (await broker.admin.describeTopics([LEDGER])).length], [0, null, 0]);
    await discard(broker);
    const letters = await all(broker, { state: 'all' });
    const again = await discard(broker, { letters: [...letters, ...letters], reason: 'another' });
    assert.deepEqual([again.discarded, again.before], [0, 4]);
    await eachOnce(broker, 2);
  });

  // Steps 1, 2 for each of three batches, 3.
  for (let crash = 0; crash < 5; crash++) {
    it(`continues after a crash at its step ${crash + 1} of 5`, async () => {
      const broker = await many();
      let steps = 0;
      const afterStep = (): void => {
        if (steps++ === crash) throw new Error('crash');
      };
      await assert.rejects(discard(broker, { afterStep }), /crash/);
      const left = await ids(broker);
      assert.equal(left.length, MANY - Math.min(MANY, 1_000 * Math.min(crash, 3)));
      const { discarded } = await discard(broker);
      assert.equal(discarded, left.length);
      await eachOnce(broker, MANY);
      assert.deepEqual(await ids(broker), []);
    });
  }

  it('ends after a batch when it is told to, and continues', async () => {
    const broker = await many();
    const stop = new AbortController();
    const letters = await all(broker);
    const report = await discard(broker, { letters, signal: stop.signal, onProgress: () => stop.abort() });
    assert.deepEqual([report.discarded, report.complete], [1_000, false]);
    assert.deepEqual([(await discard(broker)).discarded, await ids(broker)], [1_500, []]);
    await eachOnce(broker, MANY);
  });

  it('takes the letters that it is given, and none that came meanwhile', async () => {
    const broker = await withLetters([letterRecord(), letterRecord(), letterRecord()]);
    const letters = await all(broker, { where: ({ offset }) => offset !== 1 });
    await write(broker, [letterRecord()]);
    await discard(broker, { letters });
    assert.deepEqual(await ids(broker), ['0@1', '0@3']);
  });

  it('LETTER_UNKNOWN: an entry about a letter that does not exist yet would hide it', async () => {
    const broker = await withLetters([letterRecord()]);
    for (const at of [
      { partition: 0, offset: 1 },
      { partition: 1, offset: 0 },
      { partition: 0, offset: -1 },
    ])
      await assert.rejects(discard(broker, { letters: [at] }), isError('LETTER_UNKNOWN'));
    assert.equal((await broker.admin.describeTopics([LEDGER])).length, 0);
  });

  it('says nothing about a letter that is gone', async () => {
    const broker = await withLetters([letterRecord(), letterRecord()]);
    const letters = await all(broker);
    await broker.admin.deleteRecords([{ topic: TOPIC, partition: 0, offset: 1 }]);
    const { discarded, gone } = await discard(broker, { letters });
    assert.deepEqual([discarded, gone], [1, 1]);
    await eachOnce(broker, 1);
  });

  it('leaves a letter that was fed in again as it is', async () => {
    const broker = await withLetters([letterRecord()]);
    await note(broker, ledgerRecordOf(keyOf(0, 0), '{"format":1,"what":"redrive","actor":"bob"}'));
    const { before } = await discard(broker, { letters: [{ partition: 0, offset: 0 }] });
    assert.equal(before, 1);
    assert.equal((await all(broker, { state: 'redriven' }))[0]?.id, '0@0');
  });

  it('CONFIG_INVALID: no reason, one that is too long, or nobody who does it', async () => {
    const broker = await withLetters([letterRecord()]);
    await assert.rejects(discard(broker, { reason: ' ' }), isError('CONFIG_INVALID', /reason/));
    await assert.rejects(discard(broker, { reason: 'x'.repeat(2_001) }), isError('CONFIG_INVALID', /2001 characters/));
    await assert.rejects(discard(broker, { actor: '' }), isError('CONFIG_INVALID', /actor/));
  });

  it('does not write to the ledger of somebody else', async () => {
    const broker = await withLetters([letterRecord()]);
    await broker.admin.createTopics([{ name: LEDGER, partitions: 1 }]);
    await assert.rejects(discard(broker, { letters: [{ partition: 0, offset: 0 }] }), isError('TOPIC_FOREIGN'));
    await assert.rejects(ids(broker), isError('TOPIC_FOREIGN'));
  });
});

describe('who acts', () => {
  it('is MILLRACE_ACTOR, else the user of the operating system', () => {
    assert.equal(actorOf({ MILLRACE_ACTOR: ' ada ' }), 'ada');
    assert.equal(actorOf({ MILLRACE_ACTOR: '' }), userInfo().username);
    assert.equal(actorOf({ MILLRACE_ACTOR: 'x'.repeat(500) }).length, 200);
  });
});
