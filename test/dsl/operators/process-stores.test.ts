import assert from 'node:assert/strict';
import { count, process, type StreamRecord, selectKey, serdes, to, topology } from '#src/index.js';
import { deadLetters, failure, feed, json, open, outputOf, read, rows, through, values } from '../support.js';

type In = StreamRecord<string, number>;
const numbers = json<number>();

/** A Standard Schema, as zod and others make one. */
const wholeNumbers = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value: unknown) =>
      Number.isInteger(value) ? { value: value as number } : { issues: [{ message: 'not a whole number' }] },
  },
} as const;

describe('the stores of a process', () => {
  it('keeps what it puts in its stores over a crash, and reads the row of the key at hand at once', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'total',
          stores: { totals: numbers },
          process({ key, value }: In, { stores: { totals }, forward }) {
            const total = (totals.get(key) ?? 0) + value;
            totals.put(key, total);
            forward({ key, value: total });
          },
        }),
      ),
    );
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 1, 1],
      ['a', 2, 2],
      ['b', 5, 3],
    ]);
    await driver.crash('3 offsets');
    await feed(driver, 'in', [['a', 4, 4]]);
    await driver.restart();
    await feed(driver, 'in', [['a', 8, 5]]);
    assert.deepEqual(await values(driver), [1, 3, 5, 7, 15]);
    assert.deepEqual(await rows(driver, 'totals'), { a: 15, b: 5 });
  });

  it('may be async, and still handles one record at a time, in order', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'slow',
          stores: { seen: numbers },
          async process({ key, value }: In, { stores: { seen }, forward }) {
            const before = (await seen.load('all')) ?? 0;
            for (let turns = value; turns > 0; turns--) await Promise.resolve();
            seen.put('all', before + 1);
            forward({ key, value: before * 100 + value });
          },
        }),
      ),
    );
    assert.deepEqual(
      (
        await outputOf(target, [
          ['a', 9],
          ['b', 0],
          ['c', 4],
        ])
      ).map(([, value]) => value),
      [9, 100, 204],
    );
  });

  it('reads at once what reads names, and any key with load', async () => {
    const target = through<string>((input) =>
      input.pipe(
        process({
          name: 'p',
          stores: { rows: json<string>() },
          reads: (record: StreamRecord<string, string>) => [['rows', `other-${record.key}`]],
          async process({ key, value }, { stores: { rows }, forward }) {
            forward({ key, value: `${rows.get(`other-${key}`)} ${await rows.load(key)}` });
            rows.put(`other-${key}`, value);
            rows.put(key, value.toUpperCase());
          },
        }),
      ),
    );
    assert.deepEqual(
      (
        await outputOf(target, [
          ['a', 'x'],
          ['b', 'y'],
          ['a', 'z'],
        ])
      ).map(([, value]) => value),
      ['null null', 'null null', 'x X'],
    );
  });

  it('STORE_KEY_NOT_LOADED: it reads a key at once that was not declared', async () => {
    const target = through<string>((input) =>
      input.pipe(
        process({
          name: 'p',
          stores: { rows: json<string>() },
          process: (_: StreamRecord<string, string>, { stores }) => void stores.rows.get('far away'),
        }),
      ),
    );
    await assert.rejects(outputOf(target, [['a', 'x']]), failure('STORE_KEY_NOT_LOADED', /far away/));
  });

  it("reads another operator's store that it lists under uses, as of its own record", async () => {
    const target = topology('test', (t) => {
      t.table('rows', { ...json<string>(), store: 'rows' });
      t.stream('in', numbers).pipe(
        process({
          name: 'look-up',
          uses: ['rows'],
          async process({ key }: In, { store, forward }): Promise<void> {
            forward({ key, value: ((await store<string, string>('rows').load(key)) ?? '').length });
          },
        }),
        to('out', numbers),
      );
    });
    const driver = await open(target);
    await driver.crash();
    await feed(driver, 'rows', [
      ['a', 'xy', 2],
      ['a', 'xyz', 4],
    ]);
    await feed(driver, 'in', [
      ['a', 0, 1],
      ['a', 0, 3],
      ['a', 0, 5],
    ]);
    await driver.restart();
    assert.deepEqual(await values(driver), [0, 2, 3]);
  });

  it('STORE_UNKNOWN: it asks for a store that it does not list', async () => {
    const target = topology('test', (t) => {
      t.table('rows', { ...json<string>(), store: 'rows' });
      t.stream('in', numbers).pipe(
        process({ name: 'p', stores: { own: numbers }, process: (_: In, { store }) => void store('rows') }),
      );
    });
    const driver = await open(target, { onError: { process: 'skip' } });
    await assert.rejects(feed(driver, 'in', [['a', 1]]), failure('STORE_UNKNOWN', /"rows"/));
  });

  it('forgets the rows of a store with a time to live, in stream time', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({
          name: 'recent',
          stores: { recent: { ...numbers, ttl: '10ms' } },
          process({ key, value }: In, { stores: { recent }, forward }) {
            forward({ key, value: recent.get(key) ?? -1 });
            recent.put(key, value);
          },
        }),
      ),
    );
    const driver = await open(target);
    // The store's own time is that of what was put into it: the row of 10 is still there when 21 is about to be put.
    await feed(driver, 'in', [
      ['a', 1, 0],
      ['a', 2, 10],
      ['a', 3, 21],
      ['b', 4, 40],
      ['a', 5, 22],
    ]);
    assert.deepEqual(await values(driver), [-1, 1, 2, -1, -1]);
    assert.deepEqual(await rows(driver, 'recent'), { b: 4 });
  });
});

