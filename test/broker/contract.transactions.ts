import assert from 'node:assert/strict';
import type { Writer } from '#src/broker/port.js';
import { type Bench, fails, join, numbered, openTransaction, record, unique, valueText } from './contract.support.js';

/** Everything between begin and commit at once or never. */
export function transactionContract(bench: Bench): void {
  const transactional = (transactionalId = unique('id')): Promise<Writer> =>
    bench.broker.createWriter({ transactionalId });

  describe('a transaction', () => {
    it('is invisible until it is committed, then visible as a whole, in every partition, with its offsets', async () => {
      const [topic, groupId] = [await bench.topic(2), unique('group')];
      const { membership } = await join(bench.broker, groupId, [topic]);
      const writer = await transactional();
      await openTransaction(writer, [...numbered(topic, 3), ...numbered(topic, 2, 0, { partition: 1 })]);
      await writer.sendOffsets(membership, [{ topic, partition: 0, offset: 17 }]);
      const reader = await bench.reader(topic, 0, 0);
      await bench.nothing(reader);
      assert.deepEqual((await bench.broker.admin.latestOffsets([{ topic, partition: 0 }]))[0]?.offset, 0);
      assert.deepEqual(await bench.broker.admin.groupOffsets(groupId), []);

      await writer.commit();
      assert.deepEqual(await bench.values(topic, 0), ['0', '1', '2']);
      assert.deepEqual(await bench.values(topic, 1), ['0', '1']);
      assert.deepEqual(await bench.broker.admin.groupOffsets(groupId), [{ topic, partition: 0, offset: 17 }]);
      assert.deepEqual(await membership.committed([{ topic, partition: 0 }]), [{ topic, partition: 0, offset: 17 }]);
    });

    it('holds back the committed end of the log; its end marker takes an offset where there are markers', async () => {
      const topic = await bench.topic();
      const at = [{ topic, partition: 0 }];
      const end = async (): Promise<number> =>
        (await bench.broker.admin.latestOffsets(at, 'read_uncommitted'))[0]?.offset ?? -1;
      const writer = await transactional();
      let before = 0;
      for (let round = 0; round < 3; round++) {
        await openTransaction(writer, numbered(topic, 2));
        await writer.flush();
        assert.equal((await bench.broker.admin.latestOffsets(at))[0]?.offset, before);
        await writer.commit();
        const acknowledged = writer.acknowledged(topic, 0) ?? -1;
        assert.equal(acknowledged, before + 2);
        before = acknowledged + (writer.endMarkers ? 1 : 0);
        assert.equal(await end(), before);
      }
    });

    it('wakes a waiting reader when it is committed', async () => {
      const topic = await bench.topic();
      const writer = await transactional();
      const polled = (await bench.reader(topic, 0)).poll({ maxRecords: 10, maxWaitMs: 60_000 });
      await openTransaction(writer, numbered(topic, 2));
      await writer.commit();
      assert.deepEqual(
        (await polled).flatMap((batch) => batch.records.map(valueText)),
        ['0', '1'],
      );
    });

    it('of many records, more than a writer holds without one, is whole', async () => {
      const topic = await bench.topic();
      const writer = await transactional();
      await writer.begin();
      const value = Buffer.alloc(10_000, 1);
      for (let i = 0; i < 20; i++) await writer.write(Array.from({ length: 100 }, () => record(topic, 'k', { value })));
      await writer.commit();
      assert.equal((await bench.contents(topic)).length, 2_000);
    });

    it('that is aborted leaves nothing, and the next one is not touched by it', async () => {
      const [topic, groupId] = [await bench.topic(), unique('group')];
      const { membership } = await join(bench.broker, groupId, [topic]);
      const writer = await transactional();
      await openTransaction(writer, numbered(topic, 3));
      await writer.sendOffsets(membership, [{ topic, partition: 0, offset: 1 }]);
      await writer.abort();
      await openTransaction(writer, numbered(topic, 1, 9));
      await writer.commit();
      assert.deepEqual(await bench.values(topic), ['9']);
      assert.deepEqual(await bench.broker.admin.groupOffsets(groupId), []);
    });

    it('is not seen between the records of others', async () => {
      const topic = await bench.topic();
      const [first, second] = [await transactional(), await transactional()];
      await openTransaction(first, numbered(topic, 2));
      await openTransaction(second, numbered(topic, 2, 10));
      await bench.write(numbered(topic, 1, 20));
      await second.commit();
      await first.abort();
      assert.deepEqual([...(await bench.values(topic))].sort(), ['10', '11', '20']);
    });

    it('without records or offsets can be committed and aborted; abort without one does nothing', async () => {
      const writer = await transactional();
      await writer.abort();
      await writer.begin();
      await writer.commit();
      await writer.begin();
      await writer.abort();
      await assert.doesNotReject(writer.abort());
    });

    it('out of order is refused: TRANSACTION_INVALID', async () => {
      const [topic, groupId] = [await bench.topic(), unique('group')];
      const { membership } = await join(bench.broker, groupId, [topic]);
      const writer = await transactional();
      await assert.rejects(writer.commit(), fails('TRANSACTION_INVALID'));
      await assert.rejects(writer.sendOffsets(membership, []), fails('TRANSACTION_INVALID'));
      await assert.rejects(async () => writer.write(numbered(topic, 1)), fails('TRANSACTION_INVALID'));
      await writer.begin();
      await assert.rejects(writer.begin(), fails('TRANSACTION_INVALID'));
    });

    it('with a record that was not taken cannot be committed, and leaves nothing when it is aborted', async () => {
      const [topic, missing] = [await bench.topic(), unique('none')];
      const writer = await transactional();
      await writer.begin();
      await writer.write([record(topic, 'a'), record(missing, 'b')]);
      await assert.rejects(writer.flush(), fails('PRODUCE_FAILED', missing));
      await assert.rejects(writer.commit());
      await writer.abort();
      assert.deepEqual(await bench.values(topic), []);
      await openTransaction(writer, [record(topic, 'c')]);
      await writer.commit();
      assert.deepEqual(await bench.values(topic), ['c']);
    });

    it('of a member whose generation is over takes neither offsets nor a commit: GROUP_FENCED', async () => {
      const [topic, groupId] = [await bench.topic(), unique('group')];
      const { membership } = await join(bench.broker, groupId, [topic]);
      const writer = await transactional();
      await openTransaction(writer, numbered(topic, 1));
      await writer.sendOffsets(membership, [{ topic, partition: 0, offset: 1 }]);
      await membership.leave();
      await assert.rejects(
        writer.sendOffsets(membership, [{ topic, partition: 0, offset: 2 }]),
        fails('GROUP_FENCED', groupId),
      );
      await assert.rejects(writer.commit());
      await writer.close();
      assert.deepEqual(await bench.values(topic), []);
      assert.deepEqual(await bench.broker.admin.groupOffsets(groupId), []);
    });

    it('knows where its records end after the commit', async () => {
      const topic = await bench.topic();
      const writer = await transactional();
      await openTransaction(writer, numbered(topic, 2));
      await writer.commit();
      const end = writer.acknowledged(topic, 0);
      assert.ok(end !== undefined && end >= 2);
      await bench.nothing(await bench.reader(topic, end));
    });
  });

  describe('a newer writer of a transactional id', () => {
    it('fences the older: each call of it is PRODUCER_FENCED, its open transaction is aborted', async () => {
      const [topic, id] = [await bench.topic(), unique('id')];
      const other = await bench.cluster.open();
      const older = await other.createWriter({ transactionalId: id });
      await openTransaction(older, numbered(topic, 3));
      const newer = await transactional(id);
      await openTransaction(newer, numbered(topic, 1, 7));
      await newer.commit();
      await assert.rejects(older.commit(), fails('PRODUCER_FENCED', id));
      await assert.rejects(older.begin(), fails('PRODUCER_FENCED', id));
      assert.deepEqual(await bench.values(topic), ['7']);
      await assert.doesNotReject(older.close());
    });

    it('goes on undisturbed when the older is closed', async () => {
      const [topic, id] = [await bench.topic(), unique('id')];
      const older = await transactional(id);
      const newer = await transactional(id);
      await openTransaction(newer, numbered(topic, 1));
      await older.close();
      await newer.commit();
      assert.deepEqual(await bench.values(topic), ['0']);
    });

    it('leaves writers of other ids alone', async () => {
      const topic = await bench.topic();
      const [first, second] = [await transactional(), await transactional()];
      await openTransaction(first, numbered(topic, 1));
      await openTransaction(second, numbered(topic, 1, 1));
      await first.commit();
      await second.commit();
      assert.deepEqual(await bench.values(topic), ['0', '1']);
    });
  });
}
