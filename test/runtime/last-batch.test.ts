import assert from 'node:assert/strict';
import type { BrokerRecord } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { LastBatch } from '#src/runtime/last-batch.js';
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
      batch.step(name);
      await clock.advance(ms);
    }
    return batch;
  };

  it('is where it ended, and which step took longest, while it runs and behind it', async () => {
    const batch = await took();
    const facts = { records: 2, where: 'in[2]@8', ms: 35, slowest: { step: 'count', ms: 30 } };
    assert.deepEqual(batch.facts, facts);
    batch.ended();
    assert.deepEqual(batch.facts, facts);
  });

  it('does not count while it waits, and others are at work', async () => {
    const clock = new ManualClock();
    const batch = new LastBatch(clock);
    batch.began([record(7)]);
    batch.step('count');
    await clock.advance(2);
    batch.waits();
    await clock.advance(9_000);
    assert.deepEqual(batch.facts.slowest, { step: 'count', ms: 2 });
    batch.step('count');
    await clock.advance(3);
    batch.ended();
    assert.deepEqual(batch.facts.slowest, { step: 'count', ms: 3 });
  });

  it('begins anew with each', async () => {
    const batch = await took();
    batch.ended();
    batch.began([record(9)]);
    batch.step('filter');
    batch.ended();
    assert.deepEqual(batch.facts.slowest, { step: '', ms: 0 });
    assert.equal(batch.facts.where, 'in[2]@9');
  });
});
