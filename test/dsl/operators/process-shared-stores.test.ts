import assert from 'node:assert/strict';
import fc from 'fast-check';
import { merge } from 'rxjs';
import { process, type StreamRecord, to, topology, validate } from '#src/index.js';
import { feed, json, open, read, rows, type Short } from '../support.js';

type In = StreamRecord<string, number>;
const numbers = json<number>();

/** Three processors on two topics share three stores: each writes to stores of the others. */
const shared = topology('test', (t) => {
  const first = t.stream('first', numbers).pipe(
    process({
      name: 'sums',
      stores: { sums: numbers, counts: numbers },
      process({ key, value }: In, { stores: { sums, counts }, forward }) {
        sums.put(key, (sums.get(key) ?? 0) + value);
        counts.put(key, (counts.get(key) ?? 0) + 1);
        forward({ key, value: sums.get(key) ?? 0 });
      },
    }),
  );
  const second = t.stream('second', numbers).pipe(
    process({
      name: 'takes',
      stores: { taken: numbers },
      uses: ['sums', 'counts'],
      reads: ({ key }) => ['sums', 'counts', 'taken'].map((store) => [store, key] as const),
      process({ key, value }: In, { store, forward }) {
        const [sums, counts, taken] = ['sums', 'counts', 'taken'].map((name) => store<string, number>(name)) as any;
        sums.put(key, (sums.get(key) ?? 0) - value);
        taken.put(key, (taken.get(key) ?? 0) + value);
        forward({ key, value: counts.get(key) ?? 0 });
      },
    }),
  );
  merge(first, second)
    .pipe(
      process({
        name: 'balance',
        uses: ['sums', 'taken', 'counts'],
        async process({ key, value }: In, { store, forward }): Promise<void> {
          const [sum, taken] = [
            await store<string, number>('sums').load(key),
            await store<string, number>('taken').load(key),
          ];
          const counts = store<string, number>('counts');
          if (taken !== null && taken % 5 === 0) counts.delete(key);
          forward({ key, value: value * 10_000 + (sum ?? 0) * 100 + (taken ?? 0) });
        },
      }),
    )
    .pipe(to('out', numbers));
});

const record = fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat({ max: 9 }), fc.nat({ max: 50 }));
const records = fc.array(record, { maxLength: 25 });

/** The same in a few lines: one record after the other, each through to the end. */
function model(first: readonly Short<number>[], second: readonly Short<number>[]): unknown {
  const [sums, counts, taken] = [new Map<string, number>(), new Map<string, number>(), new Map<string, number>()];
  const add = (map: Map<string, number>, key: string, n: number) => map.set(key, (map.get(key) ?? 0) + n);
  const out: unknown[] = [];
  const queues = [[...first], [...second]] as [Short<number>[], Short<number>[]];
  for (;;) {
    const [one, two] = [queues[0][0], queues[1][0]];
    if (!one && !two) break;
    const from = two === undefined || (one !== undefined && (one[2] ?? 0) <= (two[2] ?? 0)) ? 0 : 1;
    const [key, n, timestamp] = queues[from].shift() as [string, number, number];
    add(sums, key, from === 0 ? n : -n);
    if (from === 0) add(counts, key, 1);
    else add(taken, key, n);
    const value = from === 0 ? sums.get(key) : (counts.get(key) ?? 0);
    const all = taken.get(key);
    if (all !== undefined && all % 5 === 0) counts.delete(key);
    out.push([key, (value ?? 0) * 10_000 + (sums.get(key) ?? 0) * 100 + (all ?? 0), timestamp]);
  }
  return { out, sums: Object.fromEntries(sums), counts: Object.fromEntries(counts), taken: Object.fromEntries(taken) };
}

describe('processors that share several stores', () => {
  it('change them record by record, each through to the end, whatever the batches, and over a crash', async () => {
    await fc.assert(
      fc.asyncProperty(records, records, fc.constantFrom(1, 2, 7, 1_000), async (first, second, batchRecords) => {
        const driver = await open(shared, { batchRecords });
        await driver.crash();
        await feed(driver, 'first', first);
        await feed(driver, 'second', second);
        await driver.restart();
        await driver.crash();
        await driver.restart();
        const stores = {
          sums: await rows(driver, 'sums'),
          counts: await rows(driver, 'counts'),
          taken: await rows(driver, 'taken'),
        };
        assert.deepEqual({ out: await read(driver), ...stores }, model(first, second));
        await driver.close();
      }),
      { numRuns: 60 },
    );
  });

  it('run in one stage and one task: their topics must be equally wide', async () => {
    assert.deepEqual(shared.graph.coPartitioned, [['source first', 'source second']]);
    assert.equal(shared.graph.subTopologies.length, 1);
  });

  it('must name stores that there are', () => {
    const target = topology('test', (t) => {
      t.stream('in', numbers).pipe(
        process({ name: 'p', uses: ['summs'], process: (_: In) => undefined }),
        to('out', numbers),
      );
      t.table('rows', { ...numbers, store: 'sums' });
    });
    assert.deepEqual(validate(target), [
      {
        where: 'process p',
        what: 'it uses the store "summs", which does not exist',
        advice: 'Did you mean "sums"? Name a store of another operator or of a global table.',
      },
    ]);
  });
});
