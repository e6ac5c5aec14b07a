import assert from 'node:assert/strict';
import fc from 'fast-check';
import { merge, mergeMap, type OperatorFunction, partition, map as plainMap } from 'rxjs';
import {
  type ErrorPolicy,
  filterValues,
  flatMapValues,
  groupBy,
  map,
  mapValues,
  peek,
  reduce,
  selectKey,
  serdes,
  type Topology,
  to,
  topology,
  toStream,
} from '#src/index.js';
import { deadLetters, feed, json, open, read, values } from '../support.js';

const out = json<any>();

/** Operators that call a function, by name. */
const OPERATORS: Record<string, (called: (value: number) => number) => OperatorFunction<any, any>> = {
  peek: (called) => peek(({ value }: any) => void called(value)),
  mapValues: (called) => mapValues((n: any) => called(n)),
  filterValues: (called) => filterValues((n: any) => called(n) > 0),
  flatMapValues: (called) => flatMapValues((n: number) => [called(n), n]),
  selectKey: (called) => selectKey(({ key, value }: any) => `${key}${called(value)}`),
  map: (called) => map(({ key, value }: any) => [key, called(value)] as const),
};

describe('a pipeline that several follow', () => {
  for (const [name, operator] of Object.entries(OPERATORS)) {
    it(`runs once for each record, and fails once: ${name}`, async () => {
      const called: number[] = [];
      const target = topology('test', (t) => {
        const shared = t.stream('in', out).pipe(
          operator((n) => {
            called.push(n);
            if (n === 3) throw new Error('three');
            return n;
          }),
        );
        shared.pipe(to('out', out));
        merge(shared, shared).pipe(to('twice', out));
        const [even, odd] = partition(shared, ({ value }: any) => value % 2 === 0);
        even.pipe(to('even', out));
        odd.pipe(to('odd', out));
      });
      const driver = await open(target, { onError: { process: 'deadLetter' } });
      await feed(driver, 'in', [
        ['a', 1],
        ['a', 2],
        ['a', 3],
        ['a', 4],
      ]);
      assert.deepEqual(called, [1, 2, 3, 4]);
      const all = await values(driver);
      assert.deepEqual([...new Set(all)], [1, 2, 4]);
      assert.deepEqual(
        await values(driver, 'twice'),
        all.length === 3 ? [1, 1, 2, 2, 4, 4] : [1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4],
      );
      assert.deepEqual(
        await values(driver, 'even'),
        all.filter((n: any) => n % 2 === 0),
      );
      assert.deepEqual(
        await values(driver, 'odd'),
        all.filter((n: any) => n % 2 === 1),
      );
      assert.equal((await deadLetters(driver)).length, 1);
    });
  }

  it('of a table runs once for each change, but for those that are let go', async () => {
    const called: unknown[] = [];
    const target = topology('test', (t) => {
      const shared = t.table('in', { ...json<number>(), store: 'in' }).pipe(
        peek(({ value }) => void called.push(value)),
        mapValues((n) => {
          if (n === 3) throw new Error('three');
          return n;
        }),
      );
      shared.pipe(toStream(), to('out', out));
      shared.pipe(
        groupBy(() => 'all', { key: serdes.string, value: serdes.json<number>(), name: 'all' }),
        reduce({ store: 'sum', value: serdes.double, add: (a, b) => a + b, subtract: (a, b) => a - b }),
        toStream(),
        to('sums', out),
      );
    });
    const driver = await open(target, { onError: { process: 'deadLetter' } });
    await feed(driver, 'in', [
      ['a', 1],
      ['a', 2],
      ['a', 3],
      ['a', 4],
    ]);
    assert.deepEqual(called, [1, 2, 3, 3, 4]);
    assert.deepEqual(await values(driver), [1, 2, null, 4]);
    assert.equal((await values(driver, 'sums')).at(-1), 4);
    assert.equal((await deadLetters(driver)).length, 1);
  });

  it('is tried again for all that follow, once; what fails alone is then tried alone', async () => {
    const called: string[] = [];
    let fails = 2;
    const target = topology('test', (t) => {
      const shared = t.stream('in', json<number>()).pipe(
        mapValues((n) => {
          called.push('shared');
          if (fails-- > 0) throw new Error('not yet');
          return n;
        }),
      );
      shared.pipe(
        peek(() => void called.push('a')),
        to('a', out),
      );
      shared.pipe(
        mapValues((): number => {
          called.push('b');
          throw new Error('never');
        }),
        to('b', out),
      );
    });
    const driver = await open(target, { onError: { process: { retry: 3, backoff: '0ms', then: 'deadLetter' } } });
    await feed(driver, 'in', [['k', 1]]);
    assert.deepEqual(called.slice(0, 5), ['shared', 'shared', 'shared', 'a', 'b']);
    assert.deepEqual(called.filter((name) => name === 'a').length, 1);
    assert.deepEqual(await values(driver, 'a'), [1]);
    assert.deepEqual(await values(driver, 'b'), []);
    assert.deepEqual(
      (await deadLetters(driver)).map(({ operator }) => operator),
      ['to b'],
    );
  });

  it('gives each the same as a pipeline of its own would (property)', async () => {
    const STEPS: Record<string, () => OperatorFunction<any, any>> = {
      peek: () => peek(() => undefined),
      throws: () =>
        mapValues((n: any) => {
          if (n % 5 === 0) throw new Error(`${n}`);
          return n + 1;
        }),
      filterValues: () => filterValues((n: any) => n % 3 !== 0),
      flatMapValues: () => flatMapValues((n: number) => [n, n + 2, n + 3]),
      'throws in the middle': () =>
        flatMapValues(function* (n: number) {
          yield n;
          if (n % 7 === 0) throw new Error(`${n}`);
          yield n + 1;
        }),
      'plain map': () => plainMap((record: any) => ({ ...record, value: record.value + 1 })),
      'the same twice': () => mergeMap((record: any) => [record, record]),
      selectKey: () => selectKey(({ key }: any) => key),
    };
    const steps = fc.array(fc.constantFrom(...Object.keys(STEPS)), { maxLength: 4 });
    const applied = (source: any, names: readonly string[]) =>
      names.reduce((from, name) => from.pipe((STEPS[name] as () => OperatorFunction<any, any>)()), source);
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.array(steps, { minLength: 2, maxLength: 3 }),
        fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 12 }),
        fc.constantFrom<ErrorPolicy>('skip', { retry: 1, backoff: '0ms', then: 'skip' }),
        fc.constantFrom(1, 3, 1_000),
        async (first, ways, given, process, batchRecords) => {
          const run = async (build: (stream: any) => readonly any[]): Promise<unknown> => {
            const target: Topology = topology('test', (t) => {
              for (const [i, way] of build(t.stream('in', out)).entries()) way.pipe(to(`out-${i}`, out));
            });
            const driver = await open(target, { onError: { process }, batchRecords });
            await feed(
              driver,
              'in',
              given.map((n, i) => [`k${n % 3}`, n, i] as const),
            );
            const found = [];
            for (const i of ways.keys()) found.push(await read(driver, `out-${i}`));
            await driver.close();
            return found;
          };
          const shared = await run((stream) => {
            const from = applied(stream, first);
            return ways.map((way) => applied(from, way));
          });
          const own = await run((stream) => ways.map((way) => applied(applied(stream, first), way)));
          assert.deepEqual(shared, own);
        },
      ),
      { numRuns: 60 },
    );
  });
});