describe('what a process emits', () => {
  it('takes the function as its second argument, with the stores of the first', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process(
          {
            name: 'total',
            stores: { totals: { key: serdes.string, value: serdes.int64 } },
            emits: serdes.json<string>(),
          },
          ({ key, value }, { stores, emit }) => {
            const total = (stores.totals.get(key) ?? 0) + value;
            stores.totals.put(key, total);
            emit({ key, value: `${total} in all` });
          },
        ),
      ),
    );
    const records = [
      ['a', 1],
      ['a', 2],
    ] as const;
    assert.deepEqual(
      (await outputOf(target, records)).map(([, value]) => value),
      ['1 in all', '3 in all'],
    );
  });

  it('fails the record that emits what its serde cannot write; what it emitted before stays', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process({ name: 'halves', emits: serdes.int64 }, ({ key, value }, { emit }) => {
          emit({ key, value });
          emit({ key, value: value / 2 });
        }),
      ),
    );
    const driver = await open(target, { onError: { process: 'deadLetter' } });
    await feed(driver, 'in', [
      ['a', 2],
      ['b', 3],
      ['c', 4],
    ]);
    assert.deepEqual(await values(driver), [2, 1, 3, 4, 2]);
    const [letter, ...others] = await deadLetters(driver);
    assert.deepEqual(others, []);
    assert.deepEqual([letter?.key, letter?.code, letter?.operator], ['b', 'SERIALIZE_FAILED', 'process halves']);
    assert.match(String(letter?.message), /an emitted value with serde int64.*saw the number 1\.5/s);
  });

  it('fails the timer that emits what its serde cannot write, and a deletion is written by none', async () => {
    const target = through<number>((input) =>
      input.pipe(
        process(
          {
            name: 'ticking',
            emits: serdes.json<number | null>({ schema: wholeNumbers }),
            start: ({ schedule, emit }) =>
              void schedule('10ms', 'stream', (now) => emit({ key: 'tick', value: now === 20 ? 0.5 : now })),
          },
          ({ key }, { emit }) => emit({ key, value: null }),
        ),
      ),
    );
    const driver = await open(target, { onError: { process: 'skip' } });
    await feed(driver, 'in', [
      ['a', 1, 10],
      ['b', 2, 20],
      ['c', 3, 30],
    ]);
    assert.deepEqual(
      (await read(driver)).map(([key, value]) => [key, value]),
      [
        ['a', null],
        ['tick', 10],
        ['b', null],
        ['c', null],
        ['tick', 30],
      ],
    );
  });

  it('is written with its serde to a repartition topic after it, whichever key change asks for one', () => {
    const halves = process<StreamRecord<string, number>, Record<never, never>, number>(
      { name: 'halves', emits: serdes.double, scope: 'partition' },
      ({ key, value }, { emit }) => emit({ key, value: value / 2 }),
    );
    const target = topology('test', (t) => {
      const input = t.stream('in', numbers);
      input.pipe(
        process({ name: 'keyed', emits: serdes.int64, rekey: { name: 'own', key: serdes.uuid } }, () => undefined),
        count({ store: 'a' }),
      );
      input.pipe(
        selectKey(() => 'all', { name: 'before', key: serdes.string, value: serdes.json<number>() }),
        halves,
        count({ store: 'b' }),
      );
    });
    const written = target.graph.nodes.flatMap((node) =>
      node.kind === 'repartition' ? [[node.name, node.key, node.value]] : [],
    );
    assert.deepEqual(written, [
      ['own', 'uuid', 'int64'],
      ['before', 'string', 'double'],
    ]);
  });

  it('TOPOLOGY_INVALID: emits is not a serde', () => {
    const target = through<number>((input) => input.pipe(process({ name: 'p', emits: {} as never }, () => undefined)));
    assert.throws(() => target.graph, failure('TOPOLOGY_INVALID', /process p: it has no value serde/));
  });
});
