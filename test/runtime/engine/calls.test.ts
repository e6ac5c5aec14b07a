import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MemoryBroker } from '#src/broker/memory/broker.js';
import { mapAsync, retryable, type StreamRecord, serdes, terminal, to, topology } from '#src/index.js';
import { seededRandom } from '#src/model/random.js';
import { systemClock } from '#src/runtime/config/system.js';
import { start } from '#src/runtime/start.js';
import { createTopics, decoded, readTopic, writeTopic } from '../../support/application.js';
import { temporaryDirectory } from '../../support/project.js';

/** A service that is slow, busy or broken by chance, and does the work of a key once. */
class Service {
  readonly done = new Map<string, number>();
  readonly order = new Map<string, string[]>();
  requests = 0;
  #server: Server | undefined;
  readonly #random = seededRandom(7);

  async listen(): Promise<string> {
    const server = createServer((request, response) => {
      this.requests++;
      const key = String(request.headers['idempotency-key']);
      const [, of = '', value = ''] = (request.url ?? '').split('/');
      const chance = this.#random();
      if (chance < 0.1) return void request.socket.destroy();
      if (chance < 0.2) return void response.writeHead(429, { 'retry-after-ms': '5' }).end();
      if (chance < 0.3) return void response.writeHead(503).end();
      setTimeout(() => {
        if (!this.done.has(key)) {
          this.done.set(key, Number(value) * 2);
          this.order.set(of, [...(this.order.get(of) ?? []), value]);
        }
        if (value === '13') return void response.writeHead(400).end('unlucky');
        response.end(String(this.done.get(key)));
      }, chance * 10);
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const server = this.#server;
    server?.closeAllConnections();
    await new Promise((resolve) => server?.close(resolve));
  }
}

const asking = (url: string) =>
  topology('app', (t) => {
    t.stream('in', { key: serdes.string, value: serdes.json<number>() }).pipe(
      mapAsync(
        'ask',
        async ({ key, value }: StreamRecord<string, number>, { idempotencyKey, signal }) => {
          const headers = { 'idempotency-key': idempotencyKey };
          const response = await fetch(`${url}/${key}/${value}`, { headers, signal });
          const text = await response.text();
          if (response.status === 429)
            throw retryable(new Error('busy'), { after: Number(response.headers.get('retry-after-ms')) });
          if (response.status === 400) throw terminal(new Error(text));
          if (!response.ok) throw new Error(`status ${response.status}`);
          return Number(text);
        },
        {
          value: serdes.json<number>(),
          concurrency: 8,
          retry: { attempts: Number.POSITIVE_INFINITY, backoff: '2ms' },
          breaker: { failures: 3, pause: '5ms' },
          onFailure: 'value',
        },
      ),
      to('out', { key: serdes.string, value: serdes.json() }),
    );
  });

describe('an application that calls a service over HTTP', () => {
  it('waits for all calls until it is idle, over stops, and has one outcome for each record, in order', async () => {
    const service = new Service();
    const target = asking(await service.listen());
    const broker = new MemoryBroker({ clock: systemClock });
    const stateDirectory = temporaryDirectory();
    await createTopics(broker, { in: 2, out: 1 });
    const records = Array.from({ length: 120 }, (_, i) => ({ key: `k${i % 10}`, value: `${i}`, timestamp: i }));
    for (let round = 0; round < 3; round++) {
      const streams = await start(target, { broker, stateDirectory, stopTimeout: '1s' });
      await writeTopic(broker, 'in', records.slice(40 * round, 40 * (round + 1)));
      // A stop while calls run, and one when nothing is left to do.
      if (round === 1) await streams.untilIdle();
      else while (service.requests < 30 * (round + 1)) await new Promise((resolve) => setTimeout(resolve, 1));
      await streams.stop();
    }
    const streams = await start(target, { broker, stateDirectory });
    await streams.untilIdle();
    await streams.stop();
    const out = (await readTopic(broker, 'out')).map(decoded);
    for (let key = 0; key < 10; key++) {
      const own = records.filter((record) => record.key === `k${key}`);
      assert.deepEqual(
        out.filter((record) => record.key === `k${key}`).map(({ value }) => JSON.parse(value ?? 'null')),
        own.map(({ value }) =>
          value === '13'
            ? { ok: false, error: { code: 'CALL_FAILED', message: 'unlucky', attempts: attemptsOf(out) } }
            : { ok: true, value: Number(value) * 2 },
        ),
      );
      assert.deepEqual(
        service.order.get(`k${key}`),
        own.map(({ value }) => value),
      );
    }
    assert.equal(service.done.size, 120);
    await broker.close();
    await service.close();
  });
});

/** How often the record of the terminal error was called: that is chance. */
function attemptsOf(out: readonly { readonly value: string | null }[]): unknown {
  const failed = out.map(({ value }) => JSON.parse(value ?? '{}')).find(({ ok }) => ok === false);
  return failed?.error.attempts;
}
