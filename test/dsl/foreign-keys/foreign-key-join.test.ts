import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  aggregate,
  filterValues,
  groupBy,
  Headers,
  joinTable,
  leftJoinTable,
  mapValues,
  serdes,
  type Topology,
  type TopologyBuilder,
  to,
  topology,
  toStream,
  validate,
} from '#src/index.js';
import { TestDriver } from '#src/testing/index.js';
import { deadLetters, failure, feed, json, open, read, rows, type Short, values } from '../support.js';

interface Order {
  readonly of: string | null;
  readonly n: number;
}

const join = (order: Order, customer: string | null): string => `${order.n} ${customer}`;
const options = { foreignKey: (order: Order) => order.of, join, store: 'joined', value: serdes.string };

const orders = (kind: 'inner' | 'left' = 'inner'): Topology =>
  topology('test', (t) => {
    const customers = t.table('customers', { ...json<string>(), store: 'customers' });
    t.table('orders', { ...json<Order>(), store: 'orders' }).pipe(
      kind === 'inner' ? joinTable(customers, options) : leftJoinTable(customers, options),
      to('out', json<any>()),
    );
  });

describe('joinTable by a foreign key', () => {
  it('joins when either side changes, the rows of a right one in the order of their keys', async () => {
    const driver = await open(orders());
    await feed(driver, 'orders', [
      ['o2', { of: 'c', n: 2 }, 10],
      ['o1', { of: 'c', n: 1 }, 20],
    ]);
    await feed(driver, 'customers', [['c', 'Ann', 15]]);
    await feed(driver, 'orders', [['o2', { of: 'c', n: 3 }, 12]]);
    assert.deepEqual(await read(driver), [
      ['o1', '1 Ann', 15],
      ['o2', '2 Ann', 15],
      ['o2', '3 Ann', 15],
    ]);
    assert.deepEqual(await rows(driver, 'joined'), { o1: '1 Ann', o2: '3 Ann' });
  });

  it('deletes the joined row when the left one is deleted, refers to nothing, or to what is not there', async () => {
    const driver = await open(orders());
    await feed(driver, 'customers', [['c', 'Ann', 0]]);
    for (const [i, value] of [
      { of: 'c', n: 1 },
      { of: null, n: 1 },
      { of: 'c', n: 2 },
      { of: 'd', n: 2 },
      { of: 'c', n: 3 },
      null,
      null,
    ].entries()) {
      await feed(driver, 'orders', [['o', value, 10 + i]]);
    }
    assert.deepEqual(await read(driver), [
      ['o', '1 Ann', 10],
      ['o', null, 11],
      ['o', '2 Ann', 12],
      ['o', null, 13],
      ['o', '3 Ann', 14],
      ['o', null, 15],
    ]);
    assert.deepEqual(await rows(driver, 'joined'), {});
    assert.deepEqual(await rows(driver, 'joined-subscribers'), {});
  });

  it('passes on the headers of the record that changed something', async () => {
    const driver = await open(orders());
    await driver.input('customers', json()).send({ key: 'c', value: 'Ann', headers: { by: 'right' } });
    await driver.input('orders', json()).send({ key: 'o', value: { of: 'c', n: 1 }, headers: { by: 'left' } });
    await driver.input('customers', json()).send({ key: 'c', value: 'Ada', headers: { by: 'right' } });
    const records = await driver.output('out', json()).read();
    assert.deepEqual(
      records.map(({ headers }) => headers),
      [Headers.of({ by: 'left' }), Headers.of({ by: 'right' })],
    );
  });

  it('makes a table that can be grouped, filtered and joined again', async () => {
    const target = topology('test', (t) => {
      const customers = t.table('customers', { ...json<string>(), store: 'customers' });
      const joined = t.table('orders', { ...json<Order>(), store: 'orders' }).pipe(joinTable(customers, options));
      joined.pipe(
        groupBy(() => 'all', { key: serdes.string, name: 'all', value: serdes.string }),
        aggregate({
          store: 'lengths',
          value: serdes.int64,
          initial: () => 0,
          add: (sum, { value }) => sum + value.length,
          subtract: (sum, { value }) => sum - value.length,
        }),
      );
      const others = t.table('others', { ...json<string>(), store: 'others' });
      joined.pipe(
        filterValues((text) => text !== '1 Ann'),
        joinTable(others, (a, b) => `${a} ${b}`),
        to('out', json<any>()),
      );
    });
    const driver = await open(target);
    await feed(driver, 'others', [['o', 'x']]);
    await feed(driver, 'customers', [['c', 'Ann']]);
    await feed(driver, 'orders', [['o', { of: 'c', n: 1 }]]);
    await feed(driver, 'customers', [['c', 'Berta']]);
    assert.deepEqual(await rows(driver, 'lengths'), { all: 7 });
    assert.deepEqual(await values(driver), ['1 Berta x']);
  });

  it('joins a table with itself', async () => {
    const target = topology('test', (t) => {
      const people = t.table('people', { ...json<{ boss: string | null; name: string }>(), store: 'people' });
      people.pipe(
        leftJoinTable(people, {
          foreignKey: ({ boss }) => boss,
          join: ({ name }, boss) => `${name} of ${boss?.name ?? 'nobody'}`,
          store: 'bosses',
          value: serdes.string,
        }),
      );
    });
    const driver = await open(target, { partitions: 3 });
    await feed(driver, 'people', [
      ['a', { boss: null, name: 'Ann' }],
      ['b', { boss: 'a', name: 'Bob' }],
      ['c', { boss: 'b', name: 'Cid' }],
      ['a', { boss: 'c', name: 'Ada' }],
      ['b', null],
    ]);
    assert.deepEqual(await rows(driver, 'bosses'), { a: 'Ada of Cid', c: 'Cid of nobody' });
  });

  it('takes a mapped or filtered table on the left', async () => {
    const target = topology('test', (t) => {
      const customers = t.table('customers', { ...json<string>(), store: 'customers' });
      t.table('orders', { ...json<Order>(), store: 'orders' }).pipe(
        filterValues((order) => order.n > 1),
        mapValues((order) => ({ ...order, n: order.n * 10 })),
        joinTable(customers, options),
        to('out', json<any>()),
      );
    });
    const driver = await open(target);
    await feed(driver, 'customers', [['c', 'Ann']]);
    await feed(driver, 'orders', [['o', { of: 'c', n: 1 }]]);
    await feed(driver, 'orders', [['o', { of: 'c', n: 2 }]]);
    await feed(driver, 'orders', [['o', { of: 'c', n: 1 }]]);
    assert.deepEqual(await values(driver), ['20 Ann', null]);
  });

  it('visits thousands of left rows of one right row in the order of their keys, over a crash', async () => {
    const driver = await open(orders(), { cacheBytes: 1_000_000 });
    const count = 2_000;
    const shuffled = Array.from({ length: count }, (_, i) => (i * 7_919) % count);
    const key = (i: number): string => `o${String(i).padStart(5, '0')}`;
    await feed(
      driver,
      'orders',
      shuffled.map((i): Short => [key(i), { of: 'c', n: i }, 1]),
    );
    await driver.crash();
    await driver.restart();
    await feed(driver, 'customers', [['c', 'Ann', 2]]);
    const first = await read(driver);
    assert.deepEqual(
      first.map(([k]) => k),
      Array.from({ length: count }, (_, i) => key(i)),
    );
    await feed(
      driver,
      'orders',
      shuffled.slice(0, 1_900).map((i): Short => [key(i), null, 3]),
    );
    await read(driver);
    await feed(driver, 'customers', [['c', 'Ada', 4]]);
    assert.deepEqual(
      (await read(driver)).map(([k]) => k),
      shuffled.slice(1_900).map(key).sort(),
    );
  });

  it('drops an answer to a row that has changed meanwhile, and counts it', async () => {
    const driver = await open(orders());
    await feed(driver, 'customers', [
      ['c', 'Ann', 0],
      ['d', 'Dan', 0],
    ]);
    await feed(driver, 'orders', [
      ['o', { of: 'c', n: 1 }, 1],
      ['o', { of: 'd', n: 1 }, 1],
      ['o', { of: 'c', n: 2 }, 2],
    ]);
    assert.deepEqual(await values(driver), ['2 Ann']);
    assert.deepEqual(driver.metrics.nodes['joinTable joined'], { stale: 2 });
  });

  it('does not stay joined with a row deleted while the left one changed, whichever side hears first', async () => {
    for (const kind of ['inner', 'left'] as const) {
      const driver = await open(orders(kind));
      await feed(driver, 'customers', [['d', 'Ann', 0]]);
      await feed(driver, 'orders', [['o1', { of: 'd', n: 1 }, 1]]);
      await driver.crash();
      await feed(driver, 'customers', [['d', null, 2]]);
      await feed(driver, 'orders', [['o1', { of: 'd', n: 1 }, 3]]);
      await driver.restart();
      assert.deepEqual(await rows(driver, 'joined'), kind === 'inner' ? {} : { o1: '1 null' });
    }
  });

  it('does not stay joined when the row refers to nothing, and changes again before the answer comes', async () => {
    for (const then of [{ of: null, n: 9 }, null]) {
      const driver = await open(orders());
      await feed(driver, 'customers', [['c', 'Ann', 0]]);
      await feed(driver, 'orders', [['o1', { of: 'c', n: 1 }, 1]]);
      await feed(driver, 'orders', [
        ['o1', then === null ? { of: null, n: 8 } : null, 2],
        ['o1', then, 3],
      ]);
      assert.deepEqual(await rows(driver, 'joined'), {});
    }
  });

  it('says nothing of a left row that was not joined and still is not', async () => {
    const driver = await open(orders());
    for (const n of [1, 2]) await feed(driver, 'orders', [['o1', { of: 'd', n }, n]]);
    assert.deepEqual(await read(driver), []);
  });

  it('fails the left row whose foreign key cannot be made or written: it is not joined until it can', async () => {
    const target = topology('test', (t) => {
      const customers = t.table('customers', { ...json<string>(), store: 'customers' });
      const foreignKey = (order: Order): string => {
        if (order.n === 3) throw new Error('three');
        return order.of as string;
      };
      t.table('orders', { ...json<Order>(), store: 'orders' }).pipe(
        leftJoinTable(customers, { ...options, foreignKey }),
        to('out', json<any>()),
      );
    });
    const driver = await open(target, { onError: { process: 'deadLetter' } });
    await feed(driver, 'customers', [['c', 'Ann', 0]]);
    for (const order of [
      { of: 'c', n: 1 },
      { of: 'c', n: 3 },
      { of: 5 as never, n: 4 },
      { of: 'c', n: 5 },
    ]) {
      await feed(driver, 'orders', [['o', order, 1]]);
    }
    assert.deepEqual(await values(driver), ['1 Ann', null, '5 Ann']);
    const letters = await deadLetters(driver);
    assert.deepEqual(
      letters.map(({ operator }) => operator),
      ['subscribe joined', 'subscribe joined'],
    );
    assert.match(String(letters[0]?.message), /three/);
    assert.match(String(letters[1]?.message), /cannot encode a string: saw the number 5/);
  });

  it('fails the answer on which join throws: there is no joined row until the next one', async () => {
    const target = topology('test', (t) => {
      const customers = t.table('customers', { ...json<string>(), store: 'customers' });
      const fails = (order: Order, customer: string): string => {
        if (customer === 'Bad') throw new Error('bad');
        return join(order, customer);
      };
      t.table('orders', { ...json<Order>(), store: 'orders' }).pipe(joinTable(customers, { ...options, join: fails }));
    });
    const driver = await open(target, { onError: { process: 'skip' } });
    await feed(driver, 'customers', [['c', 'Ann']]);
    await feed(driver, 'orders', [['o', { of: 'c', n: 1 }]]);
    await feed(driver, 'customers', [['c', 'Bad']]);
    assert.deepEqual(await rows(driver, 'joined'), {});
    await feed(driver, 'customers', [['c', 'Ada']]);
    assert.deepEqual(await rows(driver, 'joined'), { o: '1 Ada' });
  });

  it('names its store and topics after the name that it was given', () => {
    const { stores, nodes } = orders().graph;
    assert.deepEqual(
      stores.map(({ name }) => name),
      ['customers', 'orders', 'joined-subscribers', 'joined'],
    );
    assert.deepEqual(
      nodes.flatMap((node) => (node.kind === 'repartition' ? [node.name] : [])),
      ['joined-subscriptions', 'joined-answers'],
    );
  });

  it('is of two tables that have a store', () => {
    const problem = (build: (t: TopologyBuilder) => void): unknown => validate(topology('test', build))[0];
    const customers = { ...json<string>(), store: 'customers' };
    const noStore = { where: 'joinTable joined', what: 'the table on the right has no store that holds its rows' };
    const refused = (build: (t: TopologyBuilder) => void, expected: object): void => {
      const { advice: _, ...found } = problem(build) as { advice: string };
      assert.deepEqual(found, expected);
    };
    refused((t) => {
      const right = t.table('customers', customers).pipe(mapValues((name) => name));
      t.table('orders', { ...json<Order>(), store: 'orders' }).pipe(joinTable(right, options));
    }, noStore);
    refused(
      (t) => {
        const right = t.table('customers', customers);
        const left = t.table('orders', { ...json<Order>(), store: 'orders' });
        left.pipe(
          joinTable(left, (order) => order),
          joinTable(right, options),
        );
      },
      { ...noStore, what: 'the table on the left has no store that holds its rows' },
    );
    refused(
      (t) => {
        const right = t.table('customers', customers);
        const left = t.table('orders', { ...json<Order>(), store: 'orders' });
        left.pipe(toStream(), joinTable<any, any, any, any, any>(right, options) as never);
      },
      { ...noStore, what: 'the left side is not a table' },
    );
    const unnamed = topology('test', (t) => {
      const right = t.table('customers', customers);
      const { store: _, ...nameless } = options;
      t.table('orders', { ...json<Order>(), store: 'orders' }).pipe(
        joinTable<any, any, any, any, any>(right, nameless as never),
      );
    });
    assert.throws(() => unnamed.graph, failure('TOPOLOGY_INVALID', /the store has no name/));
  });
});

