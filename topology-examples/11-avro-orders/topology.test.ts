import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describeTopology, openSchemaRegistry, serdes } from 'millrace';
import { avro, type SchemaRegistry } from 'millrace/avro';
import { TestDriver } from 'millrace/testing';
import { projectFile } from '../../test/support/project.js';
import type { Customer } from './generated/customers-value.js';
import type { Order, OrderInput } from './generated/orders-value.js';
import topology from './topology.js';
import topologyV1 from './topology-v1.js';

const at = new Date('2026-03-01T09:00:00Z');
const ofVersion = (version: number) => ({
  key: serdes.string,
  value: avro<Order, OrderInput>('orders-value', { version }),
});

describe('the avro-orders example', () => {
  let schemaRegistry: SchemaRegistry;
  let driver: TestDriver;

  beforeEach(async () => {
    schemaRegistry = await openSchemaRegistry(projectFile('schemas'));
    // As in `millrace run`: nothing is registered, so everything must be in the index.
    driver = await TestDriver.create(topologyV1, { schemaRegistry, registerSchemas: false });
  });

  afterEach(() => driver.close());

  const send = (
    version: number,
    id: string,
    order: Partial<Order> & { readonly customer: string; readonly cents: number },
  ) =>
    // Version 1 has no currency.
    driver.input('orders', ofVersion(version) as any).send({ key: order.customer, value: { id, at, ...order } });

  const customers = () =>
    driver.output('customers', { key: serdes.string, value: avro<Customer>('customers-value') }).values();

  it('is described as in description.txt', () => {
    const golden = projectFile('topology-examples/11-avro-orders/description.txt');
    assert.equal(describeTopology(topology.graph, 'text'), readFileSync(golden, 'utf8'));
  });

  it('goes on with the state of the version before, without restoring it', async () => {
    await send(1, 'o-1', { customer: 'ada', cents: 1200 });
    await send(1, 'o-2', { customer: 'bob', cents: 500 });
    await driver.restart(topology);
    assert.equal(driver.metrics.restoredRecords, 0);

    await send(2, 'o-3', { customer: 'ada', cents: 9900, currency: 'SEK' });

    assert.deepEqual(await driver.store('customers').entries(), [
      ['ada', { orders: 2, cents: 1200, foreign: { SEK: 9900 } }],
      ['bob', { orders: 1, cents: 500, foreign: {} }],
    ]);
  });

  it('takes orders of both versions, in any order', async () => {
    await driver.restart(topology);
    await send(2, 'o-1', { customer: 'ada', cents: 1, currency: 'SEK' });
    await send(1, 'o-2', { customer: 'ada', cents: 2 });
    await send(2, 'o-3', { customer: 'ada', cents: 4, currency: 'EUR' });

    assert.deepEqual((await customers()).at(-1), { orders: 3, cents: 6, foreign: { SEK: 1 } });
  });
});
