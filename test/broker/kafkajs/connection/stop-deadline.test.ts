import assert from 'node:assert/strict';
import { Client } from '#src/broker/kafkajs/connection/client.js';
import type { Connections } from '#src/broker/kafkajs/connection/connections.js';
import { StopDeadline } from '#src/broker/kafkajs/connection/stop-deadline.js';
import { CODE, ProtocolError } from '#src/broker/kafkajs/wire/errors.js';
import { endTransactionRequest } from '#src/broker/kafkajs/wire/requests-records.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { ManualClock } from '#src/testing/manual-clock.js';

const request = endTransactionRequest({ transactionalId: 'id', id: 1, epoch: 0 }, true);
const gaveUp = { code: 'BROKER_UNAVAILABLE', message: /gave up waiting for the cluster/ };
const refused = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

describe('a client that is told to stop', () => {
  let clock: ManualClock;
  let stop: AbortController;
  /** What the broker does with each request. */
  let answer: () => Promise<unknown>;
  let asked: number;
  let client: Client;
  beforeEach(() => {
    clock = new ManualClock();
    stop = new AbortController();
    asked = 0;
    const ask = (): Promise<unknown> => {
      asked++;
      return answer();
    };
    const connections = { ask, askAny: async () => 1 } as unknown as Connections;
    client = new Client(connections, clock).withStopDeadline(new StopDeadline(clock, stop.signal));
  });
  const ask = (options: object = {}): Promise<unknown> => client.askCoordinator('transaction', 'id', request, options);

  /** Lets that much time pass. */
  async function pass(ms: number): Promise<void> {
    const until = clock.monotonic() + ms;
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    while (clock.waiting && clock.monotonic() < until) {
      clock.fireNext();
      for (let turn = 0; turn < 5; turn++) await nextTurn();
    }
  }

  it('waits for a cluster that is silent no longer than five seconds, and then for nothing at all', async () => {
    answer = () => new Promise(() => undefined);
    const asking = assert.rejects(ask(), gaveUp);
    await nextTurn();
    assert.equal(clock.waiting, false, 'it counts before it is told to go');
    const toldAt = clock.monotonic();
    stop.abort();
    const another = assert.rejects(ask(), gaveUp);
    await pass(5_000);
    await Promise.all([asking, another]);
    assert.equal(clock.monotonic() - toldAt, 5_000);
    const before = asked;
    await assert.rejects(ask(), gaveUp);
    assert.equal(asked, before);
    assert.equal(clock.waiting, false);
  });

  it('tries for five seconds to reach a cluster that is away', async () => {
    answer = async () => {
      throw refused();
    };
    const toldAt = clock.monotonic();
    stop.abort();
    const asking = assert.rejects(ask(), { code: 'BROKER_UNAVAILABLE', message: /ECONNREFUSED/ });
    await pass(10_000);
    await asking;
    const took = clock.monotonic() - toldAt;
    assert.ok(took >= 5_000 && took < 6_000, `${took} ms`);
    await assert.rejects(ask(), gaveUp);
  });

  it('takes what is answered, however long all of it takes', async () => {
    stop.abort();
    const finishing = 100;
    answer = async () => {
      // The transaction before is still being finished: an answer.
      if (asked < finishing) throw new ProtocolError(CODE.concurrentTransactions);
    };
    const asking = ask({ retry: (error: unknown) => error instanceof ProtocolError });
    await pass(60_000);
    await asking;
    assert.equal(asked, finishing);
    assert.ok(clock.monotonic() > 30_000);
    answer = async () => undefined;
    await ask();
  });

  it('does not take for silence what a broker holds back', async () => {
    stop.abort();
    let answered: ((value?: unknown) => void) | undefined;
    answer = () =>
      new Promise((resolve) => {
        answered = resolve;
      });
    const joining = ask({ waits: true });
    await pass(20_000);
    answered?.();
    await joining;
    answer = async () => undefined;
    await ask();
  });
});
