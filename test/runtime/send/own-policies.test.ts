// Promise: several policies in one topology. Each record that fails follows the policy of where it fails, and only that.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { catchError, filter, map as mapRecords, merge, of } from 'rxjs';
import {
  aggregate,
  cogroup,
  count,
  type ErrorPolicy,
  filterValues,
  groupBy,
  mapValues,
  peek,
  process,
  serdes,
  to,
  topology,
  toStream,
} from '#src/index.js';
import { NotReady } from '#src/model/not-ready.js';
import { deadLetters, failure, feed, json, open, type Short, through, values } from '../../dsl/support.js';
import { Application } from '../../support/application.js';

const failsOn = <T>(bad: readonly number[], n: number, then: T): T => {
  if (bad.includes(n)) throw new Error(`saw ${n}`);
  return then;
};
const numbers = (...given: number[]): Short[] => given.map((n, i) => ['a', n, i]);

describe('several policies in one topology', () => {
  it('apply to what fails in their own operators', async () => {
    const target = through<number>((input) =>
      input.pipe(
        mapValues((n) => failsOn([1], n, n), { onError: 'skip' }),
        mapRecords((record) => failsOn([2], record.value, record)),
        filterValues((n) => failsOn([3], n, true), { onError: 'deadLetter' }),
        process({ name: 'checked', onError: { retry: 2, backoff: '1s', then: 'skip' } }, (record, { emit }) =>
          emit(failsOn([4], record.value, record)),
        ),
        mapValues((n) => failsOn([5], n, n), { onError: { retry: 1, backoff: '1s', then: 'deadLetter' } }),
      ),
    );
    const driver = await open(target, { onError: { process: { retry: 4, backoff: '1s', then: 'skip' } } });
    await feed(driver, 'in', numbers(0, 1, 2, 3, 4, 5, 6));
    assert.deepEqual(await values(driver), [0, 6]);
    const letters = await deadLetters(driver);
    assert.deepEqual(
      letters.map(({ value, from }) => [value, from]),
      [
        [3, 'in[0]@3'],
        [5, 'in[0]@5'],
      ],
    );
    assert.deepEqual(driver.metrics.nodes, {
      'process checked': { skipped: 3, retries: 6, 'dead-letter': 1 },
      'to out': { retries: 1, 'dead-letter': 1 },
    });
  });

  it('do not apply to a plain operator before, between or after them', async () => {
    const own = { onError: 'skip' } as const;
    for (const bad of [1, 2, 3]) {
      const target = through<number>((input) =>
        input.pipe(
          mapRecords((record) => (bad === 1 ? failsOn([1], record.value, record) : record)),
          mapValues((n) => n, own),
          mapRecords((record) => (bad === 2 ? failsOn([2], record.value, record) : record)),
          count({ store: 's', ...own }),
          toStream(),
          mapRecords((record) => (bad === 3 ? failsOn([3], 3, record) : record)),
        ),
      );
      const driver = await open(target, { onError: { process: 'fail' } });
      await assert.rejects(feed(driver, 'in', numbers(bad)), failure('PROCESS_FAILED', new RegExp(`saw ${bad}`)));
    }
  });

  it('do not go on over what no policy goes on over', async () => {
    const target = through<number>((input) =>
      input.pipe(
        mapRecords((record) => ({ ...record, key: 'x' })),
        count({ store: 's', onError: 'skip' }),
        toStream(),
      ),
    );
    await assert.rejects(feed(await open(target), 'in', numbers(1)), failure('KEY_CHANGED'));
  });

  it('count a record once that fails before several operators', async () => {
    const target = topology('test', (t) => {
      const checked = t
        .stream('in', json<number>())
        .pipe(mapValues((n) => failsOn([2], n, n), { onError: 'deadLetter' }));
      checked.pipe(to('out', json<number>()));
      checked.pipe(count({ store: 's' }), toStream(), to('counts', json<number>()));
    });
    const driver = await open(target);
    await feed(driver, 'in', numbers(1, 2, 3));
    assert.deepEqual(await values(driver), [1, 3]);
    assert.deepEqual(await values(driver, 'counts'), [1, 2]);
    assert.equal((await deadLetters(driver)).length, 1);
  });

  it('are each applied if operators before several inputs of one node fail', async () => {
    const target = (first: ErrorPolicy, second: ErrorPolicy) =>
      through<number>((input) =>
        cogroup<string, number>({ store: 's', value: serdes.json<number>(), initial: () => 0 }, (add) =>
          [first, second].map((onError) =>
            add(input.pipe(mapValues((n) => failsOn([2], n, n), { onError })), (all, { value }) => all + value),
          ),
        ).pipe(toStream()),
      );
    const driver = await open(target('skip', 'deadLetter'));
    await feed(driver, 'in', numbers(1, 2, 3));
    assert.deepEqual(await values(driver), [1, 2, 5, 8]);
    assert.equal((await deadLetters(driver)).length, 1);
    assert.deepEqual(driver.metrics.nodes['cogroup s'], { skipped: 1, 'dead-letter': 1 });
    for (const [first, second] of [
      ['skip', 'fail'],
      ['fail', 'skip'],
    ] as const)
      await assert.rejects(
        feed(await open(target(first, second)), 'in', numbers(1, 2, 3)),
        failure('PROCESS_FAILED', /in\[0\]@1/),
      );
  });

  it('end the way of a record to a node at the first operator that fails, of several paths that meet', async () => {
    const target = through<number>((input) =>
      merge(
        input,
        input.pipe(mapValues((n) => failsOn([2], n, n), { onError: 'skip' })),
        input.pipe(mapValues((n) => failsOn([2, 3], n, n), { onError: 'deadLetter' })),
      ),
    );
    const driver = await open(target);
    await feed(driver, 'in', numbers(1, 2, 3, 4));
    assert.deepEqual(await values(driver), [1, 1, 1, 4, 4, 4]);
    assert.deepEqual(driver.metrics.nodes['to out'], { skipped: 1, 'dead-letter': 1 });
  });

  it('are told apart if two operators throw the same object', async () => {
    for (const thrown of [new Error('one for all'), 'a text']) {
      const throwing = (onError?: ErrorPolicy) =>
        mapValues<any, number>(
          (n: number) => {
            if (n === 2) throw thrown;
            return n;
          },
          onError === undefined ? {} : { onError },
        );
      const target = topology('test', (t) => {
        const input = t.stream('in', json<number>());
        input.pipe(throwing('skip'), to('out', json<any>()));
        input.pipe(throwing('deadLetter'), to('other', json<any>()));
        input.pipe(throwing(), to('last', json<any>()));
      });
      const driver = await open(target, { onError: { process: 'skip' } });
      await feed(driver, 'in', numbers(1, 2, 3));
      for (const topic of ['out', 'other', 'last']) assert.deepEqual(await values(driver, topic), [1, 3]);
      assert.equal((await deadLetters(driver)).length, 1);
      assert.deepEqual(driver.metrics.nodes, {
        'to out': { skipped: 1 },
        'to other': { 'dead-letter': 1 },
        'to last': { skipped: 1 },
      });
    }
  });

  it('leave an error alone that a plain operator catches, and do not follow it elsewhere', async () => {
    const error = new Error('the same');
    const target = topology('test', (t) => {
      const input = t.stream('in', json<number>());
      input.pipe(
        mapValues(
          (n) => {
            if (n === 2) throw error;
            return n;
          },
          { onError: 'skip' },
        ),
        catchError((caught) => {
          assert.equal(caught, error);
          return of();
        }),
        to('out', json<any>()),
      );
      input.pipe(
        mapRecords((record) => {
          if (record.value === 3) throw error;
          return record;
        }),
        to('other', json<any>()),
      );
    });
    const driver = await open(target, { onError: { process: 'deadLetter' } });
    // An operator that completes ends the application: the stream has ended at the error.
    await assert.rejects(feed(driver, 'in', numbers(2)), failure('TOPOLOGY_INVALID', /ended the stream/));
    const again = await open(target, { onError: { process: 'deadLetter' } });
    await feed(again, 'in', numbers(3));
    assert.equal((await deadLetters(again)).length, 1);
  });

  it('wait for what is not ready, which is no failure', async () => {
    let ready = false;
    const fetch = async (): Promise<void> => {
      ready = true;
    };
    const target = through<number>((input) =>
      input.pipe(
        mapValues(
          (n) => {
            if (!ready) throw new NotReady(fetch);
            return n;
          },
          { onError: 'skip' },
        ),
      ),
    );
    const driver = await open(target);
    await feed(driver, 'in', numbers(1, 2));
    assert.deepEqual(await values(driver), [1, 2]);
    assert.deepEqual(driver.metrics.nodes, {});
  });

  it('count the attempts of a record together, and the operator that threw last decides', async () => {
    const app = new Application({
      topology: topology('app', (t) => {
        let tries = 0;
        t.stream('in', json<number>()).pipe(
          mapValues(
            (n) => {
              if (n === 2 && ++tries < 3) throw new Error('not yet');
              return n;
            },
            { onError: { retry: 5, backoff: { kind: 'exponential', from: '1s', max: '1m' }, then: 'fail' } },
          ),
          mapValues((n) => failsOn([2], n, n), { onError: { retry: 3, backoff: '10s', then: 'skip' } }),
          to('out', json<number>()),
        );
      }),
    });
    await app.createTopics({ in: 1, out: 1 });
    await app.write(
      'in',
      [1, 2, 3].map((n) => ({ key: 'a', value: String(n), timestamp: n })),
    );
    await app.start();
    const begun = app.clock.now();
    await app.runThrough();
    // Two pauses of the first operator, one of the second: its third retry is over.
    assert.ok(app.clock.now() - begun >= 1_000 + 2_000 + 10_000, `${app.clock.now() - begun}`);
    assert.deepEqual(app.engine?.progress().metrics.nodes, { 'to out': { retries: 3, skipped: 1 } });
    assert.deepEqual(
      (await app.read('out')).map(({ value }) => value),
      ['1', '3'],
    );
    await app.close();
  });

  for (const guarantee of ['exactly_once', 'at_least_once'] as const) {
    it(`apply to outputs that the broker refuses: ${guarantee}`, async () => {
      const grown = (onError?: ErrorPolicy) =>
        topology('test', (t) => {
          const large = t
            .stream('in', json<number>())
            .pipe(mapValues((n) => (n === 2 ? 'x'.repeat(1_100_000) : `${n}`)));
          large.pipe(to('out', { ...json<string>(), ...(onError && { onError }) }));
          large.pipe(
            filterValues((text) => text.length < 9),
            to('other', json<string>()),
          );
        });
      const driver = await open(grown('deadLetter'), { guarantee });
      await feed(driver, 'in', numbers(1, 2, 3));
      await driver.restart();
      assert.deepEqual(await values(driver), ['1', '3']);
      assert.deepEqual(await values(driver, 'other'), ['1', '3']);
      assert.deepEqual(
        (await deadLetters(driver)).map(({ value, operator }) => [value, operator]),
        [[2, 'to out']],
      );
      const strict = await open(grown('fail'), { guarantee, onError: { produce: 'skip' } });
      await assert.rejects(feed(strict, 'in', numbers(1, 2, 3)), failure('PRODUCE_FAILED'));
    });

    it(`give the same after a crash in each step of a commit: ${guarantee}`, async () => {
      for (const step of ['1 settle', '2 log', '3 offsets', '4 apply'] as const) {
        const app = new Application({
          topology: topology('app', (t) => {
            t.stream('in', json<number>()).pipe(
              mapValues((n) => failsOn([2], n, n), { onError: { retry: 2, backoff: '1s', then: 'skip' } }),
              aggregate({
                store: 'sum',
                value: serdes.json<number>(),
                initial: () => 0,
                add: (sum, { value }) => failsOn([4], value, sum + value),
                onError: 'deadLetter',
              }),
              to('out', json<number>()),
            );
          }),
          options: { guarantee, commitRecords: 2, batchRecords: 2 },
        });
        await app.createTopics({ in: 1, out: 1 });
        await app.write(
          'in',
          [1, 2, 3, 4, 5, 6].map((n) => ({ key: 'a', value: String(n), timestamp: n })),
        );
        let left = 3;
        app.crashHere = (at) => at === step && left-- > 0;
        await app.runThrough();
        assert.equal(app.crashes, 3);
        assert.deepEqual(await app.rows(), { 'sum[in-0] "a"': '15 at 6' });
        const letters = (await app.read('app-dead-letter')).map(({ value }) => value);
        assert.deepEqual([...new Set(letters)], ['4']);
        if (guarantee === 'exactly_once') assert.equal(letters.length, 1);
        await app.close();
      }
    });
  }
});

