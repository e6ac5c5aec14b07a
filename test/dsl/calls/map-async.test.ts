import assert from 'node:assert/strict';
import type { MapAsyncOptions } from '#src/dsl/index.js';
import {
  type CallResult,
  effect,
  Headers,
  mapAsync,
  mapValues,
  retryable,
  type StreamRecord,
  selectKey,
  serdes,
  terminal,
  to,
  topology,
} from '#src/index.js';
import type { TestDriverOptions } from '#src/testing/index.js';
import { deadLetters, failure, feed, json, open, outputOf, read, rows, through, values } from '../support.js';

type In = StreamRecord<string, number>;
const value = serdes.json<number>();

/** Calls that a test ends. */
class Service {
  readonly begun: string[] = [];
  readonly #open = new Map<string, { resolve: (n: number) => void; reject: (error: unknown) => void }[]>();
  running = 0;
  most = 0;

  readonly call = ({ key, value }: In, { attempt }: { attempt: number }): Promise<number> => {
    const name = `${key}${value}${attempt === 1 ? '' : `/${attempt}`}`;
    this.begun.push(name);
    this.running++;
    this.most = Math.max(this.most, this.running);
    return new Promise<number>((resolve, reject) => {
      const open = this.#open.get(name) ?? [];
      open.push({ resolve, reject });
      this.#open.set(name, open);
    }).finally(() => {
      this.running--;
    });
  };

  answer(name: string, result: number): void {
    this.#open.get(name)?.shift()?.resolve(result);
  }

  fail(name: string, error: unknown = new Error('away')): void {
    this.#open.get(name)?.shift()?.reject(error);
  }
}

const calling = (service: Service, options: Partial<MapAsyncOptions<In, number>> = {}) =>
  through<number>((input) => input.pipe(mapAsync('ask', service.call, { value, ...options })));

async function opened(options: Partial<MapAsyncOptions<In, number>> = {}, driverOptions: TestDriverOptions = {}) {
  const service = new Service();
  const driver = await open(calling(service, options), driverOptions);
  return {
    service,
    driver,
    /** Ends calls, and lets the topology go on. */
    answer: async (...names: string[]) => {
      for (const name of names) service.answer(name, Number(name.replace(/\/.*/, '').slice(1)) * 10);
      await driver.run();
    },
    fail: async (name: string, error?: unknown) => {
      service.fail(name, error);
      await driver.run();
    },
  };
}