type Update = readonly ['orders' | 'customers', ...Short];

const update: fc.Arbitrary<Update> = fc.oneof(
  fc.tuple(
    fc.constant('orders' as const),
    fc.constantFrom('o1', 'o2', 'o3', 'o4'),
    fc.option(fc.record({ of: fc.option(fc.constantFrom('c', 'd', 'e')), n: fc.nat(3) }, { noNullPrototype: true })),
    fc.nat(20),
  ),
  fc.tuple(
    fc.constant('customers' as const),
    fc.constantFrom('c', 'd', 'e'),
    fc.option(fc.constantFrom('Ann', 'Bob')),
    fc.nat(20),
  ),
) as fc.Arbitrary<Update>;

describe('a foreign-key join over several partitions', () => {
  const rounds = fc.array(
    fc.tuple(
      fc.array(update, { maxLength: 12 }),
      fc.constantFrom('1 settle', '2 log', '3 offsets', '4 apply', 'now', 'none'),
    ),
    { minLength: 1, maxLength: 5 },
  );

  for (const kind of ['inner', 'left'] as const) {
    it(`ends as a naive ${kind} join of the last rows, however updates meet and crashes interrupt them`, async () => {
      await fc.assert(
        fc.asyncProperty(rounds, fc.constantFrom(1, 2, 1_000), async (given, batchRecords) => {
          // Not co-partitioned.
          const partitions = { orders: 3, customers: 2, out: 3 };
          const driver = await TestDriver.create(orders(kind), { partitions, batchRecords });
          const last = { orders: new Map<string, Order>(), customers: new Map<string, string>() };
          for (const [updates, crash] of given) {
            if (crash === 'now') await driver.crash();
            else if (crash !== 'none') await driver.crash(crash as '2 log');
            for (const [topic, ...record] of updates) {
              if (driver.crashed && crash !== 'now') await driver.restart();
              await feed(driver, topic, [record]);
              const [key, value] = record as [string, never];
              if (value === null) last[topic].delete(key);
              else last[topic].set(key, value);
            }
            if (driver.crashed) await driver.restart();
          }
          await driver.run();
          const expected: Record<string, string> = {};
          for (const [key, order] of last.orders) {
            const customer = (order.of !== null && last.customers.get(order.of)) || null;
            if (customer !== null || kind === 'left') expected[key] = join(order, customer);
          }
          assert.deepEqual(await rows(driver, 'joined'), expected);
          const written: Record<string, unknown> = {};
          for (const { key, value } of await driver.output('out', json<string>()).read()) {
            if (value === null) delete written[String(key)];
            else written[String(key)] = value;
          }
          assert.deepEqual(written, expected);
          await driver.close();
        }),
        { numRuns: 60 },
      );
    });
  }
});
