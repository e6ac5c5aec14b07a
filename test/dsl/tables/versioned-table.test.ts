import assert from 'node:assert/strict';
import {
  aggregate,
  type Change,
  count,
  filterValues,
  groupBy,
  joinTable,
  mapValues,
  process,
  repartition,
  type StreamRecord,
  serdes,
  suppress,
  type TopologyBuilder,
  to,
  topology,
  toStream,
  toTable,
  validate,
} from '#src/index.js';
import { deadLetters, failure, feed, json, open, rows, through, values } from '../support.js';

const prices = (t: TopologyBuilder) =>
  t.table('prices', { ...json<number>(), store: 'prices', history: '100ms' as const });

/** What a processor sees of the changes of a table. */
const seen = process<Change<string, number>, StreamRecord<string, unknown>>({
  name: 'seen',
  process: ({ key, value, previous, outOfOrder }, { forward }) =>
    forward({ key, value: { value, previous, outOfOrder } }),
});

describe('a versioned table', () => {
  it('finds the value of every moment within its history, whatever the order of arrival', async () => {
    const target = topology('test', (t) => void prices(t).pipe(toStream(), to('out', json<any>())));
    const driver = await open(target);
    await feed(driver, 'prices', [
      ['a', 20, 200],
      ['a', 10, 110],
      ['a', null, 150],
      ['b', 5, 180],
    ]);
    const view = driver.store<string, number>('prices');
    const found = [];
    for (const moment of [99, 100, 109, 110, 149, 150, 199, 200, 1_000]) found.push(await view.get('a', moment));
    assert.deepEqual(found, [null, null, null, 10, 10, null, null, 20, 20]);
    assert.equal(await view.get('a'), 20);
    assert.deepEqual(await rows(driver, 'prices'), { a: 20, b: 5 });
    await driver.crash();
    await driver.restart();
    assert.equal(await driver.store<string, number>('prices').get('a', 120), 10);
  });

  it('follows timestamps: an older record changes the past, one of equal time replaces', async () => {
    const target = topology('test', (t) => void prices(t).pipe(seen, to('out', json<any>())));
    const driver = await open(target);
    await feed(driver, 'prices', [
      ['a', 1, 100],
      ['a', 2, 60],
      ['a', 3, 100],
      ['a', 4, 60],
      ['a', 5, 80],
      ['a', null, 120],
      ['a', 6, 110],
    ]);
    assert.deepEqual(await values(driver), [
      { value: 1, previous: null, outOfOrder: false },
      { value: 2, previous: null, outOfOrder: true },
      { value: 3, previous: 1, outOfOrder: false },
      { value: 4, previous: 2, outOfOrder: true },
      { value: 5, previous: 4, outOfOrder: true },
      { value: null, previous: 3, outOfOrder: false },
      { value: 6, previous: 3, outOfOrder: true },
    ]);
    assert.deepEqual(driver.metrics.nodes['table prices'], { 'out-of-order': 4 });
  });

  it('drops what is older than its history, and null keys, and counts them', async () => {
    const target = topology('test', (t) => void prices(t).pipe(toStream(), to('out', json<any>())));
    const driver = await open(target);
    await feed(driver, 'prices', [
      ['a', 1, 500],
      ['b', 2, 400],
      ['b', 3, 399],
      [null, 4, 500],
    ]);
    assert.deepEqual(await values(driver), [1, 2]);
    assert.deepEqual(driver.metrics.nodes['table prices'], { expired: 1, 'null-key': 1 });
  });

  it('passes changes of the past through mapValues and filterValues, also from nothing to nothing', async () => {
    const target = topology('test', (t) => {
      prices(t).pipe(
        mapValues((price) => price + 1),
        filterValues((price) => price > 10),
        seen,
        to('out', json<any>()),
      );
    });
    const driver = await open(target);
    await feed(driver, 'prices', [
      ['a', 5, 100],
      ['a', 20, 60],
    ]);
    assert.deepEqual(await values(driver), [
      { value: null, previous: null, outOfOrder: false },
      { value: 21, previous: null, outOfOrder: true },
    ]);
  });

  it('keeps changes of the past out of groups, folds and joins of tables, also behind a repartition', async () => {
    const target = topology('test', (t) => {
      const table = prices(t);
      const sum = {
        value: serdes.int64,
        initial: () => 0,
        add: (total: number, record: StreamRecord<string, number>) => total + record.value,
        subtract: (total: number, record: StreamRecord<string, number>) => total - record.value,
      };
      table.pipe(
        groupBy(() => 'all', { key: serdes.string, name: 'all' }),
        aggregate({ store: 'grouped', ...sum }),
      );
      table.pipe(aggregate({ store: 'ungrouped', ...sum }));
      table.pipe(repartition({ name: 'again', ...json<number>() }), aggregate({ store: 'repartitioned', ...sum }));
      const others = t.table('others', { ...json<number>(), store: 'others' });
      table.pipe(
        joinTable(others, (a, b) => [a, b]),
        to('out', json<any>()),
      );
      others.pipe(
        joinTable(table, (a, b) => [a, b]),
        to('out', { name: 'other-way', ...json<any>() }),
      );
    });
    const driver = await open(target);
    await feed(driver, 'others', [['a', 7, 0]]);
    await feed(driver, 'prices', [
      ['a', 1, 100],
      ['a', 2, 60],
      ['a', 3, 110],
      ['a', 4, 105],
    ]);
    assert.deepEqual(await values(driver), [
      [1, 7],
      [7, 1],
      [3, 7],
      [7, 3],
    ]);
    assert.deepEqual(await rows(driver, 'grouped'), { all: 3 });
    assert.deepEqual(await rows(driver, 'ungrouped'), { a: 3 });
    assert.deepEqual(await rows(driver, 'repartitioned'), { a: 3 });
    assert.equal(driver.metrics.nodes['aggregate repartitioned']?.['out-of-order'], 2);
  });

  it('keeps changes of the past out of what suppress holds back', async () => {
    const target = topology('test', (t) => {
      prices(t).pipe(suppress({ store: 'held', until: { timeLimit: '10ms' } }), to('out', json<any>()));
    });
    const driver = await open(target);
    await feed(driver, 'prices', [
      ['a', 1, 100],
      ['a', 2, 60],
      ['b', 3, 110],
    ]);
    assert.deepEqual(await values(driver), [1]);
    assert.deepEqual(driver.metrics.nodes['suppress held'], { 'out-of-order': 1 });
  });

  it('can be made of a stream', async () => {
    const target = through<number>((input) =>
      input.pipe(toTable({ store: 'latest', value: serdes.json<number>(), history: '1s' }), toStream()),
    );
    const driver = await open(target);
    await feed(driver, 'in', [
      ['a', 1, 100],
      ['a', 2, 50],
    ]);
    assert.equal(await driver.store<string, number>('latest').get('a', 70), 2);
    assert.deepEqual(await rows(driver, 'latest'), { a: 1 });
  });

  it('has its own stream time in each partition', async () => {
    const target = topology('test', (t) => void prices(t).pipe(toStream(), to('out', json<any>())));
    const driver = await open(target, { partitions: 2 });
    await feed(driver, 'prices', [
      ['a', 1, 1_000, 0],
      ['b', 2, 10, 1],
    ]);
    assert.deepEqual((await values(driver)).sort(), [1, 2]);
  });

  it('of a store that keeps no past, is refused', async () => {
    const target = topology('test', (t) => {
      t.table('plain', { ...json<number>(), store: 'plain' }).pipe(to('out', json<any>()));
      const all = t.globalTable('all', { ...json<number>(), store: 'all' });
      assert.ok(all);
    });
    const driver = await open(target);
    await assert.rejects(driver.store('plain').get('a', 5), failure('CONFIG_INVALID', /store plain.*history/));
    await assert.rejects(driver.store('all').get('a', 5), failure('CONFIG_INVALID', /store all.*history/));
  });

  it('must have a history that is longer than zero, and cannot be global', () => {
    const zero = topology(
      'test',
      (t) => void t.table('prices', { ...json<number>(), store: 'prices', history: '0ms' }),
    );
    assert.throws(
      () => zero.graph,
      failure('CONFIG_INVALID', /store prices: saw history 0ms, expected more than zero/),
    );
    const global = topology('test', (t) => {
      t.stream('in', json<number>());
      t.globalTable('all', { ...json<number>(), store: 'all', history: '1d' } as never);
    });
    assert.match(validate(global)[0]?.what ?? '', /a global table keeps no past/);
  });
});

