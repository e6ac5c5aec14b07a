import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describeTopology, serdes } from 'millrace';
import { TestDriver, type TestInput, type TestOutput } from 'millrace/testing';
import { projectFile } from '../../test/support/project.js';
import topology, { type Account, type OwnedPayment, type Payment } from './topology.js';

const payment = (account: string, cents: number) => ({ key: account, value: { account, cents } });

describe('the enrich-with-table example', () => {
  let driver: TestDriver;
  let accounts: TestInput<string, Account>;
  let payments: TestInput<string, Payment>;
  let owned: TestOutput<string, OwnedPayment>;

  beforeEach(async () => {
    driver = await TestDriver.create(topology, { partitions: 2 });
    accounts = driver.input('accounts', { key: serdes.string, value: serdes.json<Account>() });
    payments = driver.input('payments', { key: serdes.string, value: serdes.json<Payment>() });
    owned = driver.output('owned-payments', { key: serdes.string, value: serdes.json<OwnedPayment>() });
  });

  afterEach(() => driver.close());

  it('is described as in description.txt', () => {
    const golden = projectFile('topology-examples/04-enrich-with-table/description.txt');
    assert.equal(describeTopology(topology.graph, 'text'), readFileSync(golden, 'utf8'));
  });

  it('gives each payment the owner of its account at that time', async () => {
    await accounts.send({ key: 'a-1', value: { owner: 'Ada' } });
    await payments.send(payment('a-1', 1000));
    await accounts.send({ key: 'a-1', value: { owner: 'Ada Lovelace' } });
    await payments.send(payment('a-1', 250));

    assert.deepEqual(await owned.values(), [
      { account: 'a-1', cents: 1000, owner: 'Ada' },
      { account: 'a-1', cents: 250, owner: 'Ada Lovelace' },
    ]);
  });

  it('lets no payment through that is of no account, of a closed one, or of nothing', async () => {
    await accounts.send({ key: 'a-1', value: { owner: 'Ada' } });
    await accounts.send({ key: 'a-2', value: { owner: 'Bob' } });
    await accounts.send({ key: 'a-2', value: null });

    await payments.sendAll([payment('a-3', 300), payment('a-2', 300), payment('a-1', 0)]);

    assert.deepEqual(await owned.values(), []);
  });
});