describe('rows of tables under several policies', () => {
  it('leave downstream; what fails further down, under fail, ends the application', async () => {
    // The first passes the row on although it fails: then the second meets it.
    const target = (second: ErrorPolicy) =>
      topology('test', (t) => {
        t.table('in', { ...json<number>(), store: 'in' }).pipe(
          peek(({ value }) => void failsOn([2], value ?? 0, 0), { onError: 'skip' }),
          mapValues((n) => failsOn([2], n, n), { onError: second }),
          to('out', json<number>()),
        );
      });
    await assert.rejects(
      feed(await open(target('fail'), { onError: { process: 'skip' } }), 'in', numbers(1, 2, 3)),
      failure('PROCESS_FAILED', /in\[0\]@1/),
    );
    const driver = await open(target('deadLetter'));
    await feed(driver, 'in', numbers(1, 2, 3));
    assert.deepEqual(await values(driver), [1, null, 3]);
    assert.equal((await deadLetters(driver)).length, 1);
    assert.deepEqual(driver.metrics.nodes['to out'], { skipped: 1, 'dead-letter': 1 });
  });

  it('leave downstream of a plain operator by the policy of the application', async () => {
    const target = topology('test', (t) => {
      t.table('in', { ...json<number>(), store: 'in' }).pipe(
        filter((record) => failsOn([2], record.value ?? 0, true)),
        mapValues((n) => failsOn([3], n, n), { onError: 'skip' }),
        to('out', json<number>()),
      );
    });
    const driver = await open(target, { onError: { process: 'deadLetter' } });
    await feed(driver, 'in', numbers(1, 2, 1, 3, 4));
    assert.deepEqual(await values(driver), [1, null, 1, null, 4]);
    assert.deepEqual(driver.metrics.nodes['to out'], { skipped: 1, 'dead-letter': 1 });
  });

  const policies = fc.constantFrom<ErrorPolicy | undefined>(
    undefined,
    'skip',
    'deadLetter',
    { retry: 1, backoff: '1s', then: 'skip' },
    { retry: 2, backoff: { kind: 'fixed', every: '1s', jitter: 1 }, then: 'deadLetter' },
  );
  const steps = fc.array(
    fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 8 }) }, fc.constant('crash' as const)),
    {
      minLength: 1,
      maxLength: 25,
    },
  );

  it('are in sums exactly if no operator fails on them, whatever the policies (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(policies, { minLength: 5, maxLength: 5 }),
        policies,
        steps,
        async (own, process, given) => {
          const option = (i: number) => (own[i] === undefined ? {} : { onError: own[i] });
          const target = topology('test', (t) => {
            t.table('in', { ...json<number>(), store: 'in' }).pipe(
              peek(({ value }) => void failsOn([1, 2], value ?? 0, 0), option(0)),
              mapValues((n) => failsOn([2, 3], n, n), option(1)),
              filterValues((n) => failsOn([4], n, n !== 8), option(2)),
              groupBy(({ value }) => failsOn([5], value, 'all'), {
                ...{ key: serdes.string, value: serdes.json<number>(), name: 'all', ...option(3) },
              }),
              aggregate({
                store: 'sum',
                value: serdes.json<number>(),
                initial: () => 0,
                add: (sum, { value }) => failsOn([6], value, sum + value),
                subtract: (sum, { value }) => sum - value,
                ...option(4),
              }),
            );
          });
          // If all have their own, that of the application does not matter.
          const others = own.includes(undefined) ? (process ?? 'skip') : 'fail';
          const driver = await open(target, { onError: { process: others } });
          for (const each of given) {
            if (each === 'crash') {
              await driver.crash();
              await driver.restart();
              continue;
            }
            await feed(driver, 'in', [['a', each === 0 ? null : each]]);
            const expected = [0, 2, 3, 4, 5, 6, 8].includes(each) ? 0 : each;
            const rows = Object.fromEntries(await driver.store<string, number>('sum').entries());
            assert.equal(rows.all ?? 0, expected, `after ${each}`);
          }
          await driver.close();
        },
      ),
      { numRuns: 40 },
    );
  });
});
