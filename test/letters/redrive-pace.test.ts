import assert from 'node:assert/strict';
import { mapValues, serdes, to, topology } from '#src/index.js';
import { letterId, listLetters, type RedriveOptions, redriveLetters } from '#src/letters/index.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { pumped } from '../support/application.js';
import { isError } from '../support/errors.js';
import { APP, all, letterRecord, withLetters } from './support.js';

const values = { key: serdes.string, value: serdes.json<number>() };
const target = topology(APP, (t) =>
  t.stream('payments', values).pipe(
    mapValues((value) => value),
    to('out', values),
  ),
);

/** Requests seven letters. When which of them was requested, by a virtual clock. */
async function requested(options: Partial<RedriveOptions>): Promise<readonly string[]> {
  const broker = await withLetters(Array.from({ length: 7 }, (_, offset) => letterRecord({ offset })));
  await broker.admin.createTopics([{ name: 'payments', partitions: 4 }]);
  const clock = new ManualClock();
  const found: string[] = [];
  const work = redriveLetters({
    ...{ broker, applicationId: APP, topology: target, reason: 'fixed', actor: 'ann', clock },
    letters: listLetters({ broker, applicationId: APP }),
    onRequest: (batch) => found.push(`${clock.now()} ${batch.map(letterId).join(' ')}`),
    ...options,
  });
  try {
    await pumped(clock, work);
    assert.equal((await all(broker, { state: 'requested' })).length, 7);
    return found;
  } finally {
    await broker.close();
  }
}

describe('letters that are requested', () => {
  it('come in batches, and no faster than the rate', async () => {
    assert.deepEqual(await requested({}), ['0 0@0 0@1 0@2 0@3 0@4 0@5 0@6']);
    assert.deepEqual(await requested({ batch: 4 }), ['0 0@0 0@1 0@2 0@3', '0 0@4 0@5 0@6']);
    assert.deepEqual(await requested({ rate: 3 }), ['0 0@0 0@1 0@2', '1000 0@3 0@4 0@5', '2000 0@6']);
    assert.deepEqual(await requested({ rate: 3, batch: 6 }), ['0 0@0 0@1 0@2', '1000 0@3 0@4 0@5', '2000 0@6']);
    const slow = await requested({ rate: 0.5 });
    assert.deepEqual([slow[1], slow.at(-1)], ['2000 0@1', '12000 0@6']);
  });

  it('may be patched by a function that takes its time; what it throws ends the request', async () => {
    assert.equal((await requested({ patch: async () => ({ value: Buffer.from('5') }) })).length, 1);
    const failing = requested({ patch: () => Promise.reject(new Error('no patch')) });
    await assert.rejects(failing, /no patch/);
  });

  it('CONFIG_INVALID: a rate or a size of batches that is none', async () => {
    for (const options of [{ rate: 0 }, { rate: Number.NaN }, { batch: 0 }, { batch: 1.5 }])
      await assert.rejects(requested(options), isError('CONFIG_INVALID'));
  });
});
