import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeTopology, serdes } from 'millrace';
import { TestDriver, type TestInput, type TestOutput } from 'millrace/testing';
import { projectFile } from '../../test/support/project.js';
import topology, { type AttributedOrder } from './topology.js';
import { type Click, type Order, traffic } from './traffic.js';

const file = (name: string): string =>
  readFileSync(projectFile(join('topology-examples/07-join-clicks-to-orders', name)), 'utf8');
const asLines = (values: readonly unknown[]): string => `${values.map((value) => JSON.stringify(value)).join('\n')}\n`;
const keyed = <V extends Click | Order>(value: V) => ({
  key: value.visitor,
  value,
  timestamp: new Date(value.at).getTime(),
});
const click = (visitor: string, campaign: string, time: string): Click => ({
  visitor,
  campaign,
  at: `2026-03-01T${time}Z`,
});
const order = (visitor: string, name: string, time: string): Order => ({
  visitor,
  order: name,
  cents: 100,
  at: `2026-03-01T${time}Z`,
});

describe('the join-clicks-to-orders example', () => {
  let driver: TestDriver;
  let clicks: TestInput<string, Click>;
  let orders: TestInput<string, Order>;
  let attributed: TestOutput<string, AttributedOrder>;

  beforeEach(async () => {
    driver = await TestDriver.create(topology);
    clicks = driver.input('clicks', { key: serdes.string, value: serdes.json<Click>() });
    orders = driver.input('orders', { key: serdes.string, value: serdes.json<Order>() });
    attributed = driver.output('attributed-orders', { key: serdes.string, value: serdes.json<AttributedOrder>() });
  });

  afterEach(() => driver.close());

  const campaigns = async (): Promise<(string | null | undefined)[]> =>
    (await attributed.values()).map((value) => value?.campaign);

  it('is described as in description.txt', () => {
    assert.equal(describeTopology(topology.graph, 'text'), file('description.txt'));
  });

  it('gives an order to each click of its visitor from half an hour before to two minutes behind it', async () => {
    await clicks.sendAll([
      keyed(click('v', 'too early', '09:29:59')),
      keyed(click('v', 'first', '09:30:00')),
      keyed(click('w', 'of another visitor', '09:55:00')),
      keyed(click('v', 'second', '09:55:00')),
    ]);
    await orders.send(keyed(order('v', 'o-1', '10:00:00')));
    assert.deepEqual(await campaigns(), ['first', 'second']);
    await clicks.send(keyed(click('v', 'third', '10:02:00')));
    await clicks.send(keyed(click('v', 'too late', '10:02:01')));
    assert.deepEqual(await campaigns(), ['third']);
  });

  it('reports an order without a click when none can come any more, also after a crash', async () => {
    await orders.send(keyed(order('v', 'o-1', '10:00:00')));
    await clicks.send(keyed(click('w', 'time goes on', '10:03:00')));
    assert.deepEqual(await attributed.values(), []);
    await driver.crash();
    await driver.restart();
    await clicks.send({ ...keyed(click('w', 'and on', '10:03:00')), timestamp: Date.UTC(2026, 2, 1, 10, 3, 0, 1) });
    assert.deepEqual(await attributed.values(), [{ order: 'o-1', cents: 100, campaign: null, clickedAt: null }]);
  });

  it('has data that are made by the rule in traffic.ts', () => {
    assert.equal(file('clicks.jsonl'), asLines(traffic().clicks));
    assert.equal(file('orders.jsonl'), asLines(traffic().orders));
  });

  it('finds in them what looking at every order and every click finds', async () => {
    const lines = <V>(name: string): V[] =>
      file(name)
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    const allClicks = lines<Click>('clicks.jsonl');
    const allOrders = lines<Order>('orders.jsonl');
    await driver.crash();
    await clicks.sendAll(allClicks.map(keyed));
    await orders.sendAll(allOrders.map(keyed));
    await driver.restart();

    const time = ({ at }: { readonly at: string }): number => new Date(at).getTime();
    const end = Math.max(...[...allClicks, ...allOrders].map(time));
    const minutes = 60_000;
    const expected = allOrders.flatMap((one): AttributedOrder[] => {
      const { order: name, cents } = one;
      const met = allClicks.filter(
        (other) =>
          other.visitor === one.visitor &&
          time(other) >= time(one) - 30 * minutes &&
          time(other) <= time(one) + 2 * minutes,
      );
      if (met.length > 0) return met.map(({ campaign, at }) => ({ order: name, cents, campaign, clickedAt: at }));
      return time(one) + 3 * minutes < end ? [{ order: name, cents, campaign: null, clickedAt: null }] : [];
    });
    const byOrder = (a: AttributedOrder, b: AttributedOrder): number =>
      Number(a.order.slice(2)) - Number(b.order.slice(2)) || String(a.clickedAt).localeCompare(String(b.clickedAt));
    const found = (await attributed.values()) as AttributedOrder[];
    assert.deepEqual([...found].sort(byOrder), [...expected].sort(byOrder));
    assert.equal(found.filter(({ campaign }) => campaign === null).length, ALONE);
    assert.equal(found.length, ALL);
  });
});

/** As the README says. */
const ALL = 191;
const ALONE = 19;
