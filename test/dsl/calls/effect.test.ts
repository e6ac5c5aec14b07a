import assert from 'node:assert/strict';
import type { EffectOptions } from '#src/dsl/index.js';
import {
  count,
  effect,
  type StreamRecord,
  serdes,
  type Topology,
  to,
  topology,
  toStream,
  toTable,
} from '#src/index.js';
import { deadLetters, failure, feed, json, open, read, rows, values } from '../support.js';

type In = StreamRecord<string, number>;

function calling(options: Partial<EffectOptions<In>> = {}): { target: Topology; calls: string[] } {
  const calls: string[] = [];
  const target = topology('shop', (t) => {
    t.stream('in', json<number>()).pipe(
      effect('notify', {
        run: async (record, { idempotencyKey, attempt }) => {
          calls.push(`${record.key}${record.value} ${idempotencyKey} ${attempt}`);
        },
        ...options,
      }),
      to('out', json<number>()),
    );
  });
  return { target, calls };
}

describe('an effect with stored outcomes', () => {
  it('passes the record on when its call is done, under the key that it has inline', async () => {
    const { target, calls } = calling();
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 1, 10],
      ['b', 2, 20],
    ]);
    assert.deepEqual(calls, ['a1 shop/notify/in-0@0 1', 'b2 shop/notify/in-0@1 1']);
    assert.deepEqual(await read(driver), [
      ['a', 1, 10],
      ['b', 2, 20],
    ]);
    assert.deepEqual(driver.metrics.nodes['effect notify'], { called: 2 });
  });

  it('takes a function alone, and is described with its store and its input', async () => {
    const target = topology('shop', (t) => {
      t.stream('in', json<number>()).pipe(effect('notify', () => undefined));
    });
    assert.deepEqual(
      target.graph.stores.map(({ name }) => name),
      ['notify-pending'],
    );
    assert.ok(target.graph.nodes.some(({ id }) => id === 'internal input notify-outcomes'));
  });

  it('passes on only what was called: a call that waits holds the record back over a restart', async () => {
    let end = (): void => undefined;
    const { target } = calling({
      run: () =>
        new Promise<void>((resolve) => {
          end = resolve;
        }),
    });
    const driver = await open(target);
    await feed(driver, 'in', [['a', 1]]);
    assert.deepEqual(await values(driver), []);
    await driver.restart();
    end();
    await driver.run();
    assert.deepEqual(await values(driver), [1]);
  });

  it('calls again after a crash, under the same key, until its outcome is committed', async () => {
    for (const [step, again] of [
      ['1 settle', true],
      ['2 log', true],
      ['3 offsets', false],
      ['4 apply', false],
    ] as const) {
      let hangs = true;
      let end = (): void => undefined;
      const keys: string[] = [];
      const { target } = calling({
        run: (_, { idempotencyKey }) => {
          keys.push(idempotencyKey);
          if (!hangs) return;
          return new Promise<void>((resolve) => {
            end = resolve;
          });
        },
      });
      const driver = await open(target);
      await feed(driver, 'in', [['a', 1]]);
      // The next commit is that of the outcome.
      await driver.crash(step);
      end();
      await driver.run();
      assert.ok(driver.crashed);
      hangs = false;
      await driver.restart();
      assert.deepEqual(keys, Array(again ? 2 : 1).fill('shop/notify/in-0@0'), step);
      assert.deepEqual(await values(driver), [1]);
    }
  });

  it('passes every record on, and calls nothing, if the application makes no calls', async () => {
    const { target, calls } = calling();
    const driver = await open(target, { effects: 'silent' });
    await feed(driver, 'in', [['a', 1]]);
    assert.deepEqual(calls, []);
    assert.deepEqual(await values(driver), [1]);
    assert.deepEqual(driver.metrics.nodes['effect notify'], { silenced: 1 });
  });

  it('keeps changes of a table whole, with the rows before them', async () => {
    const seen: unknown[] = [];
    const target = topology('shop', (t) => {
      t.stream('in', json<number>()).pipe(
        toTable({ store: 'rows', ...json<number>() }),
        effect('notify', async (change) => void seen.push([change.value, change.previous])),
        toStream(),
        to('out', json<number>()),
      );
    });
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 1],
      ['a', 2],
      ['a', null],
    ]);
    assert.deepEqual(seen, [
      [1, null],
      [2, 1],
      [null, 2],
    ]);
    assert.deepEqual(await values(driver), [1, 2, null]);
  });

  it('goes on by what a later operator keeps, after a call that takes several rounds', async () => {
    const target = topology('shop', (t) => {
      t.stream('in', json<number>()).pipe(
        effect('notify', { run: async () => undefined, concurrency: 1 }),
        count({ store: 'counts' }),
        toStream(),
        to('out', { key: serdes.string, value: serdes.int64 }),
      );
    });
    const driver = await open(target, { batchRecords: 1 });
    await feed(driver, 'in', [
      ['a', 1],
      ['a', 2],
      ['b', 3],
    ]);
    assert.deepEqual(await rows(driver, 'counts'), { a: 2, b: 1 });
  });

  it('sends a record that failed for good to the dead letter topic, with its position', async () => {
    const { target } = calling({
      run: ({ value }) => {
        if (value === 1) throw new Error('refused');
      },
      retry: { attempts: 2, backoff: '0ms' },
      onFailure: 'deadLetter',
    });
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 1],
      ['a', 2],
    ]);
    await driver.advance('0ms');
    const [letter] = await deadLetters(driver);
    assert.deepEqual(
      [letter?.key, letter?.value, letter?.code, letter?.operator, letter?.from],
      ['a', 1, 'CALL_FAILED', 'effect notify', 'in[0]@0'],
    );
    assert.deepEqual(await values(driver), [2]);
  });

  it('SERIALIZE_FAILED: a record that request cannot write fails by its policy, and is not called', async () => {
    const { target, calls } = calling({ request: serdes.int64 });
    const driver = await open(target, { onError: { process: 'deadLetter' } });
    await feed(driver, 'in', [
      ['a', 0.5],
      ['a', 2],
    ]);
    assert.deepEqual(calls.length, 1);
    assert.equal((await deadLetters(driver))[0]?.code, 'SERIALIZE_FAILED');
  });

  it('CONFIG_INVALID: options of stored calls with inline, and failures as values', () => {
    const run = async (): Promise<void> => undefined;
    assert.throws(() => effect('e', { run, inline: true, retry: {} }), failure('CONFIG_INVALID', /retry/));
    assert.throws(() => effect('e', { run, onFailure: 'value' as never }), failure('CONFIG_INVALID', /onFailure/));
    assert.throws(() => effect('e', { run, maxPending: 0 }), failure('CONFIG_INVALID', /maxPending/));
  });
});
