import assert from 'node:assert/strict';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import type { BrokerRecord } from '#src/broker/port.js';
import { Headers } from '#src/model/headers.js';
import { afterText, withAfter } from '#src/runtime/inputs/after.js';
import { INPUT_PLACES } from '#src/runtime/poll/input-places.js';
import { Intake } from '#src/runtime/poll/intake.js';
import { ManualClock } from '#src/testing/manual-clock.js';

/** A source `in` and an internal input `notes`, of one partition each. */
async function opened(notes: readonly (number | undefined)[], source = 6) {
  const broker = new MemoryBroker({ clock: new ManualClock() });
  await broker.admin.createTopics(['in', 'notes'].map((name) => ({ name, partitions: 1, config: {} })));
  const writer = await broker.createWriter();
  const record = (topic: string, n: number, headers = Headers.none) => ({
    ...{ topic, partition: 0, key: null, value: Buffer.from(`${n}`), timestamp: n, headers },
  });
  const write = async (topic: string, n: number, after?: number): Promise<void> => {
    const headers =
      after === undefined
        ? Headers.none
        : withAfter(Headers.none, afterText([{ topic: 'in', partition: 0, offset: after }]));
    await writer.write([record(topic, n, headers)]);
    await writer.flush();
  };
  for (let n = 0; n < source; n++) await write('in', n);
  for (const [n, after] of notes.entries()) await write('notes', n, after);
  const positions = ['in', 'notes'].map((topic) => ({ topic, partition: 0, offset: 0 }));
  let isFull = false;
  const intake = new Intake(await broker.createReader(), positions, await broker.admin.latestOffsets(positions), {
    datesOf: (topic) => (topic === 'notes' ? INPUT_PLACES : undefined),
    isFull: () => isFull,
  });
  const take = async (max = 2): Promise<string[]> => shown(await intake.take(max, 0));
  const fill = (full: boolean): void => {
    isFull = full;
  };
  return { intake, take, write, fill, close: () => broker.close() };
}

const shown = (records: readonly BrokerRecord[]): string[] => records.map(({ topic, value }) => `${topic}${value}`);

describe('a task that has as many calls pending as may be', () => {
  it('takes no input, but what is noted, and goes on with its input later', async () => {
    const { take, write, fill, intake, close } = await opened([]);
    assert.deepEqual(await take(), ['in0', 'in1']);
    fill(true);
    assert.deepEqual(await take(), []);
    assert.equal(intake.isWaiting, false);
    await write('notes', 0, 2);
    await write('notes', 1);
    assert.deepEqual(await take(), ['notes0', 'notes1']);
    assert.deepEqual(await take(), []);
    fill(false);
    assert.deepEqual(await take(), ['in2', 'in3']);
    assert.deepEqual(await take(), ['in4', 'in5']);
    await close();
  });

  it('takes input up to the place of a note that was written before a crash: it would wait for ever', async () => {
    const { take, fill, close } = await opened([3]);
    fill(true);
    const taken: string[] = [];
    for (let n = 0; n < 8; n++) taken.push(...(await take(1)));
    assert.deepEqual(taken, ['in0', 'in1', 'in2', 'notes0']);
    await close();
  });
});
