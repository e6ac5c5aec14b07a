import assert from 'node:assert/strict';
import { adminContract } from './contract.admin.js';
import { durabilityContract } from './contract.durability.js';
import { membershipContract } from './contract.membership.js';
import { readerContract } from './contract.reader.js';
import { Bench, type BrokerFactory, fails, join, numbered, openTransaction, unique } from './contract.support.js';
import { transactionContract } from './contract.transactions.js';
import { writerContract } from './contract.writer.js';

/**
 * What every broker adapter has to keep: each sentence of `src/broker/port.ts`. Topics and groups have names of their own in each test, and
 * nothing is taken to be visible before flush or commit has resolved, so that it runs against a shared cluster, too.
 */
export function brokerContract(name: string, factory: BrokerFactory): void {
  describe(`${name}: the contract of a broker`, () => {
    const bench = new Bench(factory);
    beforeEach(() => bench.start());
    afterEach(() => bench.cluster.stop());

    adminContract(bench);
    readerContract(bench);
    writerContract(bench);
    transactionContract(bench);
    membershipContract(bench);

    if (factory.durable) durabilityContract(bench);

    describe('closing', () => {
      it('takes its members out of their groups, after onRevoked', async () => {
        const topic = await bench.topic();
        const other = await bench.cluster.open();
        const groupId = unique('group');
        const member = await join(other, groupId, [topic]);
        await other.close();
        assert.deepEqual(member.events, ['assigned part 0 of 1', 'revoked']);
        assert.deepEqual(await bench.broker.admin.groupMembers(groupId), []);
      });

      it('aborts open transactions and flushes what is not in one', async () => {
        const topic = await bench.topic(2);
        const other = await bench.cluster.open();
        const transactional = await other.createWriter({ transactionalId: unique('id') });
        await openTransaction(transactional, numbered(topic, 3));
        const plain = await other.createWriter();
        await plain.write(numbered(topic, 2, 0, { partition: 1 }));
        await other.close();
        assert.deepEqual(await bench.values(topic), []);
        assert.deepEqual(await bench.values(topic, 1), ['0', '1']);
      });

      it('ends readers, and everything asked afterwards is BROKER_CLOSED', async () => {
        const topic = await bench.topic();
        const other = await bench.cluster.open();
        const reader = await other.createReader();
        const writer = await other.createWriter();
        await other.close();
        await assert.rejects(reader.poll({ maxRecords: 1, maxWaitMs: 0 }), fails('BROKER_CLOSED'));
        await assert.rejects(async () => writer.write(numbered(topic, 1)), fails('BROKER_CLOSED'));
        await assert.rejects(other.createReader(), fails('BROKER_CLOSED'));
        await assert.rejects(other.createWriter(), fails('BROKER_CLOSED'));
        await assert.rejects(join(other, unique('group'), [topic]), fails('BROKER_CLOSED'));
      });

      it('does nothing the second time', async () => {
        const other = await bench.cluster.open();
        await other.close();
        await assert.doesNotReject(other.close());
      });
    });
  });
}
