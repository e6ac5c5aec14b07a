import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { openSchemaRegistry, serdes } from 'millrace';
import { avro } from 'millrace/avro';
import { TestDriver } from 'millrace/testing';
import type { Balance } from './generated/balances-value.js';
import type { Payment, PaymentInput } from './generated/payments-value.js';
import topology from './topology.js';

const payments = { key: serdes.string, value: avro<Payment, PaymentInput>('payments-value') };
const balances = { key: serdes.string, value: avro<Balance>('balances-value') };

/** A payment to Ada; its key is the account. */
const payment = (cents: number, currency = 'EUR') => ({
  key: 'ada',
  value: { account: 'ada', cents, currency, at: new Date('2026-03-01T09:00:00Z') },
});

describe('balances', () => {
  let driver: TestDriver;

  beforeEach(async () => {
    // Nothing is registered, as in `npm start`: what the topology writes must be in schemas/index.json.
    const schemaRegistry = await openSchemaRegistry('schemas');
    driver = await TestDriver.create(topology, { schemaRegistry, registerSchemas: false });
  });

  afterEach(() => driver.close());

  it('add payments by currency', async () => {
    await driver.input('payments', payments).sendAll([payment(1200), payment(9900, 'SEK'), payment(300)]);

    assert.deepEqual(await driver.output('balances', balances).values(), [
      { payments: 1, cents: { EUR: 1200 } },
      { payments: 2, cents: { EUR: 1200, SEK: 9900 } },
      { payments: 3, cents: { EUR: 1500, SEK: 9900 } },
    ]);
  });

  it('are kept over a crash', async () => {
    const input = driver.input('payments', payments);
    await input.send(payment(1200));

    await driver.crash(); // as kill -9 would
    await driver.restart();
    await input.send(payment(300));

    assert.deepEqual(await driver.store('balances').get('ada'), { payments: 2, cents: { EUR: 1500 } });
  });
});
