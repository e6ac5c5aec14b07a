import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describeTopology, serdes } from 'millrace';
import { TestDriver } from 'millrace/testing';
import { projectFile } from '../../test/support/project.js';
import topology, { type OrderEvent } from './topology.js';

const STATUSES = ['placed', 'paid', 'shipped', 'delivered'] as const;
const serdesOfOrders = { key: serdes.string, value: serdes.json<OrderEvent>() };

/** That version of an order, arriving at some second. */
const event = (order: string, version: number, second = 0) => ({
  key: order,
  value: { order, version, status: STATUSES[version - 1] as OrderEvent['status'] },
  timestamp: second * 1000,
});

describe('the reorder-orders example', () => {
  let driver: TestDriver;

  beforeEach(async () => {
    driver = await TestDriver.create(topology);
  });

  afterEach(() => driver.close());

  const inOrder = async (): Promise<string[]> => {
    const records = await driver.output('orders-in-order', serdesOfOrders).read();
    return records.map(({ value }) => `${value?.order} ${value?.status}`);
  };

  it('is described as in description.txt', () => {
    const golden = projectFile('topology-examples/03-reorder-orders/description.txt');
    assert.equal(describeTopology(topology.graph, 'text'), readFileSync(golden, 'utf8'));
  });

  it('holds an event back until the one before it has come, and holds up no other order', async () => {
    await driver
      .input('order-events', serdesOfOrders)
      .sendAll([event('a', 1), event('a', 3), event('b', 1), event('a', 2)]);

    assert.deepEqual(await inOrder(), ['a placed', 'b placed', 'a paid', 'a shipped']);
    assert.equal(driver.metrics.nodes['reorderByVersion order-versions']?.['out-of-order'], 1);
  });

  it('drops an event that comes again', async () => {
    await driver.input('order-events', serdesOfOrders).sendAll([event('a', 1), event('a', 2), event('a', 1)]);

    assert.deepEqual(await inOrder(), ['a placed', 'a paid']);
  });

  it('sends what waited to the dead letters when the missing event has not come after 30 s', async () => {
    const orders = driver.input('order-events', serdesOfOrders);
    await orders.sendAll([event('a', 1), event('a', 3, 10), event('b', 1, 39)]);
    assert.deepEqual(await driver.deadLetters().read(), [], 'after 29 s it may still come');

    // The clock is the time of the records: any of them moves it on, also one of another order.
    await orders.send(event('b', 2, 40));

    assert.deepEqual(await inOrder(), ['a placed', 'b placed', 'b paid']);
    const [letter] = await driver.deadLetters().read();
    assert.equal(letter?.value, JSON.stringify(event('a', 3).value));
    assert.equal(letter?.headers.text('millrace.error.code'), 'VERSION_GAP');
  });

  it('takes a dead letter in again, once the missing event has been found', async () => {
    const orders = driver.input('order-events', serdesOfOrders);
    await orders.sendAll([event('a', 1), event('a', 3, 10), event('b', 1, 40)]);
    const [letter] = await driver.deadLetters().read();

    await orders.sendAll([
      event('a', 2, 50),
      { key: 'a', value: JSON.parse(letter?.value ?? 'null'), timestamp: 51_000 },
    ]);

    assert.deepEqual(await inOrder(), ['a placed', 'b placed', 'a paid', 'a shipped']);
  });
});
