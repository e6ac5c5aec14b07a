import assert from 'node:assert/strict';
import fc from 'fast-check';
import { joinTable, leftJoinTable, serdes, to, topology } from '#src/index.js';
import { feed, json, open, read, type Short } from '../support.js';

interface Order {
  readonly of: string | null;
  readonly n: number;
}

type Kind = 'inner' | 'left';
type Update = readonly ['orders' | 'customers', ...Short];

const join = (order: Order, customer: string | null): string => `${order.n} ${customer}`;

const target = (kind: Kind) =>
  topology('test', (t) => {
    const customers = t.table('customers', { ...json<string>(), store: 'customers' });
    const options = { foreignKey: (order: Order) => order.of, join, store: 'joined', value: serdes.string };
    t.table('orders', { ...json<Order>(), store: 'orders' }).pipe(
      kind === 'inner' ? joinTable(customers, options) : leftJoinTable(customers, options),
      to('out', json<any>()),
    );
  });

/** The rules, as they are written down. */
function reference(kind: Kind, updates: readonly Update[]): unknown[] {
  const orders = new Map<string, { order: Order; at: number }>();
  const customers = new Map<string, { name: string; at: number }>();
  const out: unknown[] = [];
  const found = (of: string | null) => (of === null ? undefined : customers.get(of));
  for (const [topic, key, value, at = 0] of updates as readonly (readonly [string, string, any, number])[]) {
    if (topic === 'customers') {
      if (value === null) customers.delete(key);
      else customers.set(key, { name: value, at });
      for (const [id, { order }] of [...orders].sort(([a], [b]) => (a < b ? -1 : 1))) {
        if (order.of !== key) continue;
        out.push([id, value === null && kind === 'inner' ? null : join(order, value), at]);
      }
      continue;
    }
    const old = orders.get(key)?.order ?? null;
    if (value === null) orders.delete(key);
    else orders.set(key, { order: value, at });
    const [before, now] = [old?.of ?? null, (value as Order | null)?.of ?? null];
    const right = found(now);
    const time = (row: { at: number } | undefined): number => Math.max(at, row?.at ?? at);
    if (kind === 'left') {
      if (old === null && value === null) continue;
      out.push([key, value === null ? null : join(value, right?.name ?? null), time(right)]);
    } else if (now !== null) {
      if (right) out.push([key, join(value, right.name), time(right)]);
      else if (before !== null && before !== now) out.push([key, null, at]);
    } else if (before !== null) out.push([key, null, time(found(before))]);
  }
  return out;
}

const updates = fc.array(
  fc.oneof(
    fc.tuple(
      fc.constant('orders' as const),
      fc.constantFrom('o1', 'o2', 'o3'),
      fc.option(fc.record({ of: fc.option(fc.constantFrom('c', 'd', 'e')), n: fc.nat(3) }, { noNullPrototype: true })),
      fc.nat(30),
    ),
    fc.tuple(
      fc.constant('customers' as const),
      fc.constantFrom('c', 'd', 'e'),
      fc.option(fc.constantFrom('Ann', 'Bob'), { freq: 3 }),
      fc.nat(30),
    ),
  ) as fc.Arbitrary<Update>,
  { minLength: 5, maxLength: 40 },
);

describe('a foreign-key join', () => {
  for (const kind of ['inner', 'left'] as const) {
    it(`emits what its rules say (${kind}), with its timestamps, over a restart`, async () => {
      await fc.assert(
        fc.asyncProperty(updates, fc.nat(40), async (given, crashAt) => {
          const driver = await open(target(kind));
          for (const [i, [topic, ...record]] of given.entries()) {
            if (i === crashAt) {
              await driver.crash();
              await driver.restart();
            }
            await feed(driver, topic, [record]);
          }
          assert.deepEqual(await read(driver), reference(kind, given));
          await driver.close();
        }),
        { numRuns: 30 },
      );
    });
  }
});
