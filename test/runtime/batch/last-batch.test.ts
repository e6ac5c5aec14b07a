import assert from 'node:assert/strict';
import type { BrokerRecord } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { silentLogger } from '#src/model/ports.js';
import { LastBatch } from '#src/runtime/batch/last-batch.js';
import { resolveConfig } from '#src/runtime/config/config.js';
import { warnBusy } from '#src/runtime/engine/busy-warning.js';
import { ManualClock } from '#src/testing/manual-clock.js';

const record = (offset: number): BrokerRecord => ({
  topic: 'in',
  partition: 2,
  offset,
  key: null,
  value: null,
  timestamp: 0,
  headers: Headers.none,
});

describe('what is known of the last batch', () => {
  const took = async (): Promise<LastBatch> => {
    const clock = new ManualClock();
    const batch = new LastBatch(clock);
    batch.began([record(7), record(8)]);
    for (const [name, ms] of [
      ['filter', 1],
      ['count', 30],
      ['sending', 4],
    ] as const) {
      batch.enter(name);
      await clock.advance(ms);
    }
    return batch;
  };

  it('is where it ended, and which step took longest, while it runs and behind it', async () => {
    const batch = await took();
    const facts = { records: 2, where: 'in[2]@8', ms: 35, slowest: { phase: 'count', ms: 30 } };
    assert.deepEqual(batch.facts, facts);
    batch.ended();
    assert.deepEqual(batch.facts, facts);
  });

  it('does not count while it waits, and others are at work', async () => {
    const clock = new ManualClock();
    const batch = new LastBatch(clock);
    batch.began([record(7)]);
    batch.enter('count');
    await clock.advance(2);
    batch.waits();
    await clock.advance(9_000);
    assert.deepEqual(batch.facts.slowest, { phase: 'count', ms: 2 });
    batch.enter('count');
    await clock.advance(3);
    batch.ended();
    assert.deepEqual(batch.facts.slowest, { phase: 'count', ms: 3 });
  });

  it('begins anew with each batch', async () => {
    const batch = await took();
    batch.ended();
    batch.began([record(9)]);
    batch.enter('filter');
    batch.ended();
    assert.deepEqual(batch.facts.slowest, { phase: '', ms: 0 });
    assert.equal(batch.facts.where, 'in[2]@9');
  });
});

describe('a process that is too busy for its heartbeats', () => {
  it('says which step held it up, and not which others were held up by it', () => {
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) };
    const task = (name: string, phase: string, ms: number) => ({
      lastBatch: { task: name, records: 1, where: `${name}@1`, ms: ms + 1, slowest: { phase, ms } },
    });
    const tasks = [task('a', 'quick', 40), task('b', 'held up', 9_003), task('c', 'filter', 9_000)];
    warnBusy(resolveConfig('app', {}, logger), tasks, 9_001);
    assert.match(warnings[0] ?? '', /^busy for 9\.0 s: .* 1 records up to c@1, 9\.0 s, of which 9\.0 s in filter\./);
  });

  it('says nothing of batches if there was none', () => {
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) };
    warnBusy(resolveConfig('app', {}, logger), [], 9_000);
    assert.match(warnings[0] ?? '', /the tasks go to others\. Take smaller batches/);
  });
});
