import assert from 'node:assert/strict';
import { Client } from '#src/broker/kafkajs/connection/client.js';
import type { Connections } from '#src/broker/kafkajs/connection/connections.js';
import { heartbeats } from '#src/broker/kafkajs/group/heartbeats.js';
import type { Clock } from '#src/model/ports.js';
import { nextTurn } from '#src/runtime/config/system.js';

describe('heartbeats of a process that is busy', () => {
  it('tell afterwards for how long none was sent, if that is half a session, and go on', async () => {
    let now = 0;
    let due: (() => void) | undefined;
    const clock: Clock = {
      now: () => now,
      monotonic: () => now,
      after: (_, callback) => {
        due = callback;
        return () => undefined;
      },
    };
    let beats = 0;
    let answering: Promise<void> | undefined;
    let answer: () => void = () => undefined;
    const ask = async (): Promise<number> => {
      beats++;
      await answering;
      return 0;
    };
    const client = new Client({ ask, askAny: async () => 1 } as unknown as Connections, clock);
    const ended = new AbortController();
    const busy: number[] = [];
    const beating = heartbeats({
      client,
      member: { groupId: 'app', memberId: 'm', generation: 1, instanceId: null },
      sessionMs: 6_000,
      onBusy: (ms) => busy.push(ms),
      signal: ended.signal,
    });
    // The timer was due after 500 ms, and the process comes to it after that time.
    for (const elapsed of [500, 700, 3_499, 3_500, 9_500, 500]) {
      now += elapsed;
      due?.();
      for (let turn = 0; turn < 5; turn++) await nextTurn();
    }
    assert.deepEqual(busy, [3_000, 9_000]);
    assert.equal(beats, 6);
    // As busy, but with a heartbeat under way, whose answer has come meanwhile.
    answering = new Promise((resolve) => {
      answer = resolve;
    });
    now += 500;
    due?.();
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    now += 4_500;
    due?.();
    answer();
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    assert.deepEqual(busy, [3_000, 9_000, 4_000]);
    ended.abort();
    await beating;
  });
});