describe('a versioned store of process', () => {
  const asOf = (history?: '1s') =>
    through<{ put?: number; ask?: number }>((input) =>
      input.pipe(
        process<StreamRecord<string, { put?: number; ask?: number }>, StreamRecord<string, unknown>, any>({
          name: 'asking',
          stores: { prices: { ...json<number>(), ...(history && { history }) } },
          process({ key, value, timestamp }, { versionedStore, forward }) {
            const store = versionedStore<string, number>('prices');
            if (value.put !== undefined) forward({ key, value: store.put(key, value.put, timestamp) });
            else forward({ key, value: store.get(key, value.ask) });
          },
        }),
      ),
    );

  it('answers as of any moment, and says what became of what is put', async () => {
    const driver = await open(asOf('1s'));
    await feed(driver, 'in', [
      ['a', { put: 1 }, 2_000],
      ['a', { put: 2 }, 1_500],
      ['a', { put: 3 }, 900],
      ['a', { ask: 1_700 }, 2_000],
      ['a', { ask: 1_400 }, 2_000],
      ['a', {}, 2_000],
    ]);
    assert.deepEqual(await values(driver), ['newest', 'outOfOrder', 'expired', 2, null, 1]);
  });

  it('is refused if it keeps no past, or has a time to live as well', async () => {
    const driver = await open(asOf(), { onError: { process: 'deadLetter' } });
    await feed(driver, 'in', [['a', { ask: 1 }, 5]]);
    assert.match(
      String((await deadLetters(driver))[0]?.message),
      /past values of a store that is not versioned at store prices/,
    );
    const both = through((input) =>
      input.pipe(
        process({
          name: 'both',
          stores: { prices: { ...json<number>(), ttl: '1s', history: '1s' } },
          process: () => undefined,
        }),
      ),
    );
    assert.throws(() => both.graph, failure('CONFIG_INVALID', /store prices: saw ttl 1s and history 1s/));
  });

  it('of a table is used by name, as of moments that reads declares', async () => {
    const target = topology('test', (t) => {
      prices(t);
      t.stream('in', json<number>()).pipe(
        process<StreamRecord<string, number>>({
          name: 'asking',
          uses: ['prices'],
          reads: ({ key, value }) => [['prices', key, value]],
          process({ key, value }, { versionedStore, forward }) {
            forward({ key, value: versionedStore<string, number>('prices').get(key, value) ?? -1 });
          },
        }),
        to('out', json<any>()),
      );
    });
    const driver = await open(target);
    await feed(
      driver,
      'prices',
      Array.from({ length: 90 }, (_, i) => ['a', i, i] as const),
    );
    await driver.crash();
    await feed(
      driver,
      'in',
      [0, 5, 44, 89, 200].map((moment) => ['a', moment, 300] as const),
    );
    await driver.restart();
    assert.deepEqual(await values(driver), [0, 5, 44, 89, 89]);
  });
});

describe('count of a versioned table', () => {
  it('counts its rows, not its versions', async () => {
    const target = topology('test', (t) => {
      prices(t).pipe(
        groupBy((record): string => (record.value > 10 ? 'dear' : 'cheap'), { key: serdes.string, name: 'by-price' }),
        count({ store: 'counts' }),
        to('out', { key: serdes.string, value: serdes.int64 }),
      );
    });
    const driver = await open(target);
    await feed(driver, 'prices', [
      ['a', 5, 10],
      ['a', 20, 5],
      ['a', 30, 20],
      ['b', 40, 15],
      ['b', null, 16],
    ]);
    assert.deepEqual(await rows(driver, 'counts'), { cheap: 0, dear: 1 });
  });
});
