import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describeTopology, serdes } from 'millrace';
import { TestDriver } from 'millrace/testing';
import { projectFile } from '../../test/support/project.js';
import topology, { type Payment } from './topology.js';

const DAY_MS = 86_400_000;
const serdesOfPayments = { key: serdes.string, value: serdes.json<Payment>() };
const serdesOfBalances = { key: serdes.string, value: serdes.int64 };

/** A delivery of that payment, some days after the first day. */
const payment = (eventId: string, cents: number, days = 0, account = 'ada') => ({
  key: account,
  value: { eventId, account, cents },
  timestamp: Math.round(days * DAY_MS),
});

describe('the dedupe-payments example', () => {
  let driver: TestDriver;

  beforeEach(async () => {
    driver = await TestDriver.create(topology, { partitions: 2 });
  });

  afterEach(() => driver.close());

  it('is described as in description.txt', () => {
    const golden = projectFile('topology-examples/02-dedupe-payments/description.txt');
    assert.equal(describeTopology(topology.graph, 'text'), readFileSync(golden, 'utf8'));
  });

  it('counts a payment once, however often it is delivered within a week', async () => {
    const balances = driver.output('balances', serdesOfBalances);

    await driver
      .input('payments', serdesOfPayments)
      .sendAll([payment('p1', 1000), payment('p2', 50), payment('p1', 1000), payment('p1', 1000, 7)]);

    assert.deepEqual(await balances.values(), [1000, 1050]);
    assert.equal(driver.metrics.nodes['dedupe seen-payments']?.duplicate, 2);
  });

  it('does not remember a payment for longer than a week', async () => {
    const payments = driver.input('payments', serdesOfPayments);

    await payments.sendAll([payment('p1', 1000), payment('p2', 50, 8), payment('p1', 1000, 8)]);

    assert.equal(await driver.store('balances').get('ada'), 2050);
  });

  it('still knows what it has seen when it is started again after a crash', async () => {
    const payments = driver.input('payments', serdesOfPayments);
    await payments.send(payment('p1', 1000));

    await driver.crash();
    await driver.restart();
    await payments.send(payment('p1', 1000));

    assert.equal(await driver.store('balances').get('ada'), 1000);
  });

  it('ends at the same balances without faults and with half of the payments delivered twice', async () => {
    const sent = Array.from({ length: 200 }, (_, n) => payment(`p${n}`, n, n / 100, n % 3 === 0 ? 'ada' : 'bob'));

    await driver.input('payments', serdesOfPayments).sendAll(sent, { duplicate: 0.5, seed: 7 });

    const expected = { ada: 0, bob: 0 };
    for (const { value } of sent) expected[value.account as keyof typeof expected] += value.cents;
    assert.deepEqual(Object.fromEntries(await driver.store<string, number>('balances').entries()), expected);
  });
});
