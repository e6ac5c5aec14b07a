import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describeTopology, serdes, terminal } from 'millrace';
import { TestDriver } from 'millrace/testing';
import { projectFile } from '../../test/support/project.js';
import topology, { type Charge, type Payment, payments, type Receipt } from './topology.js';

const serdesOfPayments = { key: serdes.string, value: serdes.json<Payment>() };
const payment = (id: string, account: string, cents = 100) => ({ key: account, value: { id, account, cents } });

/** A service that charges each key once, and does what a plan says of each call: fail, hang, or answer. */
class Service {
  readonly charged: string[] = [];
  readonly #answers = new Map<string, Receipt>();
  readonly #paid = new Map<string, number>();
  calls = 0;

  constructor(readonly plan: (call: number) => 'ok' | 'fails' | 'hangs' | 'lost') {}

  readonly charge: Charge = async ({ id, account, cents }, key, signal) => {
    const what = this.plan(this.calls++);
    if (what === 'fails') throw new Error('status 503');
    if (what !== 'hangs' && !this.#answers.has(key)) {
      const paid = (this.#paid.get(account) ?? 0) + cents;
      if (paid > 1_000) throw terminal(new Error('refused'));
      this.#paid.set(account, paid);
      this.charged.push(id);
      this.#answers.set(key, { payment: id, paid });
    }
    if (what !== 'ok')
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
    return this.#answers.get(key) as Receipt;
  };
}

describe('the payments example', () => {
  const open = (service: Service): Promise<TestDriver> =>
    TestDriver.create(payments(service.charge), { partitions: 2 });
  const receipts = (driver: TestDriver) =>
    driver.output('receipts', { key: serdes.string, value: serdes.json<Receipt>() });

  it('is described as in description.txt', () => {
    const golden = projectFile('topology-examples/09-payments/description.txt');
    assert.equal(describeTopology(topology.graph, 'text'), readFileSync(golden, 'utf8'));
  });

  it('charges each payment once, in the order of its account, whatever the service does', async () => {
    const plans = ['fails', 'ok', 'lost', 'ok', 'hangs', 'ok', 'ok'] as const;
    const service = new Service((call) => plans[call % plans.length] ?? 'ok');
    await using driver = await open(service);
    const sent = Array.from({ length: 24 }, (_, n) => payment(`p${n}`, ['ada', 'bob', 'cyd'][n % 3] as string, 10));
    await driver.input('payments', serdesOfPayments).sendAll(sent);
    for (let turn = 0; turn < 60; turn++) await driver.advance('500ms');
    const found = await receipts(driver).values();
    for (const [n, account] of ['ada', 'bob', 'cyd'].entries()) {
      const own = sent.filter(({ key }) => key === account).map(({ value }) => value.id);
      assert.deepEqual(
        found.flatMap((receipt) => (Number(receipt?.payment.slice(1)) % 3 === n ? [receipt?.payment] : [])),
        own,
      );
    }
    assert.equal(new Set(service.charged).size, service.charged.length);
    assert.equal(service.charged.length, 24);
  });

  it('writes what the service refuses, and goes on with the account', async () => {
    const service = new Service(() => 'ok');
    await using driver = await open(service);
    const input = driver.input('payments', serdesOfPayments);
    await input.sendAll([payment('p1', 'ada', 900), payment('p2', 'ada', 200), payment('p3', 'ada', 100)]);
    await driver.settled();
    assert.deepEqual(await receipts(driver).values(), [
      { payment: 'p1', paid: 900 },
      { payment: 'p3', paid: 1_000 },
    ]);
    const refusals = driver.output('refusals', { key: serdes.string, value: serdes.string });
    assert.equal((await refusals.values()).length, 1);
  });

  it('calls again under the same key after a crash', async () => {
    const service = new Service((call) => (call === 0 ? 'lost' : 'ok'));
    await using driver = await open(service);
    await driver.input('payments', serdesOfPayments).send(payment('p1', 'ada'));
    await driver.crash();
    await driver.restart();
    await driver.settled();
    assert.equal(service.calls, 2);
    assert.deepEqual(service.charged, ['p1']);
    assert.deepEqual(await receipts(driver).values(), [{ payment: 'p1', paid: 100 }]);
  });

  it('pauses while the service is down, and uses up no attempt meanwhile', async () => {
    const service = new Service((call) => (call < 40 ? 'fails' : 'ok'));
    await using driver = await open(service);
    const sent = Array.from({ length: 10 }, (_, n) => payment(`p${n}`, `a${n}`));
    await driver.input('payments', serdesOfPayments).sendAll(sent);
    for (let turn = 0; turn < 120; turn++) await driver.advance('1s');
    assert.equal((await receipts(driver).values()).length, 10);
  });
});
