import assert from 'node:assert/strict';
import type { Membership } from '#src/broker/port.js';
import { brokerContract } from './contract.js';
import { Bench, fails, join, numbered, openTransaction, unique } from './contract.support.js';
import { memoryFactory, startMemory } from './local.support.js';
import { maintenanceContract } from './maintenance.contract.js';

const fail = async (): Promise<never> => assert.fail('not to be called');

brokerContract('the memory broker', memoryFactory);
maintenanceContract('the memory broker', startMemory);

describe('the memory broker as a cluster that several processes share', () => {
  const bench = new Bench(memoryFactory);
  beforeEach(() => bench.start());
  afterEach(() => bench.cluster.stop());

  it('drops what a crashed connection had: members without onRevoked, open transactions, unsent records', async () => {
    const { broker } = await startMemory();
    const [process, other] = [broker.connect(), broker.connect()];
    await broker.admin.createTopics([{ name: 'payments', partitions: 1 }]);
    const member = await join(process, 'group', ['payments']);
    const staying = await join(other, 'group', ['payments']);
    const writer = await process.createWriter({ transactionalId: 'id' });
    await openTransaction(writer, numbered('payments', 3));
    const plain = await process.createWriter();
    await plain.write(numbered('payments', 3));
    const reader = await process.createReader();

    process.crash();
    await broker.settled();
    assert.equal(member.events.at(-1), 'lost');
    assert.ok(fails('GROUP_FENCED', member.membership.memberId)(member.errors[0]));
    assert.equal(staying.events.at(-1), 'assigned part 0 of 1');
    await assert.rejects(member.membership.commit([]), fails('GROUP_FENCED'));
    await assert.rejects(writer.commit(), fails('BROKER_CLOSED'));
    await assert.rejects(reader.poll({ maxRecords: 1, maxWaitMs: 0 }), fails('BROKER_CLOSED'));
    await assert.rejects(process.createWriter(), fails('BROKER_CLOSED'));
    assert.deepEqual(await broker.admin.latestOffsets([{ topic: 'payments', partition: 0 }]), [
      { topic: 'payments', partition: 0, offset: 0 },
    ]);
    await broker.close();
  });

  it('goes on with the group when a member is evicted whose onRevoked never answers', async () => {
    const { broker } = await startMemory();
    await broker.admin.createTopics([{ name: 'payments', partitions: 1 }]);
    const frozen = await join(broker.connect(), 'group', ['payments'], {
      onRevoked: () => new Promise(() => undefined),
    });
    const joining = join(broker.connect(), 'group', ['payments']);
    broker.evict(frozen.membership.memberId);
    const second = await joining;
    assert.deepEqual(second.events, ['assigned part 0 of 1']);
    assert.deepEqual(await broker.admin.groupMembers('group'), [second.membership.memberId]);
    assert.deepEqual(frozen.events, ['assigned part 0 of 1', 'lost']);
    await broker.close();
  });

  it('goes on with the group when a callback throws: that member is lost with the error', async () => {
    const topic = await bench.topic();
    const groupId = unique('group');
    const failing = await join(bench.broker, groupId, [topic], {
      onRevoked: async () => {
        throw new Error('cannot commit');
      },
    });
    const second = await join(bench.broker, groupId, [topic]);
    assert.equal(failing.errors[0]?.message, 'cannot commit');
    assert.deepEqual(await bench.broker.admin.groupMembers(groupId), [second.membership.memberId]);
    const third = join(bench.broker, groupId, [topic], {
      onAssigned: async () => {
        throw new Error('cannot restore');
      },
    });
    await assert.rejects(third, /cannot restore/);
    await bench.eventually(() => assert.equal(second.events.at(-1), 'assigned part 0 of 1'));
    await assert.doesNotReject(second.membership.commit([{ topic, partition: 0, offset: 1 }]));
  });

  it('does not hold up a member that leaves while another is being assigned', async () => {
    const topic = await bench.topic();
    const groupId = unique('group');
    const first = await join(bench.broker, groupId, [topic]);
    let release: (() => void) | undefined;
    let restoring = true;
    const second = join(bench.broker, groupId, [topic], {
      onAssigned: async () => {
        if (restoring) await new Promise<void>((resolve) => (release = resolve));
      },
    });
    await bench.eventually(() => assert.equal(first.events.at(-1), 'assigned part 0 of 2'));
    await first.membership.leave();
    assert.equal(first.events.at(-1), 'revoked');
    restoring = false;
    assert.ok(release);
    release();
    assert.deepEqual(await bench.broker.admin.groupMembers(groupId), [(await second).membership.memberId]);
  });

  it('refuses a commit with offsets that an older generation sent, though the member goes on', async () => {
    const [topic, groupId] = [await bench.topic(), unique('group')];
    const first = await join(bench.broker, groupId, [topic]);
    const writer = await bench.broker.createWriter({ transactionalId: unique('id') });
    await openTransaction(writer, numbered(topic, 1));
    await writer.sendOffsets(first.membership, [{ topic, partition: 0, offset: 1 }]);
    await join(bench.broker, groupId, [topic]);
    await first.membership.commit([]);
    await assert.rejects(writer.commit(), fails('GROUP_FENCED', first.membership.memberId, 'generation 1'));
    assert.deepEqual(await bench.values(topic), []);
  });

  it('takes offsets for whatever object stands for the member, as it goes by its ids', async () => {
    const [topic, groupId] = [await bench.topic(), unique('group')];
    const { membership } = await join(bench.broker, groupId, [topic]);
    const { memberId, generation } = membership;
    const writer = await bench.broker.createWriter({ transactionalId: unique('id') });
    await writer.begin();
    const wrapped: Membership = { groupId, memberId, generation, commit: fail, committed: fail, leave: fail };
    await writer.sendOffsets(wrapped, [{ topic, partition: 0, offset: 1 }]);
    await assert.rejects(writer.sendOffsets({ ...wrapped, memberId: 'nobody' }, []), fails('GROUP_FENCED', 'nobody'));
    await writer.commit();
    assert.deepEqual(await membership.committed([{ topic, partition: 0 }]), [{ topic, partition: 0, offset: 1 }]);
  });

  it('hands out copies: what the writer does with its bytes after write changes nothing', async () => {
    const topic = await bench.topic();
    const writer = await bench.broker.createWriter();
    const value = Buffer.from('before');
    await writer.write([
      { topic, partition: 0, timestamp: 1, key: null, value, headers: numbered(topic, 1)[0]?.headers ?? assert.fail() },
    ]);
    value.write('after!');
    await writer.flush();
    assert.deepEqual(await bench.values(topic), ['before']);
  });

  it('leaves no timer behind, whether a poll ended by records, by time or by close', async () => {
    const { broker, clock, stop } = await startMemory();
    await broker.admin.createTopics([{ name: 'payments', partitions: 1 }]);
    const reader = await broker.createReader();
    reader.seek({ topic: 'payments', partition: 0, offset: 0 });
    const polled = reader.poll({ maxRecords: 1, maxWaitMs: 1_000 });
    assert.equal(clock.timers, 1);
    const writer = await broker.createWriter();
    await writer.write(numbered('payments', 1));
    await writer.flush();
    assert.equal((await polled).length, 1);
    assert.equal(clock.timers, 0);
    const second = reader.poll({ maxRecords: 1, maxWaitMs: 1_000 });
    clock.advance(1_000);
    assert.deepEqual(await second, []);
    await stop();
    assert.equal(clock.timers, 0);
  });
});