describe('mapAsync', () => {
  it('replaces each value by what the call returns, and keeps key, timestamp and headers', async () => {
    const target = through<number>((input) =>
      input.pipe(mapAsync('double', async (record: In) => record.value * 2, { value })),
    );
    const driver = await open(target);
    const input = driver.input('in', json<number>());
    await input.send({ key: 'a', value: 21, timestamp: 7, headers: Headers.of({ trace: 't1' }) });
    const [out] = await driver.output('out', json<number>()).read();
    assert.deepEqual([out?.key, out?.value, out?.timestamp, out?.headers.text('trace')], ['a', 42, 7, 't1']);
    assert.deepEqual(await rows(driver, 'double-pending'), {});
  });

  it('calls keys at the same time, and the records of one key in their order', async () => {
    const { driver, service, answer } = await opened();
    await feed(driver, 'in', [
      ['a', 1],
      ['a', 2],
      ['b', 3],
    ]);
    assert.deepEqual(service.begun, ['a1', 'b3']);
    await answer('b3');
    assert.deepEqual(await read(driver), [['b', 30, 0]]);
    await answer('a1');
    assert.deepEqual(service.begun, ['a1', 'b3', 'a2']);
    await answer('a2');
    assert.deepEqual(await values(driver), [10, 20]);
  });

  it('calls in any order if orderBy is none, and records without a key always', async () => {
    const any = await opened({ orderBy: 'none' });
    await feed(any.driver, 'in', [
      ['a', 1],
      ['a', 2],
    ]);
    assert.deepEqual(any.service.begun, ['a1', 'a2']);
    await any.answer('a2', 'a1');
    assert.deepEqual(await values(any.driver), [20, 10]);
    const none = await opened();
    await feed(none.driver, 'in', [
      [null, 1],
      [null, 2],
    ]);
    assert.deepEqual(none.service.begun, ['null1', 'null2']);
  });

  it('makes no more calls at once than concurrency, and a slow key holds up no other', async () => {
    const { driver, service, answer } = await opened({ concurrency: 2 });
    await feed(
      driver,
      'in',
      ['a', 'b', 'c', 'd'].flatMap((key, i) => [[key, 2 * i] as const, [key, 2 * i + 1] as const]),
    );
    assert.deepEqual(service.begun, ['a0', 'b2']);
    for (const name of ['b2', 'c4', 'd6', 'b3', 'c5', 'd7']) await answer(name);
    assert.deepEqual(service.begun, ['a0', 'b2', 'c4', 'd6', 'b3', 'c5', 'd7']);
    assert.equal(service.most, 2);
    assert.deepEqual(await values(driver), [20, 40, 60, 30, 50, 70]);
  });

  it('calls only what a commit has stored', async () => {
    for (const step of ['1 settle', '2 log'] as const) {
      const { driver, service } = await opened();
      await driver.crash(step);
      await feed(driver, 'in', [['a', 1]]);
      assert.deepEqual(service.begun, []);
      await driver.restart();
      assert.deepEqual(service.begun, ['a1']);
    }
  });

  it('tries a failed call again after the pause, with jitter that is the same each time', async () => {
    const times = [];
    for (let n = 0; n < 2; n++) {
      const { driver, service, fail, answer } = await opened({
        retry: { attempts: 3, backoff: { kind: 'fixed', every: '1s', jitter: 0.5 } },
      });
      await feed(driver, 'in', [
        ['a', 1],
        ['a', 2],
        ['b', 3],
      ]);
      await fail('a1');
      const [row] = Object.values(await rows(driver, 'ask-pending')) as {
        next: number;
        attempt: number;
        error: string;
      }[];
      assert.deepEqual([row?.attempt, row?.error], [2, 'away']);
      times.push(row?.next);
      await answer('b3');
      await driver.advance('499ms');
      assert.deepEqual(service.begun, ['a1', 'b3']);
      await driver.advance('501ms');
      assert.deepEqual(service.begun, ['a1', 'b3', 'a1/2']);
      await answer('a1/2');
      await answer('a2');
      assert.deepEqual(await values(driver), [30, 10, 20]);
    }
    assert.equal(times[0], times[1]);
  });

  it('takes the wait that an error asks for, in milliseconds, as a duration or as a date', async () => {
    for (const after of [5_000, '5s' as const, new Date(5_000)]) {
      const { driver, service, fail, answer } = await opened();
      await feed(driver, 'in', [['a', 1]]);
      await fail('a1', retryable(new Error('later'), { after }));
      await driver.advance('4999ms');
      assert.equal(service.begun.length, 1);
      await driver.advance('1ms');
      assert.deepEqual(service.begun, ['a1', 'a1/2']);
      await fail('a1/2', Object.assign(new Error('busy'), { retryAfter: 500 }));
      await driver.advance('500ms');
      await answer('a1/3');
      assert.deepEqual(await values(driver), [10]);
    }
  });

  it('gives up at once after a terminal error, and after a wait of more than seven days', async () => {
    for (const error of [terminal(new Error('no')), retryable(new Error('no'), { after: '8d' })]) {
      const { driver, fail } = await opened({ onFailure: 'deadLetter' });
      await feed(driver, 'in', [
        ['a', 1],
        ['a', 2],
      ]);
      await fail('a1', error);
      const [letter] = await deadLetters(driver);
      assert.deepEqual([letter?.key, letter?.value, letter?.code, letter?.from], ['a', 1, 'CALL_FAILED', 'in[0]@0']);
      assert.match(String(letter?.message), /failed for good, in attempt 1: no/);
    }
  });

  it('passes failures on as values if onFailure says so', async () => {
    const target = through<number>((input) =>
      input.pipe(
        mapAsync(
          'half',
          ({ value }: In) => {
            if (value % 2 === 1) throw terminal(new Error(`${value} is odd`));
            return value / 2;
          },
          { value, onFailure: 'value' },
        ),
        mapValues((result: CallResult<number>) => (result.ok ? result.value : result.error)),
      ),
    );
    assert.deepEqual(
      (
        await outputOf(target, [
          ['a', 4],
          ['a', 3],
          ['a', 2],
        ])
      ).map(([, out]) => out),
      [2, { code: 'CALL_FAILED', message: '3 is odd', attempts: 1 }, 1],
    );
  });

  it('ends the application by default, and calls again under the same key after a restart', async () => {
    const keys: string[] = [];
    let isDown = true;
    const target = through<number>((input) =>
      input.pipe(
        mapAsync(
          'ask',
          (record: In, { idempotencyKey, attempt }) => {
            keys.push(`${idempotencyKey} ${attempt}`);
            if (isDown) throw new Error('away');
            return record.value;
          },
          { value, retry: { attempts: 1 } },
        ),
      ),
    );
    const driver = await open(target);
    await assert.rejects(
      feed(driver, 'in', [['a', 1]]),
      failure('CALL_FAILED', /mapAsync ask.*away|away.*mapAsync ask/s),
    );
    isDown = false;
    await driver.restart();
    assert.deepEqual(keys, ['test/ask/in-0@0 1', 'test/ask/in-0@0 1']);
    assert.deepEqual(await values(driver), [1]);
  });

  it('ends an attempt at its timeout, aborts its signal, and ignores a late answer', async () => {
    const { driver, service, answer } = await opened({
      timeout: '2s',
      retry: { attempts: 2, backoff: '0ms' },
      onFailure: 'deadLetter',
    });
    await feed(driver, 'in', [['a', 1]]);
    await driver.advance('2s');
    assert.deepEqual(service.begun, ['a1', 'a1/2']);
    await answer('a1');
    assert.deepEqual(await values(driver), []);
    await answer('a1/2');
    assert.deepEqual(await values(driver), [10]);
    const counters = driver.metrics.nodes['mapAsync ask'];
    assert.deepEqual([counters?.timeouts, counters?.['late-answer'], counters?.retries], [1, 1, 1]);
    await feed(driver, 'in', [['b', 2]]);
    await driver.advance('2s');
    await driver.advance('2s');
    const [letter] = await deadLetters(driver);
    assert.deepEqual([letter?.key, letter?.code], ['b', 'CALL_TIMEOUT']);
  });

  it('says by its signal that it no longer waits: at the timeout, and when the task ends', async () => {
    const signals: AbortSignal[] = [];
    const target = through<number>((input) =>
      input.pipe(
        mapAsync(
          'ask',
          (_: In, { signal }) => {
            signals.push(signal);
            return new Promise<number>(() => undefined);
          },
          { value, timeout: '1s', retry: { backoff: '0ms' } },
        ),
      ),
    );
    const driver = await open(target);
    await feed(driver, 'in', [['a', 1]]);
    await driver.advance('1s');
    assert.deepEqual(
      signals.map(({ aborted, reason }) => aborted && reason.code),
      ['CALL_TIMEOUT', false],
    );
    await driver.close();
    assert.equal(signals[1]?.reason.code, 'STOPPED');
  });

  it('fails a call with a value that the serde cannot write, for good', async () => {
    for (const bad of [undefined, 'text', 2n]) {
      const target = through<number>((input) =>
        input.pipe(mapAsync('ask', () => bad as never, { value: serdes.int64, onFailure: 'deadLetter' })),
      );
      const driver = await open(target);
      await feed(driver, 'in', [['a', 1]]);
      const [letter] = await deadLetters(driver);
      assert.equal(letter?.code, 'SERIALIZE_FAILED');
    }
    const none = through<number>((input) => input.pipe(mapAsync('ask', () => null, { value: serdes.int64 })));
    assert.deepEqual(await outputOf(none, [['a', 1]]), [['a', null, 0]]);
  });

  it('takes no more input at maxPending, and goes on when calls are done', async () => {
    const { driver, service, answer } = await opened({ maxPending: 3, concurrency: 2 }, { batchRecords: 1 });
    await feed(
      driver,
      'in',
      Array.from({ length: 10 }, (_, i) => [`k${i}`, i] as const),
    );
    assert.equal(Object.keys(await rows(driver, 'ask-pending')).length, 3);
    for (let i = 0; i < 10; i++) {
      assert.ok(Object.keys(await rows(driver, 'ask-pending')).length <= 3);
      service.answer(`k${i}${i}`, i);
      await answer();
    }
    assert.deepEqual(await values(driver), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal(service.most, 2);
  });

  it('pauses calls of a service that is down, without using up attempts, and goes on with one', async () => {
    const { driver, service, fail, answer } = await opened({
      timeout: '1h',
      breaker: { failures: 2, pause: '10s' },
      retry: { attempts: 2, backoff: '1s' },
      onFailure: 'deadLetter',
    });
    await feed(driver, 'in', [
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ]);
    await fail('a1');
    await fail('b2');
    await feed(driver, 'in', [['d', 4]]);
    await driver.advance('5s');
    assert.deepEqual(service.begun, ['a1', 'b2', 'c3']);
    for (let trial = 0; trial < 3; trial++) {
      await driver.advance('10s');
      const last = service.begun.at(-1) as string;
      await fail(last);
    }
    assert.deepEqual(service.begun.slice(3), ['d4', 'a1/2', 'b2/2']);
    assert.deepEqual(await deadLetters(driver), []);
    await driver.advance('10s');
    await answer('d4');
    await answer('a1/2', 'b2/2', 'c3');
    assert.deepEqual((await values(driver)).toSorted(), [10, 20, 30, 40]);
    assert.equal(driver.metrics.nodes['mapAsync ask']?.['breaker-opened'], 4);
  });

  it('repartitions by a changed key, and gives the key of the source record on the path', async () => {
    const keys: string[] = [];
    const target = topology('app', (t) => {
      t.stream('in', json<number>()).pipe(
        selectKey(({ value }) => `${value % 2}`, { key: serdes.string }),
        mapAsync(
          'ask',
          (record: In, { idempotencyKey }) => {
            keys.push(idempotencyKey);
            return record.value;
          },
          { value },
        ),
        to('out', json<number>()),
      );
    });
    const driver = await open(target, { partitions: 3 });
    await feed(driver, 'in', [
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ]);
    assert.deepEqual((await values(driver)).toSorted(), [1, 2, 3]);
    assert.equal(new Set(keys).size, 3);
    assert.ok(target.graph.nodes.some(({ id }) => id === 'repartition ask'));
  });

  it('calls nothing and ends the records if the application makes no calls', async () => {
    const { driver, service } = await opened({}, { effects: 'silent' });
    await feed(driver, 'in', [['a', 1]]);
    assert.deepEqual(service.begun, []);
    assert.deepEqual(await values(driver), []);
    assert.deepEqual(driver.metrics.nodes['mapAsync ask'], { silenced: 1, 'without-result': 1 });
  });

  it('CONFIG_INVALID or TOPOLOGY_INVALID: what cannot be used', async () => {
    const fn = async () => 1;
    for (const [options, message] of [
      [{ maxPending: 0 }, /maxPending/],
      [{ concurrency: 0 }, /concurrency/],
      [{ concurrency: 1.5 }, /concurrency/],
      [{ orderBy: 'time' }, /orderBy/],
      [{ timeout: '0ms' }, /timeout/],
      [{ timeout: 5 }, /timeout/],
      [{ retry: 3 }, /retry/],
      [{ retry: { attempts: 0 } }, /attempts/],
      [{ retry: { attempt: 1 } }, /attempt/],
      [{ breaker: true }, /breaker/],
      [{ breaker: { failures: 0, pause: '1s' } }, /failures/],
      [{ onFailure: 'park' }, /onFailure/],
      [{ concurency: 3 }, /concurrency/],
    ] as const)
      assert.throws(() => mapAsync('ask', fn, { value, ...options } as never), failure('CONFIG_INVALID', message));
    const built = (build: Parameters<typeof through<number>>[0]) => () => through<number>(build).graph;
    assert.throws(
      built((input) => input.pipe(mapAsync(undefined as never, fn, { value }))),
      failure('TOPOLOGY_INVALID', /no name/),
    );
    assert.throws(
      built((input) => input.pipe(mapAsync('a', fn, { value }), mapAsync('a', fn, { value }))),
      failure('TOPOLOGY_INVALID', /two nodes have this name/),
    );
    assert.throws(
      built((input) => input.pipe(mapAsync('a', undefined as never, { value }))),
      failure('TOPOLOGY_INVALID', /function/),
    );
    assert.throws(
      built((input) => input.pipe(mapAsync('a', fn, {} as never))),
      failure('TOPOLOGY_INVALID', /no value serde/),
    );
    assert.throws(
      () => effect('e', { inline: true, timeout: '1s', run: fn as never }),
      failure('CONFIG_INVALID', /timeout/),
    );
  });
});
