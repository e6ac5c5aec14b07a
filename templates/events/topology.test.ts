import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { serdes } from 'millrace';
import { TestDriver } from 'millrace/testing';
import type { Order, OrderEvent } from './order.js';
import topology from './topology.js';

const events = { key: serdes.string, value: serdes.json<OrderEvent>() };
const orders = { key: serdes.string, value: serdes.json<Order>() };

/** An event of an order, at some second of event time; its key is the order. */
const event = (version: number, type: OrderEvent['type'], second = version, order = 'o-1') => ({
  key: order,
  value: { eventId: `${order}/${version}`, order, version, type, ...(type === 'placed' && { cents: 1200 }) },
  timestamp: second * 1000,
});

describe('orders', () => {
  let driver: TestDriver;

  beforeEach(async () => {
    driver = await TestDriver.create(topology, { onError: { process: 'deadLetter' } });
  });

  afterEach(() => driver.close());

  const statuses = async () => {
    const records = await driver.output('orders', orders).read();
    return records.map(({ value }) => value?.status);
  };
  const reasons = async () => {
    const letters = await driver.deadLetters().read();
    return letters.map(({ headers }) => headers.text('millrace.error.code'));
  };

  it('follow their events in the order of versions, however these arrive', async () => {
    await driver.input('order-events', events).sendAll([event(1, 'placed'), event(3, 'shipped'), event(2, 'paid')]);

    assert.deepEqual(await statuses(), ['placed', 'paid', 'shipped']);
  });

  it('take an event once, also if it is sent again after a crash', async () => {
    const input = driver.input('order-events', events);
    await input.sendAll([event(1, 'placed'), event(2, 'paid'), event(1, 'placed')]);

    await driver.crash(); // as kill -9 would
    await driver.restart();
    await input.send(event(2, 'paid'));

    assert.deepEqual(await statuses(), ['placed', 'paid']);
    assert.deepEqual(await driver.store('orders').get('o-1'), { status: 'paid', cents: 1200, version: 2 });
  });

  it('leave an event that waits too long to the dead letters', async () => {
    const input = driver.input('order-events', events);
    await input.sendAll([event(1, 'placed'), event(3, 'shipped')]);
    assert.deepEqual(await reasons(), []);

    // Event time moves on with the records of any order.
    await input.send(event(1, 'placed', 60, 'o-2'));

    assert.deepEqual(await reasons(), ['VERSION_GAP']);
  });

  it('leave an event that contradicts the ones before it to the dead letters', async () => {
    const sent = [event(1, 'placed'), event(2, 'paid'), event(3, 'shipped'), event(4, 'cancelled')];
    await driver.input('order-events', events).sendAll(sent);

    assert.deepEqual(await statuses(), ['placed', 'paid', 'shipped']);
    assert.deepEqual(await reasons(), ['PROCESS_FAILED']);
  });
});
