import assert from 'node:assert/strict';
import {
  count,
  effect,
  flatMapValues,
  mapValues,
  process,
  type StreamRecord,
  type Topology,
  to,
  topology,
  toStream,
} from '#src/index.js';
import type { TestDriverOptions } from '#src/testing/index.js';
import { deadLetters, failure, feed, json, open, read, values } from '../support.js';

type In = StreamRecord<string, number>;

/** A topology with one effect, and what its calls were given. */
function calling(run?: (record: In) => void | Promise<void>): { target: Topology; calls: string[] } {
  const calls: string[] = [];
  const target = topology('shop', (t) => {
    t.stream('in', json<number>())
      .pipe(
        effect('notify', {
          inline: true,
          run: async (record, { idempotencyKey }) => {
            calls.push(`${record.key}${record.value} ${idempotencyKey}`);
            await run?.(record);
          },
        }),
      )
      .pipe(to('out', json<number>()));
  });
  return { target, calls };
}

describe('an inline effect', () => {
  it('calls once for each record, in order, under keys made of their positions, and passes the records on', async () => {
    const { target, calls } = calling();
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 1, 10],
      ['b', 2, 20],
    ]);
    assert.deepEqual(calls, ['a1 shop/notify/in-0@0', 'b2 shop/notify/in-0@1']);
    assert.deepEqual(await read(driver), [
      ['a', 1, 10],
      ['b', 2, 20],
    ]);
    await driver.close();
    assert.equal(calls.length, 2);
  });

  it('numbers the records that one source record causes, whatever the batches', async () => {
    for (const batchRecords of [1, 2, 1_000]) {
      const keys: string[] = [];
      const target = topology('shop', (t) => {
        t.stream('in', json<number>()).pipe(
          flatMapValues((n) => Array.from({ length: n }, (_, i) => i)),
          effect('notify', { inline: true, run: (_record, { idempotencyKey }) => void keys.push(idempotencyKey) }),
        );
      });
      const driver = await open(target, { batchRecords });
      await feed(driver, 'in', [
        ['a', 2],
        ['b', 0],
        ['c', 3],
      ]);
      assert.deepEqual(keys, [
        'shop/notify/in-0@0',
        'shop/notify/in-0@0#1',
        'shop/notify/in-0@2',
        'shop/notify/in-0@2#1',
        'shop/notify/in-0@2#2',
      ]);
    }
  });

  it('gives each record a key of its own, whichever of several operators before it made several records', async () => {
    const keys: string[] = [];
    const twice = (name: string) =>
      process({
        name,
        process: (record: In, { forward }) => {
          forward(record);
          forward(record);
        },
      });
    const target = topology('shop', (t) => {
      t.stream('in', json<number>()).pipe(
        twice('one'),
        flatMapValues((n) => [n, n]),
        twice('two'),
        flatMapValues((n) => [n, n]),
        effect('notify', { inline: true, run: (_record, { idempotencyKey }) => void keys.push(idempotencyKey) }),
      );
    });
    const driver = await open(target);
    await feed(driver, 'in', [['a', 1, 10]]);
    await driver.close();
    assert.equal(keys.length, 16);
    assert.equal(new Set(keys).size, 16);
    assert.equal(keys[5], 'shop/notify/in-0@0>process one>process two#1>#1');
  });

  it('makes keys of the id of the event, if it has an id function', async () => {
    const keys: string[] = [];
    const target = topology('shop', (t) => {
      t.stream('in', json<{ id: string }>()).pipe(
        effect('notify', {
          inline: true,
          id: ({ value }) => value.id,
          run: (_record, { idempotencyKey }) => void keys.push(idempotencyKey),
        }),
      );
    });
    const driver = await open(target, { applicationId: 'shop-eu' });
    await feed(driver, 'in', [['a', { id: 'e-7' }]]);
    assert.deepEqual(keys, ['shop-eu/notify/e-7']);
  });

  it('calls in record order over several effects, when the batch is processed and before its commit', async () => {
    const log: string[] = [];
    const target = topology('shop', (t) => {
      const input = t.stream('in', json<number>());
      input.pipe(
        count({ store: 'counts' }),
        toStream(),
        mapValues((n) => {
          log.push(`counted ${n}`);
          return n;
        }),
        effect('late', { inline: true, run: ({ value }) => void log.push(`late ${value}`) }),
      );
      input.pipe(effect('early', { inline: true, run: ({ value }) => void log.push(`early ${value}`) }));
    });
    const driver = await open(target);
    await driver.crash('1 settle');
    await feed(driver, 'in', [
      ['a', 1],
      ['a', 2],
    ]);
    assert.deepEqual(log, ['counted 1', 'counted 2', 'late 1', 'early 1', 'late 2', 'early 2']);
  });

  it('calls again after a crash before the commit, under the same keys, and not after one behind it', async () => {
    for (const [step, again] of [
      ['1 settle', true],
      ['2 log', true],
      ['4 apply', false],
    ] as const) {
      const { target, calls } = calling();
      const driver = await open(target);
      await driver.crash(step);
      await feed(driver, 'in', [['a', 1]]);
      await driver.restart();
      assert.deepEqual(calls, Array(again ? 2 : 1).fill('a1 shop/notify/in-0@0'), step);
      assert.deepEqual(await values(driver), [1]);
    }
  });

  it('is silent if its option says so, or call by call; the calls that it leaves out are counted', async () => {
    const silent = calling();
    const first = await open(silent.target, { effects: 'silent' });
    await feed(first, 'in', [['a', 1]]);
    assert.deepEqual(silent.calls, []);
    assert.deepEqual(await values(first), [1]);
    assert.deepEqual(first.metrics.nodes['effect notify'], { silenced: 1 });

    const some = calling();
    const asked: string[] = [];
    const second = await open(some.target, {
      effects: ({ node, idempotencyKey, record, position }) => {
        asked.push(`${node} ${idempotencyKey} ${record.value} ${position.offset}`);
        return position.offset > 0;
      },
    });
    await feed(second, 'in', [
      ['a', 1],
      ['a', 2],
    ]);
    assert.deepEqual(some.calls, ['a2 shop/notify/in-0@1']);
    assert.deepEqual(asked, ['effect notify shop/notify/in-0@0 1 0', 'effect notify shop/notify/in-0@1 2 1']);
    assert.deepEqual(second.metrics.nodes['effect notify'], { silenced: 1, called: 1 });
  });

  it('goes the way of the policy if a call fails: retried, dead-lettered with its record, or the end', async () => {
    const attempt = async (onError: TestDriverOptions['onError']) => {
      let failures = 1;
      const { target, calls } = calling(({ value }) => {
        if (value === 1 && failures-- > 0) throw new Error('no answer');
      });
      const driver = await open(target, { onError: onError ?? {} });
      return { driver, calls };
    };
    const retried = await attempt({ process: { retry: 1, backoff: '0ms', then: 'fail' } });
    await feed(retried.driver, 'in', [
      ['a', 1],
      ['b', 2],
    ]);
    assert.deepEqual(
      retried.calls.map((call) => call.slice(0, 2)),
      ['a1', 'a1', 'b2'],
    );

    const lettered = await attempt({ process: 'deadLetter' });
    await feed(lettered.driver, 'in', [
      ['a', 1],
      ['b', 2],
    ]);
    assert.deepEqual(
      lettered.calls.map((call) => call.slice(0, 2)),
      ['a1', 'b2'],
    );
    const [letter] = await deadLetters(lettered.driver);
    assert.deepEqual(
      [letter?.value, letter?.code, letter?.operator, letter?.from],
      [1, 'PROCESS_FAILED', 'effect notify', 'in[0]@0'],
    );

    const ended = await attempt({});
    await assert.rejects(feed(ended.driver, 'in', [['a', 1]]), failure('PROCESS_FAILED', /no answer/));
  });

  it('CONFIG_INVALID: effects are neither live nor silent', async () => {
    const { target } = calling();
    await assert.rejects(open(target, { effects: 'loud' as never }), failure('CONFIG_INVALID', /effects.*loud/s));
  });
});
